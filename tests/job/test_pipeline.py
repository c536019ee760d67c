"""The whole pipeline as compiled, from raw data on S3 to a registered model: every job under the SDK's real entry point."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestration.pipeline import build
from orchestration.steps import Compiled, compile_pipeline
from sluice.contract import storage
from sluice.registry import ModelVersion, RegistryHome
from tests.builders.backbones import Backbone, tiny_backbone
from tests.end_to_end.builders import csv_text, parcels, recipe

from .builders import environment, images
from .engine import Engine, image, upload

pytestmark = pytest.mark.long
JOBS = ("preprocess", "audit", "validate", "train", "evaluate", "register")
GROUP = "parcels-by-jobs"
"""A model group of these tests alone."""


@dataclass(frozen=True)
class Whole:
    """The compiled pipeline, its store with 90 raw rows beside it, and what its jobs find."""

    compiled: Compiled
    store: str
    backbone: Backbone
    folder: Path
    image: dict[str, str]

    def run(self, sections: dict[str, Any] | None = None, **parameters: str) -> Engine:
        """Execute it with the usual recipe and some of its sections changed."""
        uri = f"{self.store}/recipes/recipe.yaml"
        upload({uri: recipe(self.backbone, registry={"group": GROUP}, **(sections or {})).encode()})
        given = {"recipe": uri, "data": f"{self.store}/data", **parameters}
        return Engine(self.compiled.definition, given, self.folder, self.image).run()

    def metrics(self, execution: Engine, step: str) -> dict[str, Any]:
        """What a step of an execution measured."""
        record = json.loads(storage.read_bytes(f"{self.store}/executions/{execution.execution}/{step}.json"))
        return json.loads(storage.read_bytes(f"{record['result']}/result.json"))["metrics"]

    def results(self, component: str) -> int:
        """How many results of a component stand in the store."""
        return len(storage.list_files(f"{self.store}/steps/{component}", ("*/result.json",)))


@pytest.fixture(scope="module")
def whole(bucket, repository, fail_closed, can_mount, tmp_path_factory) -> Whole:
    """Compiled and uploaded, data too."""
    if not can_mount:
        pytest.skip("this machine lets nobody mount a folder in a namespace")
    store = f"s3://{bucket}/whole"
    place = environment(store, pipeline="whole")
    compiled = compile_pipeline(build(), place, images("preprocess", "train", "evaluate", "register"))
    upload({**compiled.objects, f"{store}/data/parcels.csv": csv_text(parcels()).encode()})
    folder = tmp_path_factory.mktemp("whole")
    backbone = tiny_backbone(folder / "backbone")
    return Whole(compiled, store, backbone, folder / "jobs", image(fail_closed, repository))


@pytest.fixture(scope="module")
def done(whole) -> Engine:
    """An execution through both gates."""
    return whole.run()


def registered() -> tuple[ModelVersion, ...]:
    """The versions of the group in SageMaker's registry."""
    return RegistryHome("sagemaker://eu-west-1").open().list(GROUP)


def logs(execution: Engine) -> str:
    """What the failed jobs said."""
    return "\n".join(job.log for job in execution.jobs.values() if job.status)


def test_raw_data_becomes_a_model_that_waits_for_approval(whole, done):
    assert done.succeeded, logs(done)
    assert tuple(done.jobs) == JOBS
    assert done.gates == {"data-gate": True, "metric-gate": True}
    (version,) = registered()
    assert (version.group, version.version, version.status) == (GROUP, 1, "PendingManualApproval")
    assert whole.metrics(done, "register") == {
        "group": GROUP,
        "version": 1,
        "status": "PendingManualApproval",
    }
    assert whole.metrics(done, "preprocess")["rows_read"] == 90


def test_the_same_again_finds_everything_and_registers_nothing_new(whole, done):
    again = whole.run()
    assert again.succeeded, logs(again)
    assert [again.answer(step) for step in JOBS[:4]] == [done.answer(step) for step in JOBS[:4]]
    assert len(registered()) == 1
    assert [whole.results(name) for name in ("preprocess", "train", "evaluate")] == [1, 1, 1]


def test_a_threshold_given_at_the_start_closes_the_metric_gate(whole, done):
    refused = whole.run(thresholds="accuracy=0.99")
    assert tuple(refused.jobs) == JOBS[:5]
    assert refused.gates == {"data-gate": True, "metric-gate": False}
    assert not refused.succeeded
    assert refused.refusal.startswith("The model was refused. Nothing was registered: accuracy is ")
    assert refused.refusal.endswith("; ".join(whole.metrics(refused, "evaluate")["reasons"]))
    assert whole.results("train") == 1


def test_data_that_fails_an_expectation_closes_the_data_gate_and_nothing_is_trained(whole, done):
    count = {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1000}}
    refused = whole.run({"expectations": [count]})
    assert tuple(refused.jobs) == JOBS[:3]
    assert refused.gates == {"data-gate": False}
    assert refused.refusal == (
        "The data was refused. Nothing was trained: training: row count 54, below 1,000; "
        "validation: row count 18, below 1,000; test: row count 18, below 1,000"
    )
    assert whole.results("train") == 1
