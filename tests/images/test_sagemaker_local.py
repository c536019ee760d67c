"""The compiled pipeline in the SDK's own local mode: real images, docker-compose, a moto server as S3 and registry.

One server serves all runs, so each run finds what the ones before it left, as on the service.
"""

from __future__ import annotations

import gc
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from orchestration.runners import sagemaker_local
from orchestration.runners.sagemaker_local import run
from orchestration.start import Request
from sluice.contract import SluiceError, storage
from sluice.registry import RegistryHome, Status

pytestmark = [
    pytest.mark.images,
    # the SDK's local mode leaves the pipes of docker-compose to the garbage collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

RECIPE = "recipes/ledger-demo.yaml"
LENIENT = "macro_f1=0.0,accuracy=0.0"


@pytest.fixture(scope="module")
def server(engine, images):
    """A moto server that containers reach; every client of this module is led to it."""
    before = dict(os.environ)
    with sagemaker_local._moto(sagemaker_local._gateway(engine)) as endpoint:
        os.environ.update(sagemaker_local._variables(endpoint))
        yield endpoint
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def before(engine) -> set[str]:
    """The containers of other runs."""
    return {container.name for container in engine.containers.list(all=True)}


@pytest.fixture(scope="module")
def recipe(repository, tmp_path_factory):
    """Writes the demo's recipe with changes, its sample's generator beside it."""
    folder = tmp_path_factory.mktemp("recipes of mine")
    text = (repository / RECIPE).read_text().replace("epochs: 4", "epochs: 1")
    text = text.replace("margin: 0.0", "waived_because: one epoch is not a model")
    generator = repository / "recipes/ledger_demo_sample.py"
    (folder / generator.name).write_text(generator.read_text())

    def write(*changes: tuple[str, str]) -> Path:
        changed = text
        for old, new in changes:
            assert old in changed
            changed = changed.replace(old, new)
        path = folder / "ledger-demo.yaml"
        path.write_text(changed)
        return path

    return write


@pytest.fixture(scope="module")
def started(server, before, image_record, tmp_path_factory):
    """Runs a recipe in local mode; gives the exit status and what was said."""
    store = tmp_path_factory.mktemp("store")

    def start(recipe: Path, thresholds: str) -> tuple[int, str]:
        said = io.StringIO()
        console = Console(file=said, width=500, highlight=False)
        request = Request(
            recipe,
            str(store),
            rows=2500,
            thresholds=thresholds,
            runner="sagemaker-local",
            images=image_record,
        )
        try:
            return run(request, console), said.getvalue()
        finally:
            gc.collect()  # the SDK's pipes go now, while a warning of them is ignored

    return start


@pytest.fixture(scope="module")
def accepted(started, recipe):
    """The run whose gates open."""
    return started(recipe(), LENIENT)


@pytest.fixture(scope="module")
def refused(started, recipe, accepted):
    """The same run with a threshold that no model reaches."""
    return started(recipe(), "macro_f1=0.9999")


def test_raw_data_become_a_registered_model_package(accepted):
    status, said = accepted
    assert status == 0, said
    steps = re.findall(r"^(\w+) +[\d.]+ s ", said, re.MULTILINE)
    assert steps == ["preprocess", "audit", "validate", "train", "evaluate", "register"]
    (version,) = RegistryHome("sagemaker://eu-west-1").open().list()
    assert version.status is Status.PENDING
    assert version.model.uri.startswith("s3://sluice-local/sluice/steps/train/")
    assert storage.exists(version.model.uri)


def test_a_model_below_its_threshold_is_refused_with_the_reason_and_not_registered(refused):
    status, said = refused
    assert status == 3, said
    assert "refused: The model was refused. Nothing was registered: macro_f1" in said
    assert "register" not in re.findall(r"^(\w+) +[\d.]+ s ", said, re.MULTILINE)
    assert len(RegistryHome("sagemaker://eu-west-1").open().list()) == 1


def test_what_did_not_change_is_found_in_its_job_and_not_computed_again(accepted, refused):
    trained = [re.search(r"^train .*", said, re.MULTILINE)[0] for _, said in (accepted, refused)]
    metrics = [line.split(" s ", 1)[1] for line in trained]
    assert metrics[0] == metrics[1]
    folders = storage.list_files("s3://sluice-local/sluice/steps/train", ("*/result.json",))
    assert len(folders) == 1


def test_data_that_the_gate_refuses_trains_nothing(started, recipe, refused):
    changed = recipe(("min_value: 50}", "min_value: 5000000}"), ("name: ledger-demo", "name: too-small"))
    status, said = started(changed, LENIENT)
    assert status == 3, said
    assert "refused: The data was refused. Nothing was trained:" in said
    assert re.search(r"training: row count [\d,]+, below 5,000,000", said)
    assert re.findall(r"^(\w+) +[\d.]+ s ", said, re.MULTILINE) == ["preprocess", "audit", "validate"]


def test_a_step_that_fails_is_told_with_the_reason_of_its_job(started, recipe, refused):
    broken = recipe()
    digest = re.search(r"weights_sha256: (\w+)", broken.read_text())[1]
    broken.write_text(broken.read_text().replace(digest, "0" * 64))
    with pytest.raises(SluiceError) as failed:
        started(broken, LENIENT)
    assert failed.value.message.startswith("step train: ")
    assert "sha256" in failed.value.message
    assert "Read the containers' log:" in failed.value.message


def test_no_container_is_left(engine, before, accepted, refused):
    assert {
        container.name for container in engine.containers.list(all=True) if "algo-1" in container.name
    } <= before


def test_without_an_engine_nothing_is_begun(image_record, repository, tmp_path):
    command = [
        "run",
        RECIPE,
        "--runner",
        "sagemaker-local",
        "--store",
        str(tmp_path),
        "--images",
        str(image_record),
    ]
    environment = {**os.environ, "DOCKER_HOST": "unix:///nowhere/docker.sock"}
    done = subprocess.run(
        [sys.executable, "-m", "orchestration", *command],
        cwd=repository,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "no Docker engine answers" in done.stderr
