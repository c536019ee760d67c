"""`run --runner sagemaker`: deploys, starts, shows the steps until the end, and says what the end means."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime

import pytest

from orchestration.cli import main
from orchestration.environment import in_region
from orchestration.executions import Deployed, Execution
from orchestration.launch import Launched
from orchestration.runners.sagemaker import watch
from sluice.contract import AwsError, Fingerprint, Result, storage
from sluice.job import record_uri
from tests.builders.sagemaker import Refusal, refusing

from .service import a_console, account_at

NOW = int(time.time())
ARN = "arn:aws:sagemaker:us-east-1:123456789012:pipeline/sluice/execution/abc123def456"
JOB = "arn:aws:sagemaker:us-east-1:123456789012:training-job/pipelines-abc-train-x1"


@pytest.fixture
def account(moto_server, tmp_path):
    """An AWS account where an execution is about to be watched."""
    with account_at(moto_server, tmp_path) as made:
        made.sagemaker.answers["DescribePipeline"] = {
            "PipelineArn": ARN.partition("/execution")[0],
            "PipelineName": "sluice",
        }
        yield made


def step(name: str, status: str, **more) -> dict:
    return {"StepName": name, "StepStatus": status, "StartTime": NOW - 100, "EndTime": NOW - 10, **more}


def going(account, *looks: tuple[str, list[dict]]) -> None:
    """What each look finds, one after the other."""
    account.sagemaker.answers["DescribePipelineExecution"] = [
        {"PipelineExecutionArn": ARN, "PipelineExecutionStatus": status, "CreationTime": NOW - 200}
        for status, _ in looks
    ]
    account.sagemaker.answers["ListPipelineExecutionSteps"] = [
        {"PipelineExecutionSteps": steps} for _, steps in looks
    ]


def watched(account, **launched) -> tuple[int, str]:
    """The exit status of watching it, and what was shown."""
    console = a_console()
    execution = Execution(ARN, "Executing", "parcels", datetime.now(UTC))
    status = watch(Deployed(account.environment), Launched(execution, **launched), console, every=0.01)
    return status, console.export_text()


def test_the_steps_are_shown_as_they_go(account):
    going(
        account,
        ("Executing", [step("preprocess", "Executing")]),
        ("Executing", [step("preprocess", "Succeeded"), step("audit", "Starting")]),
        ("Succeeded", [step("preprocess", "Succeeded"), step("audit", "Succeeded")]),
    )
    status, out = watched(account)
    assert status == 0
    lines = [re.sub(r"\s+", " ", line).strip() for line in out.splitlines()]
    assert lines[:4] == [
        "▶ preprocess executing",
        "✔ preprocess done in 1 min 30 s",
        "▶ audit starting",
        "✔ audit done in 1 min 30 s",
    ]
    assert re.fullmatch(r"execution abc123def456: Succeeded after .*", lines[-1])


@pytest.mark.parametrize(
    ("status", "code"), [("Succeeded", 0), ("Failed", 1), ("Stopped", 1), ("CompletedWithFailures", 1)]
)
def test_every_end_has_its_exit_status(account, status, code):
    going(account, ("Executing", []), ("Stopping", []), (status, [step("preprocess", "Succeeded")]))
    done, out = watched(account)
    assert (done, f"execution abc123def456: {status} after" in out) == (code, True)


def test_a_refusing_gate_has_an_exit_status_of_its_own(account):
    said = "The model was refused. Nothing was registered: accuracy 0.4 is less than 0.7."
    refused = step("metric-gate-refused", "Failed", Metadata={"Fail": {"ErrorMessage": said}})
    going(account, ("Failed", [step("evaluate", "Succeeded"), refused]))
    status, out = watched(account)
    assert (status, f"refused by metric-gate: {said}" in out) == (3, True)


def test_a_failed_step_says_why_and_where_its_log_is(account):
    failed = step("train", "Failed", FailureReason="it broke", Metadata={"TrainingJob": {"Arn": JOB}})
    going(account, ("Failed", [failed]))
    account.sagemaker.answers["DescribeTrainingJob"] = refusing("AccessDeniedException", "not you")
    status, out = watched(account)
    assert (status, "train failed: it broke" in out, "/aws/sagemaker/TrainingJobs" in out) == (1, True, True)


def test_steps_that_were_passed_over_are_shown_as_reused(account):
    going(account, ("Succeeded", [step("register", "Succeeded")]))
    status, out = watched(account, reused={"train": 61.0}, missing=("register",))
    assert (status, "reused (it took 1 min 01 s)" in out) == (0, True)


def test_what_was_registered_is_told_with_what_approves_it(account):
    going(account, ("Succeeded", [step("data-gate", "Succeeded"), step("register", "Succeeded")]))
    store, when = account.environment.store, datetime.now(UTC)
    result = Result(
        component="register",
        fingerprint=Fingerprint(component="register", code={}),
        outputs={},
        metrics={"group": "parcels", "version": 3, "status": "PendingManualApproval"},
        started=when,
        finished=when,
    )
    with in_region(account.environment):
        storage.write_bytes(f"{store}/steps/register/1/result.json", result.model_dump_json().encode())
        record = {"result": f"{store}/steps/register/1"}
        storage.write_bytes(record_uri(store, "abc123def456", "register"), json.dumps(record).encode())
    status, out = watched(account)
    assert status == 0
    assert out.endswith(
        "model parcels version 3, PendingManualApproval\n"
        "approve: python -m orchestration models approve parcels 3 --registry sagemaker://us-east-1\n"
    )


def test_a_selection_that_ran_nothing_of_what_was_missing_is_a_failure(account):
    going(account, ("Succeeded", []))
    status, out = watched(account, reused={"evaluate": 1.0}, missing=("register",))
    assert (status, "but it did not run register, for which it was started" in out) == (1, True)


def test_throttling_faults_and_a_lost_network_are_waited_out(account):
    going(account, ("Succeeded", [step("preprocess", "Succeeded")]))
    right = account.sagemaker.answers["DescribePipelineExecution"][-1]
    account.sagemaker.answers["DescribePipelineExecution"] = [
        refusing("ThrottlingException", "Rate exceeded"),
        refusing("InternalFailure", ""),
        right,
    ]
    assert watched(account)[0] == 0


def test_expired_credentials_end_the_watching_and_not_the_execution(account):
    going(account, ("Executing", []))
    account.sagemaker.answers["ListPipelineExecutionSteps"] = refusing("ExpiredTokenException", "expired")
    console = a_console()
    launched = Launched(Execution(ARN, "Executing", "parcels", datetime.now(UTC)))
    with pytest.raises(AwsError, match="credentials have expired"):
        watch(Deployed(account.environment), launched, console, every=0.01)
    assert "execution abc123def456 goes on, only watching it has ended" in console.export_text()
    assert account.sagemaker.requests("StopPipelineExecution") == []


@pytest.fixture
def _heeds_ctrl_c():
    """A process that was started in the background ignores SIGINT, and so would these tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_heeds_ctrl_c")
def test_ctrl_c_leaves_the_execution_running_and_says_how_to_stop_it(account):
    going(account, ("Executing", [step("preprocess", "Executing")]))

    def interrupt() -> None:
        while len(account.sagemaker.requests("ListPipelineExecutionSteps")) < 3:
            time.sleep(0.01)
        signal.raise_signal(signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    status, out = watched(account)
    thread.join()
    assert status == 130
    assert "execution abc123def456 goes on. See it: make status ENV=test EXECUTION=abc123def456" in out
    assert "Stop it: make stop ENV=test EXECUTION=abc123def456\n" in out
    assert account.sagemaker.requests("StopPipelineExecution") == []


def test_the_runner_needs_an_environment(capsys, repository):
    assert main(["run", str(repository / "recipes/ledger-demo.yaml"), "--runner", "sagemaker"]) == 1
    assert "--runner sagemaker: no environment is named" in capsys.readouterr().err


def test_start_status_logs_and_stop_never_load_the_sdk(account, repository):
    code = (
        "import sys; from orchestration.cli import main\n"
        f"print(main(['status', '--environment', {str(account.folder / 'test.yaml')!r}]))\n"
        "import orchestration.launch, orchestration.prune, orchestration.runners.sagemaker, orchestration.upload\n"
        "print([name for name in sys.modules if name.partition('.')[0] == 'sagemaker'])"
    )
    del account.sagemaker.answers["DescribePipeline"]
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=repository,
        env=os.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "1\n[]\n"
    assert "the pipeline is not deployed" in done.stderr


@pytest.mark.long
def test_the_whole_runner_deploys_uploads_starts_and_waits(account, tmp_path, capsys):
    from pathlib import Path

    from tests.builders.backbones import Backbone
    from tests.end_to_end.builders import csv_text, parcels, recipe

    account.sagemaker.answers.clear()

    def steps(_: dict) -> dict:
        if len(account.sagemaker.requests("ListPipelineExecutionSteps")) < 1:
            raise Refusal("ThrottlingException", "Rate exceeded")
        failed = step("preprocess", "Failed", FailureReason="no [bold] row in [/opt/ml/input]")
        return {"PipelineExecutionSteps": [failed]}

    account.sagemaker.answers["ListPipelineExecutionSteps"] = steps
    (tmp_path / "parcels.yaml").write_text(recipe(Backbone(Path("/nowhere"), "0" * 64)))
    (tmp_path / "parcels.csv").write_text(csv_text(parcels()))
    command = ["run", str(tmp_path / "parcels.yaml"), "--data", str(tmp_path / "parcels.csv")]
    account.sagemaker.answers["DescribePipelineExecution"] = lambda request: {
        "PipelineExecutionArn": request["PipelineExecutionArn"],
        "PipelineExecutionStatus": "Failed",
        "CreationTime": NOW,
    }
    assert main([*command, "--runner", "sagemaker", *account.files]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "created pipeline sluice" in out
    assert "1 of 1 files sent" in out
    assert "of sluice started" in out
    assert "preprocess failed: no [bold] row in [/opt/ml/input]" in out
    assert ": Failed after" in out
