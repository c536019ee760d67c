"""The built images: what they say of themselves, how large they are, what is not in them, and that they run anywhere."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from ci import sbom
from ci.images import BUDGETS
from sluice.contract import CONTRACT_VERSION

pytestmark = pytest.mark.images

COMPONENTS = sorted(BUDGETS)
FOREIGN = "4711:4711"
"""A user that no image knows."""
MODULES = {
    "preprocess": "preprocess.validate.component",
    "train": "train.component",
    "evaluate": "evaluate.component",
    "register": "register.component",
}

each = pytest.mark.parametrize("name", COMPONENTS)


class Done(NamedTuple):
    """What a container left."""

    status: int
    out: str
    err: str


@pytest.fixture(scope="session")
def container(images):
    """Run a component's image as `docker run` does: options for the engine first, words for the image after."""

    def run(name: str, *words: object, options: tuple[str, ...] = ()) -> Done:
        command = ["docker", "run", "--rm", "--network", "none", *options, images[name].uri, *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        return Done(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def python(container):
    """Run Python in a component's image."""
    return lambda name, code: container(name, "-c", code, options=("--entrypoint", "python"))


# --- what an image says of itself


@each
def test_the_labels_say_what_is_inside(engine, images, name):
    attrs = engine.images.get(images[name].uri).attrs
    labels, environment = attrs["Config"]["Labels"], attrs["Config"]["Env"]
    assert labels["sluice.component"] == name
    assert labels["sluice.contract"] == images[name].contract == CONTRACT_VERSION
    assert labels["sluice.python"] == images[name].python == "3.11"
    assert labels["sluice.content"] == images[name].tag
    assert re.fullmatch(r"[0-9a-f]{40}\+?", labels["org.opencontainers.image.revision"])
    assert f"SLUICE_IMAGE_CONTENT={images[name].tag}" in environment
    assert "Healthcheck" not in attrs["Config"]


@each
def test_the_python_that_runs_is_the_one_on_the_label(python, images, name):
    done = python(name, "import sys; print('%d.%d' % sys.version_info[:2], sys.prefix)")
    assert done.out.split() == [images[name].python, "/opt/venv"]


@each
def test_an_image_is_within_its_budget(engine, images, name):
    megabytes = engine.images.get(images[name].uri).attrs["Size"] / 1e6
    assert megabytes <= BUDGETS[name]


@each
def test_the_command_line_of_an_image_is_its_components(container, name):
    assert f"usage: python -m components.{name} " in container(name, "--help").out


def test_the_image_of_preprocess_has_two_command_lines(container):
    done = container("preprocess", "--help", options=("--env", "SLUICE_COMPONENT=preprocess.validate"))
    assert "usage: python -m components.preprocess.validate " in done.out


def test_the_same_command_line_is_wrong_in_the_same_way(container):
    done = container("train", "--no-such-option")
    assert done.status == 2
    assert "the following arguments are required" in done.err


# --- what is in an image, and what is not


@each
def test_an_image_holds_its_own_component_and_no_other(container, name):
    others = [other for other in COMPONENTS if other != name]
    imports = [f"components.{MODULES[other]}" for other in others] + ["orchestration", "tests", "recipes"]
    code = (
        "import importlib\n"
        f"importlib.import_module('components.{MODULES[name]}')\n"
        f"for module in {imports!r}:\n"
        "    try: importlib.import_module(module)\n"
        "    except ModuleNotFoundError as error: print(error.name)\n"
    )
    done = container(name, "-c", code, options=("--entrypoint", "python"))
    assert done.err == ""
    assert done.out.split() == [*(f"components.{other}" for other in others), *imports[-3:]]


@each
def test_the_job_driver_of_the_sagemaker_sdk_can_be_imported(python, name):
    done = python(name, "import sagemaker.core.remote_function.invoke_function; print('imported')")
    assert done.out.split()[-1:] == ["imported"], done.err


@each
def test_a_job_that_can_not_report_its_failure_ends_as_a_failure(container, name):
    """The SDK's driver calls sys.exit(0) while an exception is on its way; in an image that is no success."""
    driver = "sagemaker.core.remote_function.invoke_function"
    code = "import sys\ntry:\n    1/0\nfinally:\n    sys.exit(0)"
    options = ("--entrypoint", "python")
    assert container(name, "-c", code, driver, options=options).status == 1
    assert container(name, "-c", code, "something.else", options=options).status == 0
    assert container(name, "-c", "import sys; sys.exit(0)", driver, options=options).status == 0


def test_only_preprocess_brings_wordnet(container):
    listed = {
        name: container(name, "-c", "ls /opt/sluice/.resources", options=("--entrypoint", "sh")).out.split()
        for name in COMPONENTS
    }
    assert listed == {"evaluate": [], "preprocess": ["wordnet"], "register": [], "train": []}


class Layered(NamedTuple):
    """A file of a layer."""

    path: str
    content: bytes


def files_of(image: Path) -> Iterator[Layered]:
    """Every file of every layer of a saved image, those too that a later layer hides."""
    with tarfile.open(image) as saved:
        layers = json.load(saved.extractfile("manifest.json"))[0]["Layers"]
        assert len(layers) > 2
        for layer in layers:
            with tarfile.open(fileobj=saved.extractfile(layer)) as files:
                for member in files:
                    if member.isfile():
                        yield Layered(member.name, files.extractfile(member).read())


def save(reference: str, folder: Path) -> Path:
    """`docker save`."""
    target = folder / "image.tar"
    subprocess.run(["docker", "save", "--output", target, reference], check=True)
    return target


NOT_IN_A_LAYER = (
    r"(^|/)(gcc|g\+\+|cc|c\+\+|cpp|clang|ld|as|make|cmake|rustc|cargo|go)(-\d+)?$",
    r"^root/\.cache/|/\.cache/pip/|(^|/)pip\.conf$|^run/secrets/.",
    r"^opt/.*/site-packages/pip/|^opt/.*/bin/pip",
    r"^opt/.*/(\.git|\.env|tests)/|^opt/.*\.whl$|^opt/.*/__pycache__/.*\.opt-",
)


@each
def test_no_layer_holds_a_compiler_pip_its_cache_or_its_settings(images, name, tmp_path):
    found, seen = [], 0
    for file in files_of(save(images[name].uri, tmp_path)):
        seen += 1
        found += [file.path for pattern in NOT_IN_A_LAYER if re.search(pattern, file.path)]
    assert seen > 5000
    assert found == []


@each
def test_the_history_of_an_image_names_no_index_and_no_certificate(engine, images, name):
    told = " ".join(step["CreatedBy"] for step in engine.images.get(images[name].uri).history())
    assert "ENTRYPOINT" in told
    assert re.findall(r"https?://\S+|BEGIN CERTIFICATE|index-url|TORCH_INDEX", told) == []


# --- the bill of materials


def test_an_image_has_a_valid_bill_of_materials_beside_its_tag(engine, images, monkeypatch, tmp_path):
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    monkeypatch.setattr(sbom, "FOLDER", tmp_path)
    for name, image in images.items():
        sbom.write(engine, image.uri, name, image.tag)
        text = (tmp_path / f"{name}-{image.tag}.cdx.json").read_text()
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
        held = {(part["name"].lower(), part["version"]) for part in json.loads(text)["components"]}
        assert ("torch", "2.13.0+cpu") in held if name == "train" else "torch" not in dict(held)
        assert {"pyarrow", "sagemaker-core", "python", "libc6"} <= dict(held).keys()
        assert "pip" not in dict(held)


def test_a_bill_that_is_there_is_not_written_again(engine, images, monkeypatch, tmp_path):
    monkeypatch.setattr(sbom, "FOLDER", tmp_path)
    (tmp_path / "train-0123456789abcdef.cdx.json").write_text("as it was")
    sbom.write(engine, "no/such:image", "train", "0123456789abcdef")
    assert (tmp_path / "train-0123456789abcdef.cdx.json").read_text() == "as it was"


# --- where an image runs


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A folder that everybody may write, with the sample ledger in it and the shipped recipe for it."""
    root = Path(__file__).parents[2]
    folder = tmp_path_factory.mktemp("bench")
    made = [sys.executable, "-m", "recipes.ledger_demo_sample", folder / "data", "--rows", "400"]
    subprocess.run(made, cwd=root, check=True, capture_output=True)
    (folder / "recipe.yaml").write_bytes((root / "recipes/ledger-demo.yaml").read_bytes())
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o777)
    return folder


@pytest.mark.parametrize("user", ["0:0", FOREIGN])
def test_an_image_runs_as_anyone_on_a_read_only_file_system_without_a_network(container, bench, user):
    store = bench / f"store of {user.partition(':')[0]}"
    store.mkdir(mode=0o777)
    store.chmod(0o777)
    mounts = ("--volume", f"{bench}:{bench}:ro", "--volume", f"{store}:{store}")
    confined = ("--read-only", "--tmpfs", "/tmp", "--user", user, "--cap-drop", "ALL", *mounts)
    common = ("--store", store, "--recipe", bench / "recipe.yaml")

    made = container("preprocess", *common, "--raw", bench / "data", options=confined)
    assert made.status == 0, made.err
    outputs = json.loads(made.out)["outputs"]
    tables = ("training", "validation", "test", "account")

    def then(component, **given):
        words = [f"--{name}={uri}" for name, uri in given.items()]
        options = (*confined, "--env", f"SLUICE_COMPONENT={component}")
        done = container("preprocess", *common, *words, options=options)
        assert done.status == 0, done.err
        return json.loads(done.out)["outputs"]

    given = {name: outputs[name] for name in tables}
    audited = then("preprocess.audit", **given, features=outputs["features"])
    then("preprocess.validate", **given, quarantine=outputs["quarantine"], audit=audited["measures"])
    owners = {path.stat().st_uid for path in store.rglob("*")}
    assert owners == {int(user.partition(":")[0])}


@each
def test_an_image_brings_its_modules_compiled(python, name):
    """A container's file system may be read-only: what Python compiles for itself would be lost each time."""
    code = (
        f"import os, components.{MODULES[name]} as component, pyarrow\n"
        "print(*(os.path.exists(module.__cached__) for module in (component, pyarrow)))"
    )
    assert python(name, code).out.split() == ["True", "True"]
