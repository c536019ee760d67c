"""What a start passes over: steps with a result, lent by an execution that had exactly that result."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestration.definition import read_definition
from orchestration.executions import Deployed
from orchestration.graph import Graph
from orchestration.prune import Given, Selection, Survey, selected, selection, survey
from sluice.aws import client
from sluice.contract import storage
from sluice.job import record_uri, run_step
from tests.builders.definitions import an_environment

from .service import account_at

DEFINITION = read_definition((Path(__file__).parent / "definition.json").read_text())
TAGS = {"emit": "1" * 16, "total": "2" * 16}
EVERYTHING = {
    "preprocess", "audit", "validate", "data-gate", "data-gate-refused", "train",
    "evaluate", "metric-gate", "metric-gate-refused", "register",
}  # fmt: skip


@pytest.fixture
def graph(importable):
    """Some numbers are written, and added up if the verdict on them is good."""
    made = Graph("small")
    count = made.parameter("count", "how many numbers")
    passed = made.parameter("passed", "whether they are good")
    numbers = made.step("emit", count=count, passed=passed)
    with made.gate("gate", numbers, refusal="The numbers were refused"):
        made.step("total", values=numbers["values"])
    return made


@pytest.fixture
def job(s3_store, monkeypatch, importable):
    """Runs a step's job in its image, as SageMaker does; gives its result's folder."""

    def run(step: str, *given: str, image: str = "") -> str:
        monkeypatch.setenv("SLUICE_STORE", s3_store)
        monkeypatch.setenv("SLUICE_IMAGE_CONTENT", image or TAGS[step])
        try:
            return run_step(step, "s3://nobody/reads-it", *given)["result"]
        finally:
            monkeypatch.delenv("SLUICE_IMAGE_CONTENT")

    return run


def look(graph, store, tags=TAGS, **values: str) -> Survey:
    return survey(graph, store, Given("", "s3://nobody/reads-it", {"count": "3", **values}, tags))


def test_without_any_result_everything_has_to_run(graph, s3_store):
    assert look(graph, s3_store).missing == ["emit", "total"]


def test_a_result_that_a_job_left_in_its_image_is_found_from_outside(graph, s3_store, job):
    first = job("emit", "count", "3", "passed", "default")
    found = look(graph, s3_store)
    assert (found.folders, found.missing) == ({"emit": first}, ["total"])
    second = job("total", "values", f"{first}/values/manifest.json")
    found = look(graph, s3_store)
    assert (found.folders, found.missing, found.refused) == ({"emit": first, "total": second}, [], "")


@pytest.mark.parametrize(
    "changed",
    [{"count": "4"}, {"tags": {**TAGS, "emit": "3" * 16}}],
    ids=["another parameter", "another image"],
)
def test_another_parameter_or_image_has_no_result_and_nothing_after_it_has_one(graph, s3_store, job, changed):
    first = job("emit", "count", "3")
    job("total", "values", f"{first}/values/manifest.json")
    assert look(graph, s3_store, **changed).missing == ["emit", "total"]


def test_only_what_changed_has_to_run_again(graph, s3_store, job):
    first = job("emit", "count", "3")
    job("total", "values", f"{first}/values/manifest.json")
    assert look(graph, s3_store, tags={**TAGS, "total": "3" * 16}).missing == ["total"]


def test_a_verdict_that_refuses_leaves_nothing_to_run(graph, s3_store, job):
    job("emit", "count", "3", "passed", "false")
    found = look(graph, s3_store, passed="false")
    assert (found.missing, found.refused, found.reasons) == ([], "gate", "3 is more than 2")


# --- which steps to select


@pytest.mark.parametrize(
    ("missing", "wanted"),
    [
        (EVERYTHING - {"preprocess"}, EVERYTHING - {"preprocess"}),
        ({"train", "evaluate", "register"}, EVERYTHING - {"preprocess", "audit", "validate"}),
        ({"evaluate", "register"}, {"evaluate", "metric-gate", "metric-gate-refused", "register"}),
        ({"register"}, {"metric-gate", "metric-gate-refused", "register"}),
        ({"validate", "register"}, EVERYTHING - {"preprocess", "audit"}),
        ({"validate"}, {"validate", "data-gate", "data-gate-refused"}),
    ],
    ids=["all but the first", "train", "evaluate", "register", "two with others between", "a verdict alone"],
)
def test_gates_refusals_and_what_lies_between_are_selected_with_the_missing_steps(missing, wanted):
    assert selected(DEFINITION, missing) == wanted


@pytest.fixture
def deployed(moto_server, tmp_path):
    """The pipeline, deployed; gives it and a function that makes an execution which had some results."""
    with account_at(moto_server, tmp_path) as account:
        sagemaker = client("sagemaker", "us-east-1")
        sagemaker.create_pipeline(
            PipelineName="sluice",
            PipelineDefinition=json.dumps(DEFINITION.content),
            RoleArn=an_environment().role,
            ClientRequestToken="t" * 32,
        )

        listed: list[dict] = []

        def execute(status: str = "Succeeded", **results: str) -> str:
            arn = sagemaker.start_pipeline_execution(PipelineName="sluice", ClientRequestToken="t" * 32)
            arn = arn["PipelineExecutionArn"]
            for step, folder in results.items():
                uri = record_uri(an_environment().store, arn.rpartition("/")[2], step)
                storage.write_bytes(uri, json.dumps({"result": folder}).encode())
            listed.append(
                {
                    "PipelineExecutionArn": arn,
                    "StartTime": 1_800_000_000 + len(listed),
                    "PipelineExecutionStatus": status,
                }
            )
            return arn

        account.sagemaker.answers["ListPipelineExecutions"] = {"PipelineExecutionSummaries": listed}
        yield Deployed(account.environment), execute


FOLDERS = {
    name: f"s3://bucket/steps/{name}/1" for name in ("preprocess", "audit", "validate", "train", "evaluate")
}


def some(missing: list[str]) -> Survey:
    """A survey that found everything but the missing steps."""
    folders = {name: folder for name, folder in FOLDERS.items() if name not in missing}
    return Survey(dict.fromkeys(folders), folders, missing)


def test_the_last_execution_with_the_very_results_lends_them(deployed):
    pipeline, execute = deployed
    execute(**FOLDERS)
    lending = execute("Failed", **FOLDERS)
    execute(**{**FOLDERS, "preprocess": "s3://bucket/steps/preprocess/other"})
    execute(preprocess=FOLDERS["preprocess"])
    execute("Stopped", **FOLDERS)
    execute("Executing", **FOLDERS)
    steps = ("metric-gate", "register", "metric-gate-refused")
    found = selection(some(["register"]), DEFINITION, pipeline)
    assert (set(found.steps), found.source) == (set(steps), lending)


def test_an_execution_lends_though_it_never_reached_what_is_missing(deployed):
    pipeline, execute = deployed
    lending = execute("Failed", **{name: FOLDERS[name] for name in ("preprocess", "audit", "validate")})
    found = selection(some(["train", "evaluate", "register"]), DEFINITION, pipeline)
    assert isinstance(found, Selection)
    assert found.source == lending
    assert "validate" not in found.steps


def test_where_no_execution_had_the_results_everything_is_started(deployed):
    pipeline, execute = deployed
    execute(preprocess=FOLDERS["preprocess"])
    assert selection(some(["train", "evaluate", "register"]), DEFINITION, pipeline) is None
    assert selection(some([*FOLDERS, "register"]), DEFINITION, pipeline) is None
