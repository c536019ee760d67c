"""The documentation is true: its maps, commands, tables and examples are those of the project as it is."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from argparse import ArgumentParser, _SubParsersAction
from pathlib import Path

import pytest

from infra.__main__ import _parser as infra_parser
from orchestration.check import check
from orchestration.cli import _parser
from orchestration.documentation import outdated
from sluice.recipe.describe import recipe_schema

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "components/**/README.md", "benchmarks/*.md", "infra/*.md")
    for path in ROOT.glob(pattern)
)
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))


def section(heading: str) -> str:
    """The part of the README below a heading of the second level."""
    (found,) = re.findall(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    return found


def blocks(page: Path) -> list[str]:
    """The shell commands of a page, one line each, without comments and prompts."""
    text = page.read_text(encoding="utf-8")
    fenced = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in fenced for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in (line.partition(" #")[0].strip() for line in lines) if line]


COMMANDS = [(page.relative_to(ROOT).as_posix(), line) for page in PAGES for line in blocks(page)]


def targets() -> set[str]:
    """Every target that the Makefile has a rule for."""
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def make_words(text: str) -> list[str]:
    """Every `make VERB` that a text speaks of in code."""
    return re.findall(r"`make ([a-z][a-z-]*)", text)


def verbs(parser: ArgumentParser) -> dict[str, ArgumentParser]:
    """A parser's verbs; those of `models` too, as `models list`."""
    found: dict[str, ArgumentParser] = {}
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            for name, inner in action.choices.items():
                below = verbs(inner)
                found |= {f"{name} {deeper}": p for deeper, p in below.items()} or {name: inner}
    return found


def git(*words: str) -> list[str]:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


# --- the map


def test_the_map_names_folders_that_exist():
    named = re.findall(r"^\| (`.*?)\|", section("Where things are"), re.MULTILINE)
    folders = [folder for cell in named for folder in re.findall(r"`([\w./-]+)/`", cell)]
    assert len(folders) > 8
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []


def test_every_folder_with_something_tracked_is_in_the_map():
    tops = {name.partition("/")[0] for name in git("ls-files") if "/" in name and not name.startswith(".")}
    parts = {f"sluice/{path.parent.name}" for path in (ROOT / "sluice").glob("*/__init__.py")}
    assert len(tops) >= 7
    named = section("Where things are")
    assert [folder for folder in sorted((tops - {"sluice"}) | parts) if f"`{folder}/`" not in named] == []


def test_every_link_to_a_file_leads_to_one():
    assert len(PAGES) >= 6
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []


# --- the commands


def test_make_alone_lists_every_target_with_what_it_is_for():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    listed = subprocess.run(
        ["make"], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout
    lines = [line.split(None, 2) for line in listed.splitlines()]
    assert {target for _, target, _ in lines} == targets()
    assert all(len(meaning) > 10 for _, _, meaning in lines)


def test_every_target_is_phony():
    (phony,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(phony.split()) == targets()


@pytest.mark.parametrize("page", [*PAGES, ROOT / ".ci/run"], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_make_verb_that_is_spoken_of_exists(page):
    text = page.read_text(encoding="utf-8")
    spoken = [*make_words(text), *re.findall(r"^\s*make ([a-z][a-z-]*)", text, re.MULTILINE)]
    assert set(spoken) <= targets()


def test_there_are_commands_to_look_at():
    assert len(COMMANDS) >= 8
    assert any("make run" in command for _, command in COMMANDS)
    assert any("-m orchestration" in command for _, command in COMMANDS)


@pytest.mark.parametrize(("page", "command"), COMMANDS, ids=[command for _, command in COMMANDS])
def test_a_command_of_a_page_is_one_that_exists(page, command):
    words = shlex.split(re.sub(r"<[^>]*>", "FILLED-IN", command))
    words = [word for word in words if not re.fullmatch(r"[A-Z_]+=.*", word)]
    if words[0] == "make":
        assert set(words[1:]) <= targets(), page
    elif words[1:3] == ["-m", "orchestration"]:
        assert words[0] == ".venv/bin/python", page
        assert callable(_parser().parse_args(words[3:]).run)
    elif words[1:3] == ["-m", "infra"]:
        assert callable(infra_parser().parse_args(words[3 : words.index(">")]).run)
    else:
        pytest.fail(f"{page}: no test knows whether this exists: {command}")


def test_every_verb_of_the_command_line_is_in_the_readme_or_behind_a_make_target():
    known = verbs(_parser())
    told = re.sub(r"\s+", " ", README + (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert len(known) >= 9
    assert [verb for verb in known if f"-m orchestration {verb}" not in told] == []


def test_make_run_gives_the_command_line_what_it_was_given():
    said = subprocess.run(
        ["make", "--dry-run", "run", "RECIPE=r.yaml", "DATA=a folder", "ROWS=7", "STORE=kept"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "MAKEFLAGS": ""},
    ).stdout
    (line,) = [line for line in said.splitlines() if "-m orchestration run" in line]
    options = _parser().parse_args(shlex.split(line)[3:])
    assert (str(options.recipe), options.data, options.rows, options.store) == (
        "r.yaml",
        "a folder",
        7,
        "kept",
    )


# --- what is generated, and what is explained


def test_the_generated_parts_are_up_to_date():
    """`make docs` writes them."""
    assert outdated(ROOT) == []


def fields(schema: dict, definitions: dict) -> set[str]:
    """The names of every field of a JSON schema."""
    if "$ref" in schema:
        return fields(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    below = [
        *schema.get("properties", {}).values(),
        *schema.get("anyOf", []),
        *([schema["items"]] if "items" in schema else []),
    ]
    return set(schema.get("properties", {})).union(*(fields(inner, definitions) for inner in below))


def test_every_field_of_the_recipe_is_explained():
    schema = recipe_schema()
    names = fields(schema, schema["$defs"])
    explained = {
        re.split(r"[.\[]", cell.removesuffix("[]"))[-1]
        for cell in re.findall(r"^\| `([\w.\[\]]+)` \|", section("A recipe, field by field"), re.MULTILINE)
    }
    assert len(names) > 50
    assert names - explained == set()


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_shipped_recipe_passes_its_check_without_data(recipe):
    assert len(RECIPES) >= 2
    assert check(recipe, None) == [
        f"{recipe}: the recipe is in order",
        "no data looked at: name its folder with --data",
    ]


def test_nothing_in_the_pages_is_left_to_be_filled_in():
    assert len(PAGES) >= 6
    left = [
        f"{page.relative_to(ROOT)}: {line}"
        for page in PAGES
        for line in page.read_text(encoding="utf-8").splitlines()
        if re.fullmatch(r"[A-Z]{4,}", line.strip()) or re.search(r"\b(TODO|FIXME|XXX|TBD)\b", line)
    ]
    assert left == []


def test_ci_only_calls_make():
    lines = (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
    work = [line for line in lines if line.strip() and not line.startswith(("#", "set ", "cd "))]
    assert work
    assert [line for line in work if not re.match(r"\s*(([A-Z_]+=\w+ )?make |if \[ -e |fi$)", line)] == []
