"""What decides an image's tag, what a build is given, and what its failures say. No engine is needed here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow
import pytest

from ci.images import (
    BUDGETS,
    Plan,
    arguments,
    build_error,
    default_base,
    locked,
    main,
    plan_of,
    registry_error,
)
from components.trim import strip
from sluice.contract import ImageError

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "components/Dockerfile").read_text()


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    """Nothing of this machine's settings decides what is planned."""
    for name in (
        "BASE_IMAGE",
        "REGISTRY",
        "TORCH",
        "TORCH_INDEX",
        "PIP_CERT",
        "SSL_CERT_FILE",
        "PIP_CONFIG_FILE",
    ):
        monkeypatch.delenv(name, raising=False)


# --- what is planned


def test_every_component_with_a_lock_has_an_image_with_a_budget():
    assert {path.parent.name for path in ROOT.glob("components/*/requirements.lock")} == set(BUDGETS)


def test_a_tag_is_the_digest_of_what_goes_in():
    tags = {name: plan_of(name).tag for name in BUDGETS}
    assert all(re.fullmatch("[0-9a-f]{16}", tag) for tag in tags.values())
    assert len(set(tags.values())) == len(BUDGETS)
    assert {name: plan_of(name).tag for name in BUDGETS} == tags
    assert Plan("train", "another:base", "cpu", "").tag != tags["train"]
    assert Plan("train", default_base(), "cpu", "a.registry/x").tag == tags["train"]


def test_the_code_of_an_image_is_its_component_and_the_library():
    tops = {re.match(r"(components/)?\w+", path)[0] for path in plan_of("train").code}
    assert tops == {"components/train", "sluice"}


def test_an_image_is_named_by_its_registry_its_component_and_its_tag(monkeypatch):
    monkeypatch.setenv("REGISTRY", "a.registry/team/")
    plan = plan_of("train")
    assert plan.reference == f"a.registry/team/sluice-train:{plan.tag}"


def test_the_base_image_is_pinned_by_its_digest_and_every_stage_begins_with_it():
    assert re.fullmatch(r"python:3\.11-slim-bookworm@sha256:[0-9a-f]{64}", default_base())
    stages = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert [stage for stage in stages if stage != "${BASE_IMAGE}"] == ["scratch", "environment"]
    assert "HEALTHCHECK" not in DOCKERFILE


def test_a_build_sees_nothing_that_it_was_not_given():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert [rule[1:] for rule in rules if rule.startswith("!")] == [
        "sluice",
        "components",
        "requirements/*.lock",
        ".resources/wordnet",
        "wheelhouse",
    ]


def test_certificates_and_settings_of_pip_are_secrets_and_no_arguments(monkeypatch, tmp_path):
    settings, certificates = tmp_path / "pip.conf", tmp_path / "ca.pem"
    for file, name in ((settings, "PIP_CONFIG_FILE"), (certificates, "PIP_CERT")):
        file.touch()
        monkeypatch.setenv(name, str(file))
    words = list(arguments(plan_of("preprocess")))
    given = list(zip(words[::2], words[1::2], strict=True))
    assert ("--secret", f"id=ca,src={certificates}") in given
    assert ("--secret", f"id=pip,src={settings}") in given
    assert ("--build-arg", "RESOURCES=wordnet") in given
    assert [pair for pair in given if pair[0] == "--build-arg" and str(tmp_path) in pair[1]] == []


def test_only_torch_is_a_build_that_the_usual_index_lacks():
    pins = {name: [line.split()[0] for line in locked(plan_of(name))] for name in BUDGETS}
    assert all(len(lines) > 40 for lines in pins.values())
    local = {name: [pin for pin in lines if "+" in pin] for name, lines in pins.items()}
    assert [name for name in local if local[name]] == ["train"]
    assert [pin.split("==")[0] for pin in local["train"]] == ["torch"]


# --- what is wrong


@pytest.mark.parametrize(
    ("component", "said"),
    [
        (
            "trian",
            "C: there is no such image. Got: trian. Allowed: preprocess, train, evaluate, register. Did you mean train.",
        ),
        (
            "preprocess.validate",
            "Got: preprocess.validate. Allowed: preprocess, train, evaluate, register. Did you mean preprocess.",
        ),
    ],
)
def test_a_component_without_an_image_is_told(component, said, capsys):
    assert main(["build", component]) == 1
    assert said in capsys.readouterr().err


def test_an_unknown_build_of_torch_is_told(monkeypatch):
    monkeypatch.setenv("TORCH", "rocm")
    with pytest.raises(
        ImageError, match="TORCH: there is no such build of torch. Got: rocm. Allowed: cpu, cuda"
    ):
        plan_of("train")


def test_the_cuda_build_of_torch_is_another_image_of_train_and_of_no_other_component(monkeypatch):
    usual = {name: plan_of(name).tag for name in BUDGETS}
    monkeypatch.setenv("TORCH", "cuda")
    assert [name for name in BUDGETS if plan_of(name).tag != usual[name]] == ["train"]
    assert [pin for pin in locked(plan_of("train")) if pin.startswith("torch==2.13.0 ")]


def test_a_push_without_a_registry_is_told(capsys):
    assert main(["push", "train"]) == 1
    assert "REGISTRY: no registry is named. Name it: make push REGISTRY=" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["build", "push", "show"])
def test_an_engine_that_is_not_there_is_told_before_anything_is_done(verb):
    nowhere = {"DOCKER_HOST": "unix:///nowhere/docker.sock", "REGISTRY": "a.registry"}
    done = subprocess.run(
        [sys.executable, "-m", "ci.images", verb],
        cwd=ROOT,
        env={**os.environ, **nowhere},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{verb}: unix:///nowhere/docker.sock: no Docker engine answers. Got: ")
    assert "DOCKER_HOST" in done.stderr


LOGS = {
    "#8 0.3 sluice: the base image has Python 3.12, not 3.11\n#8 ERROR: executor failed": "the base image does not fit. "
    "Got: the base image has Python 3.12, not 3.11 (a:base). Set BASE_IMAGE to one that does.",
    "#9 5.1     numpy==2.4.6 from https://files.example/numpy.whl:\n#9 5.1         Expected sha256 00\n"
    "#9 5.1              Got        11": "its sha256 is another. Got: numpy==2.4.6. Do not use it.",
    "#9 ERROR: No matching distribution found for torch==2.13.0+cpu": "a package of the lock was not found. "
    "Got: torch==2.13.0+cpu. Put its wheel into wheelhouse/<component>/",
    "failed to solve with frontend dockerfile.v0: failed to create LLB definition: python@sha256:00: not found": "the base "
    "image was not found. Got: python@sha256:00: not found (a:base). Check BASE_IMAGE",
    "ERROR: failed to solve: python@sha256:00: failed to resolve source metadata for docker.io/python: not found": "the base "
    "image was not found. Got: ",
    "write /x: no space left on device": "the engine's disk is full. Got: no space left on device.",
    "one\ntwo\nthree\nfour\n": "the build failed. Got: two three four. Read ",
}


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log[:30])
def test_a_failed_build_is_told_in_words(log, tmp_path):
    path = tmp_path / "train.log"
    path.write_text(log)
    said = str(build_error(Plan("train", "a:base", "cpu", ""), path))
    assert said.startswith("the image of train: ")
    assert LOGS[log] in said


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("denied: User is not authorized", "the registry refuses. Got: .* Log in: docker login"),
        ("no basic auth credentials", "the registry refuses"),
        ("name unknown: The repository does not exist", "the registry has no such repository. .* make infra"),
        ("dial tcp: lookup a.registry: no such host", "the registry does not answer. .* Check REGISTRY"),
    ],
)
def test_a_registry_that_does_not_do_as_it_is_asked_is_told(answer, said):
    assert re.search(said, str(registry_error(Plan("train", "a:base", "cpu", "a.registry"), answer)))


# --- what is taken out


def test_a_stripped_library_is_smaller_and_loads(tmp_path):
    (source,) = Path(pyarrow.__file__).parent.glob("_csv.*.so")
    folder = tmp_path / "pyarrow"
    shutil.copytree(source.parent, folder, ignore=shutil.ignore_patterns("tests", "include"))
    before = (folder / source.name).stat().st_size
    strip(folder / source.name)
    assert (folder / source.name).stat().st_size < before

    code = "import io, pyarrow.csv as csv; print(csv.__file__, csv.read_csv(io.BytesIO(b'a,b\\n1,2\\n')).num_columns)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(folder / "csv.py"), "2"]


def test_what_is_no_library_is_left_as_it_is(tmp_path):
    for content in (b"", b"GROUP ( libc.so.6 )\n" * 9, b"\x7fELF\x01" + bytes(99)):
        path = tmp_path / "some.so"
        path.write_bytes(content)
        strip(path)
        assert path.read_bytes() == content
