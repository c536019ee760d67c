"""The house: who may import what, what is never used, how long functions are, and the surfaces that others rely on."""

from __future__ import annotations

import ast
import json
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from orchestration.graph import OutputOf, PipelineParameter
from orchestration.pipeline import build
from sluice.contract import Component

ROOT = Path(__file__).parents[1]
HOUSE = ("sluice", "components", "orchestration")
COMPONENTS = ("preprocess", "preprocess.audit", "preprocess.validate", "train", "evaluate", "register")
INTERFACES = ROOT / "tests/interfaces.json"
GRAPH = ROOT / "tests/graph.json"

LONGEST = 60
MEDIAN = 12
UNSAFE = {"pickle", "cPickle", "_pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"}
OWN_WORDS = {"name", "title", "class_name"}
"""A column of a shipped recipe may be called by a word that Sluice itself needs."""


@cache
def tracked() -> tuple[Path, ...]:
    """Every Python file that git knows."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return tuple(ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).exists())


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def files(*folders: str) -> list[Path]:
    """The tracked files below some folders; a rule that looks at none of them is broken itself."""
    found = [file for file in tracked() if any(file.is_relative_to(ROOT / folder) for folder in folders)]
    assert found, f"no Python file below {folders}"
    return found


def at(file: Path, node: ast.AST) -> str:
    return f"{file.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


def imports(file: Path) -> Iterator[tuple[str, ast.AST]]:
    """Every module that a file imports, at its top or later. `from a import b` may mean the module a.b: both are given."""
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{at(file, node)}: imports are written out from the root"
            yield from ((f"{node.module}.{alias.name}", node) for alias in node.names)


def is_inside(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def importing(folder: str, *forbidden: str, but: tuple[str, ...] = ()) -> list[str]:
    """Where files below a folder import what they may not."""
    return [
        f"{at(file, node)} imports {module}"
        for file in files(folder)
        for module, node in imports(file)
        if any(is_inside(module, package) for package in forbidden)
        and not any(is_inside(module, package) for package in but)
    ]


def test_the_rules_look_at_many_files():
    assert len(tracked()) > 150
    assert [folder for folder in HOUSE if len(files(folder)) < 12] == []


# --- who imports what


def test_contract_imports_no_sibling():
    assert importing("sluice/contract", "sluice", but=("sluice.contract",)) == []


def test_contract_needs_only_the_standard_library_pydantic_and_pyarrow():
    allowed = sys.stdlib_module_names | {"sluice", "pydantic", "pyarrow"}
    others = {
        module.split(".")[0] for file in files("sluice/contract") for module, _ in imports(file)
    } - allowed
    assert others == set()


def test_the_library_imports_no_component_and_no_orchestration():
    assert importing("sluice", "components", "orchestration") == []


@pytest.mark.parametrize("folder", ["preprocess", "train", "evaluate", "register"])
def test_a_component_imports_the_library_and_itself(folder):
    assert importing(f"components/{folder}", "components", but=(f"components.{folder}",)) == []
    assert importing(f"components/{folder}", "orchestration") == []


def test_orchestration_never_imports_a_component_by_statement():
    assert importing("orchestration", "components") == []


def test_only_steps_and_pipeline_may_ever_import_sagemaker():
    assert [
        place
        for folder in (*HOUSE, "ci", "benchmarks", "recipes")
        for place in importing(folder, "sagemaker")
        if not place.startswith(("orchestration/steps.py", "orchestration/pipeline.py"))
    ] == []


@pytest.mark.parametrize("folder", ["components/evaluate", "components/register", "sluice"])
def test_what_evaluates_serves_and_registers_needs_no_torch(folder):
    assert importing(folder, "torch", "transformers") == []


def test_only_components_bring_what_their_own_image_holds():
    """The library's lower floors stay light: a recipe is read without an array library."""
    assert importing("sluice/recipe", "pyarrow", "numpy") == []
    heavy = ("torch", "transformers", "sklearn", "great_expectations", "matplotlib", "nltk", "mlflow")
    for folder in ("sluice/contract", "sluice/recipe", "sluice/ingest", "orchestration"):
        assert importing(folder, *heavy) == []


def test_nltk_is_only_compared_with():
    assert [place for folder in HOUSE for place in importing(folder, "nltk")] == []


def test_every_command_line_answers_without_a_heavy_import():
    """`--help` has to answer at once, so nothing heavy is imported at a component's top."""
    heavy = "torch transformers sklearn great_expectations matplotlib onnxruntime nltk mlflow scipy pandas"
    code = (
        "import sys, importlib\n"
        f"for name in {COMPONENTS!r}: importlib.import_module(f'components.{{name}}.component')\n"
        "import orchestration.cli, orchestration.pipeline\n"
        "orchestration.cli._parser()\n"
        f"print(*sorted(set({heavy!r}.split()) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


# --- what is never used


def test_nothing_is_pickled():
    assert [place for folder in HOUSE for place in importing(folder, *UNSAFE)] == []


def calls(folder: str) -> Iterator[tuple[str, Path, ast.Call]]:
    """Every call, by what is called as it is written: `eval`, `torch.load`, `archive.extractall`."""
    for file in files(folder):
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.Call):
                yield ast.unparse(node.func), file, node


def keyword(call: ast.Call, name: str) -> object:
    given = [k.value for k in call.keywords if k.arg == name]
    return getattr(given[0], "value", "something else") if given else None


@pytest.mark.parametrize("folder", HOUSE)
def test_nothing_that_runs_what_it_reads(folder):
    """No eval, exec or shell; no archive unpacked wholesale; no torch or numpy file that may hold code."""
    bad = []
    for called, file, node in calls(folder):
        last = called.rpartition(".")[2]
        if (
            called in ("eval", "exec", "compile", "os.system", "os.popen", "__import__")
            or last in ("extractall", "unpack_archive", "read_pickle", "to_pickle")
            or (called.startswith("yaml.") and last in ("load", "full_load", "unsafe_load"))
            or (called == "torch.load" and keyword(node, "weights_only") is not True)
            or keyword(node, "shell") not in (None, False)
            or keyword(node, "allow_pickle") not in (None, False)
            or keyword(node, "trust_remote_code") not in (None, False)
        ):
            bad.append(f"{at(file, node)}: {called}")
    assert bad == []


def test_no_exception_is_swallowed_whole():
    """`except Exception: pass` and its kin: a broad handler has to do something with what it caught."""
    silent = []
    for file in files(*HOUSE):
        for node in ast.walk(tree(file)):
            if not isinstance(node, ast.ExceptHandler):
                continue
            broad = node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
            raises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
            uses = node.name is not None and any(
                isinstance(inner, ast.Name) and inner.id == node.name for inner in ast.walk(node)
            )
            if broad and not (raises or uses):
                silent.append(at(file, node))
    assert silent == []


# --- recipes name columns, and nobody else does


def texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


MADE_UP = ("benchmarks/ledger.py", "benchmarks/pandas_way.py", "benchmarks/gate.py", "benchmarks/audit.py")
"""Benchmarks that make up a table, and so its columns' names."""


def column_names(recipe: Path) -> set[str]:
    """Every column that a recipe names, standardised and as cut out or merged."""
    read = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    found = {*texts(read["columns"]), *read["columns"].get("hierarchical", {})}
    for rule in read["data"].get("derive", []):
        found |= {rule["from"], *re.findall(r"\(\?P<(\w+)>", rule["pattern"])}
    merge = read["data"].get("merge", {})
    return found | {*texts([merge.get(key) for key in ("key", "list_key", "columns")])}


def test_column_names_stand_in_recipes_and_nowhere_else():
    recipes = sorted((ROOT / "recipes").glob("*.yaml"))
    names = set().union(*map(column_names, recipes))
    assert len(recipes) >= 2
    assert len(names) > 20
    assert names >= OWN_WORDS, "a word that no recipe uses needs no exception"
    said = [
        f"{at(file, node)}: {', '.join(sorted(used))}"
        for file in files(*HOUSE, "ci", "benchmarks")
        if file.relative_to(ROOT).as_posix() not in MADE_UP
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if (used := (names - OWN_WORDS) & set(re.findall(r"\w+", node.value)))
    ]
    assert said == []


# --- what every file and function is like


def definitions(file: Path) -> Iterator[tuple[str, ast.AST]]:
    """The public functions, classes and methods of a file, by name."""

    def walk(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.AST]]:
        for inner in ast.iter_child_nodes(node):
            if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                if inner.name.startswith("_"):
                    continue
                yield f"{prefix}{inner.name}", inner
                if isinstance(inner, ast.ClassDef):
                    yield from walk(inner, f"{inner.name}.")

    yield from walk(tree(file), "")


def test_every_module_and_every_public_name_says_what_it_is():
    silent = [
        f"{at(file, node)}: {name}"
        for file in files(*HOUSE)
        for name, node in [("the module", tree(file)), *definitions(file)]
        if not ast.get_docstring(node)
    ]
    assert silent == []


def lengths() -> list[tuple[int, str]]:
    return sorted(
        (node.end_lineno - node.lineno + 1, f"{at(file, node)} {node.name}")
        for file in files(*HOUSE)
        for node in ast.walk(tree(file))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def test_functions_are_short(record_property):
    found = [lines for lines, _ in lengths()]
    record_property("median", statistics.median(found))
    record_property("90th percentile", statistics.quantiles(found, n=10)[-1])
    assert statistics.median(found) <= MEDIAN
    assert [place for lines, place in lengths() if lines > LONGEST] == []


def test_every_component_folder_holds_the_same_files():
    folders = {name: ROOT / "components" / name.replace(".", "/") for name in COMPONENTS}
    parts = {file.parent for file in files("components") if file.name == "component.py"}
    assert parts == set(folders.values())
    for name, folder in folders.items():
        wanted = ["__init__.py", "__main__.py", "component.py", "README.md"]
        if (
            "." not in name
        ):  # a component inside another one's folder lives in that one's environment and image
            wanted += ["requirements.in", "requirements.lock"]
        assert [file for file in wanted if not (folder / file).is_file()] == [], name


# --- surfaces; rewrite with: PYTHONPATH=. python tests/test_house.py (a package of the SDK is called `tests`, too)


def interfaces() -> dict[str, object]:
    """Each component's interface, as its `--schema` prints it."""
    return {name: Component.load(name).json_schema() for name in COMPONENTS}


def graph() -> dict[str, object]:
    """The pipeline: parameters, steps with their arguments, gates."""

    def told(argument: object) -> object:
        if isinstance(argument, OutputOf):
            return f"{argument.step}.{argument.output}"
        return f"parameter {argument.name}" if isinstance(argument, PipelineParameter) else argument

    built = build()
    return {
        "parameters": {name: {"default": p.default} for name, p in built.parameters.items()},
        "steps": {
            step.name: {
                "component": step.component.name,
                "arguments": {name: told(argument) for name, argument in step.arguments.items()},
                "gate": step.gate,
            }
            for step in built.steps.values()
        },
        "gates": {
            gate.name: {"verdict": gate.verdict, "refusal": gate.refusal, "gate": gate.gate}
            for gate in built.gates.values()
        },
    }


SURFACES = {INTERFACES: interfaces, GRAPH: graph}


@pytest.mark.parametrize("file", SURFACES, ids=lambda file: file.stem)
def test_a_surface_is_as_it_was(file):
    """A difference is a change for whoever calls the components: look at it, then `PYTHONPATH=. python tests/test_house.py`."""
    assert json.loads(json.dumps(SURFACES[file]())) == json.loads(file.read_text(encoding="utf-8"))


if __name__ == "__main__":
    for golden, now in SURFACES.items():
        golden.write_text(json.dumps(now(), indent=1) + "\n", encoding="utf-8")
