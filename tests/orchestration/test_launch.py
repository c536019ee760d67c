"""`start`: what is wrong is told before anything is started, and what has its result is not started again."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from unittest import mock

import pytest

from orchestration.cli import main
from orchestration.definition import read_definition
from orchestration.pipeline import build
from orchestration.prune import content_tags
from sluice.aws import client
from sluice.contract import storage
from sluice.job import run_step
from tests.builders.backbones import Backbone, tiny_backbone
from tests.builders.definitions import an_environment, compiled, some_images
from tests.builders.sagemaker import refusing
from tests.end_to_end.builders import csv_text, parcels, recipe
from tests.job.proxy import door_to

from .service import account_at

STORE = an_environment().store


@pytest.fixture
def account(moto_server, tmp_path):
    """An AWS account where the pipeline is deployed, a recipe and its data."""
    with account_at(moto_server, tmp_path) as made:
        client("sagemaker", "us-east-1").create_pipeline(
            PipelineName="sluice",
            PipelineDefinition=compiled().definition,
            RoleArn=made.environment.pipeline_role,
            ClientRequestToken="t" * 32,
        )
        text = recipe(Backbone(Path("/nowhere"), "0" * 64))
        (tmp_path / "parcels.yaml").write_text(text)
        (tmp_path / "raw").mkdir()
        (tmp_path / "raw/parcels.csv").write_text(csv_text(parcels()))
        (tmp_path / "raw/notes.txt").write_text("the recipe names no such file")
        yield made


@pytest.fixture
def start(account, capsys):
    """Runs `start`; gives its status and what it printed."""

    def run(*options: str, data: str | None = "", recipe: str = "parcels.yaml") -> tuple[int, str]:
        given = ["--data", data or str(account.folder / "raw")] if data is not None else []
        status = main(["start", str(account.folder / recipe), *given, *options, *account.files])
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return run


def asked(account) -> dict:
    """The last request to start."""
    return account.sagemaker.requests("StartPipelineExecution")[-1]


def parameters(account) -> dict[str, str]:
    return {entry["Name"]: entry["Value"] for entry in asked(account)["PipelineParameters"]}


def test_recipe_and_data_are_put_into_the_bucket_and_the_jobs_are_told_where(account, start):
    status, out = start("--rows", "60", "--thresholds", "accuracy=0.1", "--instance", "train=ml.m5.4xlarge")
    assert status == 0
    given = parameters(account)
    text = (account.folder / "parcels.yaml").read_text()
    assert given == {
        "recipe": f"{STORE}/recipes/{hashlib.sha256(text.encode()).hexdigest()}.yaml",
        "data": given["data"],
        "rows": "60",
        "thresholds": "accuracy=0.1",
        "train-instance-type": "ml.m5.4xlarge",
    }
    with mock.patch.dict(os.environ, AWS_REGION="us-east-1"):
        assert storage.read_bytes(given["recipe"]).decode() == text
        assert [file.path for file in storage.list_files(given["data"])] == ["parcels.csv"]
    assert re.fullmatch(r"parcels-\d{8}-\d{6}", asked(account)["PipelineExecutionDisplayName"])
    assert "SelectiveExecutionConfig" not in asked(account)
    listed = client("sagemaker", "us-east-1").list_pipeline_executions(PipelineName="sluice")
    (execution,) = listed["PipelineExecutionSummaries"]
    identity = execution["PipelineExecutionArn"].rpartition("/")[2]
    assert out.endswith(f"execution {identity} of sluice started\n")


def test_without_the_record_of_the_deployed_images_everything_is_started(account, start):
    (account.folder / "images.yaml").unlink()
    status, out = start()
    assert (
        status,
        "every step is started, and one that has its result returns at once in its job" in out,
    ) == (0, True)


@pytest.mark.parametrize("differs", ["image", "store"])
def test_what_this_record_of_images_does_not_know_is_passed_over_by_nobody(account, differs):
    definition, images = read_definition(compiled().definition), some_images()
    environment = an_environment()
    assert content_tags(build(), definition, environment, images)["audit"] == images["preprocess"].tag
    if differs == "image":
        images["train"] = images["train"].model_copy(update={"uri": f"other@sha256:{'a' * 64}"})
    else:
        environment = an_environment(prefix="elsewhere")
    assert content_tags(build(), definition, environment, images) is None


def test_whoever_may_not_read_results_starts_everything(account, start, monkeypatch):
    start()
    data = parameters(account)["data"]
    with door_to(os.environ["AWS_ENDPOINT_URL"]) as door:
        door.deny("^(GET|HEAD) [^?]*/(steps|data)/.")
        monkeypatch.setenv("AWS_ENDPOINT_URL", door.address)
        status, out = start("--approval", "Approved", data=data)
    assert (status, parameters(account)["approval"]) == (0, "Approved")
    assert "every step is started, because results can't be looked at: s3://" in out
    assert "permission refused" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rows", "0"], r"--rows: this is no number of rows\. Got: 0"),
        (["--thresholds", "accuracy"], r"accuracy"),
        (["--instance", "train"], r"this is no instance type for a step\. Got: train\. Allowed: STEP=TYPE"),
        (
            ["--instance", "trian=ml.m5.large"],
            r"the deployed pipeline has no such parameter\. Got: trian-instance-type=.* make upsert first",
        ),
        (
            ["--instance", "train=ml.m5.xlrge"],
            r"--instance train: SageMaker knows no such instance type \(did you mean ml\.m5\.xlarge\?\)",
        ),
        (
            ["--data", f"{STORE}/data/nothing"],
            r"data/nothing: the data folder holds none of the recipe's files\. Got: no files\. Allowed: parcels\.csv",
        ),
        (["--data", "s3://no-such-bucket-here/x"], r"no-such-bucket-here/x: there is no such bucket"),
        (["--data", "/no/such/folder"], r"/no/such/folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_what_is_wrong_is_told_and_nothing_is_started(account, start, options, message):
    status, out = start(*options)
    assert status == 1
    assert re.search(message, out)
    assert account.sagemaker.requests("StartPipelineExecution") == []


def test_a_parameter_longer_than_a_jobs_argument_may_be_is_refused_with_the_limit(account, start):
    status, out = start(data=f"{STORE}/data/{'x' * 230}")
    assert status == 1
    assert "error: parameter data: the value is longer than a job's argument may be (256 characters, " in out
    assert "SageMaker's limit). Got: 272 characters: s3://" in out
    assert account.objects() == []
    assert account.sagemaker.requests("StartPipelineExecution") == []


def test_a_recipe_with_mistakes_and_a_pipeline_that_is_not_deployed_are_told(account, start):
    (account.folder / "wrong.yaml").write_text("version: 1\n")
    assert "mistakes in the recipe" in start(recipe="wrong.yaml")[1]
    client("sagemaker", "us-east-1").delete_pipeline(PipelineName="sluice", ClientRequestToken="t" * 32)
    status, out = start()
    assert (status, "the pipeline is not deployed" in out, "make upsert ENV=test" in out) == (1, True, True)
    assert account.objects() == []


def test_a_group_that_sagemakers_registry_could_not_hold_is_refused_now_and_not_after_training(
    account, start
):
    path = account.folder / "parcels.yaml"
    path.write_text(re.sub(r"group: \S+$", "group: my.parcels_v2", path.read_text(), count=1, flags=re.M))
    status, out = start()
    assert status == 1
    assert "registry.group: SageMaker takes no model group of this name. Got: my.parcels_v2." in out
    assert account.sagemaker.requests("StartPipelineExecution") == []


def test_other_files_than_the_recipes_are_told_with_what_is_there(account, start):
    client("s3").put_object(Bucket=account.environment.bucket, Key="sluice/data/other/rows.csv", Body=b"")
    status, out = start(data=f"{STORE}/data/other")
    assert (status, "Got: rows.csv. Allowed: parcels.csv." in out) == (1, True)
    assert account.objects() == ["sluice/data/other/rows.csv"]


def test_the_list_that_is_merged_onto_the_rows_is_uploaded_too(account, start):
    text = recipe(
        Backbone(Path("/nowhere"), "0" * 64),
        data={"merge": {"file": "notes.txt", "key": "parcel", "list_key": "code", "columns": ["extra"]}},
    )
    (account.folder / "merging.yaml").write_text(text)
    assert start(recipe="merging.yaml")[0] == 0
    with mock.patch.dict(os.environ, AWS_REGION="us-east-1"):
        files = storage.list_files(parameters(account)["data"])
    assert [file.path for file in files] == ["notes.txt", "parcels.csv"]


def test_data_that_carries_its_digests_is_not_read_to_find_what_was_made_of_it(account, start, monkeypatch):
    start()
    data = parameters(account)["data"]
    as_job(account, "preprocess", "abc123", "", "raw", data, "rows", "default")
    with door_to(os.environ["AWS_ENDPOINT_URL"]) as door:
        door.deny("^GET .*/parcels.csv")
        monkeypatch.setenv("AWS_ENDPOINT_URL", door.address)
        assert "returning at once in their jobs: preprocess\n" in start(data=data)[1]
        plain = f"{STORE}/data/plain"
        bucket = account.environment.bucket
        body = (account.folder / "raw/parcels.csv").read_bytes()
        client("s3").put_object(Bucket=bucket, Key="sluice/data/plain/parcels.csv", Body=body)
        assert "results can't be looked at" in start(data=plain)[1]
        door.deny("(?!)")
        assert "returning at once in their jobs: preprocess\n" in start(data=plain)[1]


def as_job(account, step: str, execution: str, component: str = "", *more: str) -> dict:
    """Run a step as SageMaker does: in its image, in an execution, with the parameters of the last start."""
    given = parameters(account)
    tag = some_images()[(component or step).split(".")[0]].tag
    variables = {
        "AWS_REGION": "us-east-1",
        "SLUICE_STORE": STORE,
        "SLUICE_STEP": step,
        "SLUICE_EXECUTION": execution,
        "SLUICE_IMAGE_CONTENT": tag,
    }
    with mock.patch.dict(os.environ, variables):
        return run_step(component or step, given["recipe"], *more)


def last_execution(account) -> str:
    listed = client("sagemaker", "us-east-1").list_pipeline_executions(PipelineName="sluice")
    return listed["PipelineExecutionSummaries"][-1]["PipelineExecutionArn"]


def test_a_step_with_a_result_is_passed_over_by_a_selective_execution(account, start):
    start()
    source = last_execution(account)
    data = parameters(account)["data"]
    done = as_job(account, "preprocess", source.rpartition("/")[2], "", "raw", data, "rows", "default")
    status, out = start()
    assert status == 0
    chosen = asked(account)["SelectiveExecutionConfig"]
    assert chosen["SourcePipelineExecutionArn"] == source
    names = {step["StepName"] for step in chosen["SelectedSteps"]}
    gates = {name + end for name in build().gates for end in ("", "-refused")}
    assert names == {"audit", "validate", "train", "evaluate", "register"} | gates
    assert "passed over, their results are there: preprocess\n" in out

    account.sagemaker.answers["StartPipelineExecution"] = [
        refusing("ValidationException", "Invalid selected steps"),
        {"PipelineExecutionArn": f"{source[:-12]}whole0000000"},
    ]
    status, out = start()
    assert (status, "SelectiveExecutionConfig" in asked(account)) == (0, False)
    assert "SageMaker does not take the selection, so everything is started: " in out
    assert "execution whole0000000 of sluice started\nreturning at once in their jobs: preprocess\n" in out

    # the result is gone from the execution that could lend it: nothing is selected any more
    record = f"{STORE}/executions/{source.rpartition('/')[2]}/preprocess.json"
    with mock.patch.dict(os.environ, AWS_REGION="us-east-1"):
        assert json.loads(storage.read_bytes(record)) == {"result": done["result"]}
        storage.write_bytes(record, b'{"result": "s3://another/result"}')
    account.sagemaker.answers.clear()
    start()
    assert "SelectiveExecutionConfig" not in asked(account)
    # other rows: another result, which nobody has
    assert "returning at once" not in start("--rows", "50")[1]


@pytest.fixture
def real(account, start, tmp_path):
    """The pipeline was started, and every job ran for real; gives what runs one job with other thresholds."""
    backbone = tiny_backbone(tmp_path / "tiny bert")
    (tmp_path / "parcels.yaml").write_text(recipe(backbone))
    start()
    source = last_execution(account).rpartition("/")[2]
    given = parameters(account)

    def job(step: str, **arguments: str) -> dict:
        values = [part for pair in arguments.items() for part in pair]
        component = f"preprocess.{step}" if step in ("audit", "validate") else step
        return as_job(account, step, source, component, *values)["outputs"]

    prepared = job("preprocess", raw=given["data"], rows="default")
    tables = {name: prepared[name] for name in ("training", "validation", "test")}
    read = {"account": prepared["account"]}
    audited = job("audit", **tables, **read, features=prepared["features"], previous="default")
    checked = job("validate", **tables, **read, quarantine=prepared["quarantine"], audit=audited["measures"])
    rest = {name: prepared[name] for name in ("training", "validation", "features")}
    model = job("train", **rest)["model"]

    def evaluate(thresholds: str) -> dict:
        rows = {"training": prepared["training"], "test": prepared["test"]}
        return job("evaluate", model=model, **rows, audit=audited["report"], thresholds=thresholds)

    report = evaluate("default")["report"]
    registry = {"registry": "sagemaker://us-east-1", "approval": "PendingManualApproval"}
    declared = read_definition(compiled().definition).parameters
    taken = {name: value for name, value in registry.items() if name in declared}
    job("register", model=model, data_report=checked["report"], evaluation=report, **taken)
    return evaluate


@pytest.mark.long
def test_after_a_whole_run_there_is_nothing_to_do_and_another_threshold_runs_no_training(
    account, start, real
):
    begun = len(account.sagemaker.requests("StartPipelineExecution"))
    status, out = start()
    assert "nothing to do: every step has its result already\n" in out
    assert status == 0
    assert out.count("↺") == 6
    assert len(account.sagemaker.requests("StartPipelineExecution")) == begun

    status, out = start("--thresholds", "accuracy=0.01")
    assert "passed over, their results are there: preprocess, audit, validate, train\n" in out
    names = {step["StepName"] for step in asked(account)["SelectiveExecutionConfig"]["SelectedSteps"]}
    assert names == {"evaluate", "metric-gate", "metric-gate-refused", "register"}

    real("accuracy=1.0")
    status, out = start("--thresholds", "accuracy=1.0")
    assert status == 3
    assert "nothing is started: metric-gate refuses, as before. " in out
    assert len(account.sagemaker.requests("StartPipelineExecution")) == begun + 1
