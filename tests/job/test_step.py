"""What a job answers, and how it ends when anything is wrong: a message in its failure file, and status 1."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from sluice.contract import storage
from sluice.job.step import NOT_GIVEN, _strict, run_step

from .engine import image, in_a_room

COUNT = ("count", "file:///no/recipe.yaml", "rows")


@pytest.fixture
def store(checkout, tmp_path, monkeypatch):
    """The environment of a job whose store is a folder; gives the store."""
    monkeypatch.setenv("SLUICE_STORE", str(tmp_path / "store"))
    return storage.to_uri(tmp_path / "store")


@pytest.fixture
def job(repository, checkout, can_mount, tmp_path):
    """Calls the function that every step runs, in a process and with an /opt/ml of its own."""
    if not can_mount:
        pytest.skip("this machine lets nobody mount a folder in a namespace")

    def call(*given: str, **variables: str):
        variables = {"SLUICE_STORE": str(tmp_path / "store"), **variables}
        code = f"from sluice.job import run_step; run_step(*{given!r}); print('returned')"
        done = in_a_room(
            tmp_path / "job", [sys.executable, "-c", code], image(repository, checkout, **variables)
        )
        assert ("returned" in done.log) == (done.status == 0)
        return done

    return call


def loaded_after(code: str, repository, **variables: str) -> list[str]:
    """Which of the heavy packages are there after some code ran in a new Python."""
    heavy = {"sagemaker", "boto3", "botocore"}
    code = f"import sys\n{code}\nprint(*sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=repository,
        env=image(repository, **variables),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_a_verdict_is_answered_with_its_outputs_and_what_a_gate_reads(store):
    folder = f"{store}/steps/count/"
    said = run_step(*COUNT, "3")
    assert said["result"].startswith(folder)
    assert said == {
        "outputs": {"numbers": f"{said['result']}/numbers/manifest.json"},
        "result": said["result"],
        "passed": True,
        "reasons": "All that was asked holds.",
    }
    refused = run_step(*COUNT, "3", "how", "refuse")
    assert (refused["passed"], refused["reasons"]) == (False, "3 is more than 2; 4 is too")


def test_what_is_no_verdict_says_nothing_of_passing(store):
    numbers = run_step(*COUNT, "3")["outputs"]["numbers"]
    said = run_step("total", "file:///no/recipe.yaml", "numbers", numbers)
    assert sorted(said) == ["outputs", "result"]


def test_an_unchanged_step_returns_what_it_found(store):
    said = run_step(*COUNT, "3")
    before = storage.read_bytes(f"{said['result']}/result.json")
    assert run_step(*COUNT, "3") == said
    assert storage.read_bytes(f"{said['result']}/result.json") == before


def test_a_parameter_that_was_not_given_is_the_components_default(store):
    assert run_step(*COUNT, "3", "how", NOT_GIVEN) == run_step(*COUNT, "3")


@pytest.mark.parametrize(
    "value",
    [np.float32(1.5), np.int64(3), np.bool_(True), float("nan"), float("inf"), {(1, 2): "pair"}, {1.5}],
)
def test_only_finite_builtins_are_answered(value):
    with pytest.raises((TypeError, ValueError), match="JSON|keys must be"):
        _strict({"outputs": {"numbers": "x"}, "metrics": {"f1": value}})


def test_numpys_double_becomes_a_float():
    (said,) = _strict({"f1": np.float64(0.5)}).values()
    assert type(said) is float


def test_numpys_numbers_in_metrics_become_plain_ones(store):
    said = run_step(*COUNT, "3", "how", "numpy")
    metrics = json.loads(storage.read_bytes(f"{said['result']}/result.json"))["metrics"]
    assert (metrics["rows"], metrics["mean"]) == (3, 0.5)


def test_a_metric_that_is_no_number_ends_the_job(job):
    done = job(*COUNT, "3", "how", "nan")
    assert done.status == 1
    assert done.failure.startswith(
        "count: unexpected ValidationError: 1 validation error for CountMetrics\nmean\n"
    )


@pytest.mark.parametrize(
    ("given", "variables", "message"),
    [
        (
            (*COUNT, "3", "how", "input"),
            {},
            "count: line 3: the number is odd. Got: 7. Allowed: even numbers. Double it.",
        ),
        ((*COUNT, "3", "how", "defect"), {}, "count: unexpected ZeroDivisionError: division by zero"),
        (
            (*COUNT, "many"),
            {},
            "count --rows: the value doesn't fit: Input should be a valid integer, unable to parse string as an "
            "integer. Got: 'many'.",
        ),
        (
            ("preprocess", "file:///no/recipe.yaml", "raw", "file:///no/data"),
            {},
            "preprocess: file:///no/recipe.yaml: there is no recipe. Start it with: make start RECIPE=….",
        ),
        (
            (*COUNT, "3"),
            {"SLUICE_STORE": "gs://elsewhere/x"},
            "count: gs://elsewhere/x: no storage for this scheme. Allowed: file://, s3:// or a local path.",
        ),
        (
            ("absent", "file:///no/recipe.yaml"),
            {},
            "absent: unexpected ModuleNotFoundError: No module named 'components.absent'",
        ),
    ],
    ids=["input", "defect", "value", "recipe", "store", "component"],
)
def test_whatever_is_wrong_ends_the_job_with_its_reason(job, given, variables, message):
    done = job(*given, **variables)
    assert (done.status, done.failure) == (1, message)
    assert "Traceback" in done.log


def test_a_recipes_mistakes_are_the_reason(job, tmp_path):
    (tmp_path / "recipe.yaml").write_text("version: 1\nname: parcels\ndatta: {}\n")
    done = job("preprocess", str(tmp_path / "recipe.yaml"), "raw", str(tmp_path))
    assert done.status == 1
    assert done.failure.startswith("preprocess: ")
    assert "mistakes in the recipe\n" in done.failure
    assert "datta" in done.failure


def test_a_job_that_was_compiled_by_another_sluice_says_so(repository, checkout, can_mount, tmp_path):
    if not can_mount:
        pytest.skip("this machine lets nobody mount a folder in a namespace")
    code = f"from sluice.job import run_step; run_step(*{COUNT!r}, '3')"
    done = in_a_room(tmp_path, [sys.executable, "-c", code], image(repository, checkout))
    assert done.status == 1
    assert done.failure == (
        "count: the job doesn't know its store. Allowed: SLUICE_STORE in the job's environment. "
        "Compile the pipeline again with this Sluice."
    )


def test_a_long_reason_keeps_its_beginning_where_the_service_cuts_it(job):
    done = job(*COUNT, "9" * 5000)
    assert done.status == 1
    assert len(done.failure) == 1024
    assert done.failure.startswith("count --rows: the value doesn't fit")


def test_the_package_of_every_image_needs_no_sdk_and_no_boto3(repository, checkout, tmp_path):
    assert loaded_after("import sluice.job", repository) == []
    code = f"import sys; sys.path.append({str(checkout)!r})\nfrom sluice.job import run_step; run_step(*{COUNT!r}, '3')"
    assert loaded_after(code, repository, SLUICE_STORE=str(tmp_path)) == []
    assert json.loads(next(tmp_path.rglob("result.json")).read_text())["metrics"]["rows"] == 3
