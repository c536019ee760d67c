"""The locks: complete, hashed, in agreement, and free of anything that belongs to one machine."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
COMPONENTS = sorted(ROOT.glob("components/*/requirements.in"))
SHARED = [*COMPONENTS, ROOT / "requirements/dev.in"]
SOURCES = [*SHARED, ROOT / "requirements/locking.in", ROOT / "benchmarks/requirements-kfp.in"]

every_lock = pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))


def requirements(source: Path) -> list[str]:
    """The lines of a lock, each with its continuation lines."""
    text = source.with_suffix(".lock").read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def pins(source: Path) -> dict[str, str]:
    return dict(line.split(None, 1)[0].split("==") for line in requirements(source))


def asked_for(source: Path) -> dict[str, str]:
    """The pins that a requirements.in names itself, those beside it that come bare, and those of files it includes."""
    lines = source.read_text().splitlines()
    bare = source.with_name("requirements-bare.in")
    lines += bare.read_text().splitlines() if bare.exists() else []
    asked: dict[str, str] = {}
    for line in lines:
        if line.startswith("-r "):
            asked |= asked_for((source.parent / line.removeprefix("-r ")).resolve())
        elif line and not line.startswith("#"):
            name, version = re.sub(r"\[.*\]", "", line).split("==")
            asked[name.lower()] = version
    return asked


def test_every_component_has_a_lock_and_the_development_environment_includes_it():
    assert {path.parent.name for path in COMPONENTS} >= {"preprocess", "train", "evaluate", "register"}
    included = (ROOT / "requirements/dev.in").read_text()
    assert [
        path for path in COMPONENTS if f"-r ../components/{path.parent.name}/requirements.in" not in included
    ] == []


@every_lock
def test_a_lock_holds_what_its_source_asks_for_at_the_version_it_names(source):
    asked, locked = asked_for(source), pins(source)
    assert asked
    assert {name: locked.get(name) for name in asked} == asked


@every_lock
def test_every_line_of_a_lock_is_pinned_and_hashed(source):
    pattern = re.compile(r"[a-z0-9][a-z0-9._-]*==[^\s;]+( +--hash=sha256:[0-9a-f]{64})+", re.IGNORECASE)
    assert [line for line in requirements(source) if not pattern.fullmatch(re.sub(r" +", " ", line))] == []


@every_lock
def test_a_lock_names_no_package_twice(source):
    names = [line.split("==")[0].lower() for line in requirements(source)]
    assert sorted(set(names)) == sorted(names)


@every_lock
def test_a_lock_names_no_index_no_address_and_no_path(source):
    text = source.with_suffix(".lock").read_text()
    assert (
        re.findall(
            r"^.*(?:://|--index-url|--extra-index-url|--find-links|--trusted-host| @ |file:).*$", text, re.M
        )
        == []
    )
    assert re.findall(r"^[./].*$", text, re.M) == []


def test_pins_that_the_locks_share_agree():
    versions: dict[str, set[str]] = {}
    for source in SHARED:
        for name, version in pins(source).items():
            versions.setdefault(name, set()).add(version)
    assert {name: sorted(found) for name, found in versions.items() if len(found) > 1} == {}


def test_the_development_lock_holds_all_that_any_component_holds():
    development = pins(ROOT / "requirements/dev.in")
    assert {name for source in COMPONENTS for name in pins(source)} - set(development) == set()


@pytest.mark.parametrize("component", ["preprocess", "evaluate", "register"])
def test_only_train_holds_torch(component):
    held = pins(ROOT / f"components/{component}/requirements.in")
    assert {"torch", "transformers", "triton", "sentence-transformers"} & set(held) == set()


@pytest.mark.parametrize("source", SHARED, ids=lambda path: path.parent.name)
def test_no_environment_holds_a_cuda_package(source):
    held = pins(source)
    assert [name for name in held if name.startswith(("nvidia-", "cuda", "triton"))] == []
    assert held.get("torch", "+cpu").endswith("+cpu")


def test_the_lock_of_cuda_is_trains_with_another_torch():
    cpu, cuda = pins(ROOT / "components/train/requirements.in"), pins(ROOT / "requirements/train-cuda.in")
    assert cuda.pop("torch") == cpu.pop("torch").removesuffix("+cpu")
    added = {name: version for name, version in cuda.items() if name not in cpu}
    assert {name: version for name, version in cuda.items() if name not in added} == cpu
    assert "nvidia-cudnn-cu13" in added
    assert [name for name in added if not name.startswith(("nvidia-", "cuda-", "triton"))] == []
