"""`status`, `logs` and `stop`: every end of an execution, what the steps tell themselves, and what failed and where."""

from __future__ import annotations

import itertools
import time

import pytest

from orchestration.cli import main
from orchestration.executions import LOG_GROUPS
from sluice.aws import client
from tests.builders.sagemaker import refusing

from .service import account_at

NOW = int(time.time())
JOB = "arn:aws:sagemaker:us-east-1:123456789012:training-job/pipelines-abc-train-x1"


CLOCK = itertools.count(NOW * 1000)
"""Milliseconds: no two lines of a log are written at the same time."""


@pytest.fixture
def account(moto_server, tmp_path):
    """An AWS account where the pipeline is deployed and was started twice."""
    with account_at(moto_server, tmp_path) as made:
        sagemaker = client("sagemaker", "us-east-1")
        sagemaker.create_pipeline(
            PipelineName="sluice",
            PipelineDefinition='{"Version": "2020-12-01", "Steps": []}',
            RoleArn=made.environment.pipeline_role,
            ClientRequestToken="t" * 32,
        )
        for name in ("first", "second"):
            sagemaker.start_pipeline_execution(
                PipelineName="sluice", PipelineExecutionDisplayName=name, ClientRequestToken="t" * 32
            )
        made.sagemaker.answers["ListPipelineExecutionSteps"] = {"PipelineExecutionSteps": []}
        yield made


def newest(account) -> str:
    """The id of the newest execution."""
    listed = client("sagemaker", "us-east-1").list_pipeline_executions(PipelineName="sluice")
    return listed["PipelineExecutionSummaries"][-1]["PipelineExecutionArn"].rpartition("/")[2]


def step(name: str, status: str, **more) -> dict:
    return {"StepName": name, "StepStatus": status, "StartTime": NOW - 100, **more}


def ended(name: str, status: str = "Succeeded", **more) -> dict:
    return step(name, status, EndTime=NOW - 10, **more)


def stand(account, status: str, *steps: dict, reason: str = "") -> None:
    """Let every execution stand there, with these steps."""
    arn = f"arn:aws:sagemaker:us-east-1:123456789012:pipeline/sluice/execution/{newest(account)}"
    summary = {
        "PipelineExecutionArn": arn,
        "PipelineExecutionStatus": status,
        "PipelineExecutionDisplayName": "second",
    }
    described = {**summary, "CreationTime": NOW - 200, "FailureReason": reason}
    listed = {**summary, "StartTime": NOW - 200, "PipelineExecutionFailureReason": reason}
    account.sagemaker.answers |= {
        "ListPipelineExecutions": {"PipelineExecutionSummaries": [listed]},
        "DescribePipelineExecution": described,
        "ListPipelineExecutionSteps": {"PipelineExecutionSteps": list(steps)},
    }


@pytest.fixture
def verb(account, capsys):
    """Runs a verb; gives its status and what it printed."""

    def run(*words: str) -> tuple[int, str]:
        status = main([*words, "--environment", str(account.folder / "test.yaml")])
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return run


def test_all_executions_are_listed_the_newest_first(verb, account):
    status, out = verb("status", "--all")
    assert status == 0
    assert [line.split()[-1] for line in out.splitlines()] == ["second", "first"]
    assert [line.split()[1] for line in out.splitlines()] == ["Succeeded", "Succeeded"]


def test_the_last_execution_is_shown_if_none_is_named(verb, account):
    assert verb("status")[1].startswith(newest(account))


@pytest.mark.parametrize(
    "status", ["Executing", "Succeeded", "Failed", "Stopped", "Stopping", "CompletedWithFailures"]
)
def test_every_state_of_an_execution_is_told(verb, account, status):
    stand(account, status, ended("preprocess"), step("validate", "Executing"))
    code, out = verb("status", newest(account))
    assert (code, out.split()[1]) == (0, status)
    assert "✔ preprocess           Succeeded    1 min 30 s" in out
    assert "▶ validate             Executing  " in out


def test_a_gate_says_whether_it_opened_and_a_lent_result_whose_it_is(verb, account):
    lent = {
        "SelectiveExecutionResult": {"SourcePipelineExecutionArn": "arn:aws:x:pipeline/sluice/execution/abc"}
    }
    gates = [
        ended(f"{name}-gate", Metadata={"Condition": {"Outcome": said}})
        for name, said in (("data", "True"), ("metric", "False"))
    ]
    stand(account, "Executing", ended("preprocess", **lent), *gates)
    assert [" ".join(line.split()) for line in verb("status")[1].splitlines()[1:]] == [
        "✔ preprocess taken from execution abc",
        "✔ data-gate open",
        "✔ metric-gate refused",
    ]


def test_a_refusal_is_told_with_the_gates_reasons(verb, account):
    said = "The model was refused. Nothing was registered: accuracy 0.4 is less than 0.7."
    refused = ended("metric-gate-refused", "Failed", Metadata={"Fail": {"ErrorMessage": said}})
    stand(account, "Failed", ended("evaluate"), refused, reason="Step failure: One or multiple steps failed.")
    assert f"\nrefused by metric-gate: {said}\n" in verb("status")[1]


def test_a_failed_step_says_what_its_job_said_and_where_its_log_is(verb, account):
    failed = ended(
        "train", "Failed", FailureReason="ClientError: see the job", Metadata={"TrainingJob": {"Arn": JOB}}
    )
    stand(account, "Failed", failed)
    describe_job(
        account, "Failed", FailureReason="AlgorithmError: train: the loss is not finite, exit code: 1"
    )
    out = verb("status")[1]
    assert "train failed: AlgorithmError: train: the loss is not finite, exit code: 1\n" in out
    assert (
        f"its log: {LOG_GROUPS['Training']}, stream pipelines-abc-train-x1/…, https://us-east-1.console.aws"
        in out
    )
    assert f"or: make logs ENV=test EXECUTION={newest(account)} STEP=train\n" in out
    account.sagemaker.answers["DescribeTrainingJob"] = refusing("AccessDeniedException", "not you")
    assert "train failed: ClientError: see the job\n" in verb("status")[1]


def test_a_failure_without_a_failed_step_gives_the_executions_reason(verb, account):
    stand(account, "Failed", ended("preprocess"), reason="The role can't be assumed")
    assert verb("status")[1].endswith("reason: The role can't be assumed\n")


def test_a_shared_step_that_failed_says_what_its_first_host_said_and_where_its_log_is(verb, account):
    job = JOB.replace("training-job", "processing-job").replace("train-x1", "preprocess-x1")
    failed = ended("preprocess", "Failed", Metadata={"ProcessingJob": {"Arn": job}})
    stand(account, "Failed", failed)
    account.sagemaker.answers["DescribeProcessingJob"] = {
        "ProcessingJobName": "pipelines-abc-preprocess-x1",
        "ProcessingJobArn": job,
        "ProcessingJobStatus": "Failed",
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 2, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 30}
        },
        "AppSpecification": {"ImageUri": "x"},
        "CreationTime": NOW,
        "ExitMessage": "preprocess: a machine of the cluster was lost",
        "FailureReason": "AlgorithmError: exit code: 1",
    }
    out = verb("status")[1]
    assert "preprocess failed: preprocess: a machine of the cluster was lost\n" in out
    assert "its log: /aws/sagemaker/ProcessingJobs, stream pipelines-abc-preprocess-x1/…, " in out
    group = LOG_GROUPS["Processing"]
    write_log("pipelines-abc-preprocess-x1/algo-1-1", "the first host", group=group)
    write_log("pipelines-abc-preprocess-x1/algo-2-1", "the second host", group=group)
    assert verb("logs", "preprocess") == (0, "the first host\nthe second host\n")


def describe_job(account, status: str, **more) -> None:
    account.sagemaker.answers["DescribeTrainingJob"] = {
        "TrainingJobName": "pipelines-abc-train-x1",
        "TrainingJobArn": JOB,
        "ModelArtifacts": {"S3ModelArtifacts": "s3://x/y"},
        "TrainingJobStatus": status,
        "SecondaryStatus": "Failed",
        "AlgorithmSpecification": {"TrainingInputMode": "File"},
        "ResourceConfig": {"VolumeSizeInGB": 30},
        "StoppingCondition": {},
        "CreationTime": NOW,
        **more,
    }


def tell_table(account, step: str, percent: int, message: str) -> None:
    """What a step's job writes to the status table."""
    client("dynamodb", "us-east-1").put_item(
        TableName=account.environment.status_table,
        Item={
            "execution": {"S": newest(account)},
            "step": {"S": step},
            "state": {"S": "running"},
            "percent": {"N": str(percent)},
            "message": {"S": message},
        },
    )


def test_progress_comes_from_the_status_table_and_losing_it_loses_only_that(verb, account):
    stand(account, "Executing", step("train", "Executing"))
    assert "%" not in verb("status")[1]  # no table there: not an error
    client("dynamodb", "us-east-1").create_table(
        TableName=account.environment.status_table,
        KeySchema=[
            {"AttributeName": "execution", "KeyType": "HASH"},
            {"AttributeName": "step", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "execution", "AttributeType": "S"},
            {"AttributeName": "step", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    tell_table(account, "train", 45, "epoch 2 of 4")
    assert "45 % epoch 2 of 4" in verb("status")[1]


def write_log(stream: str, *messages: str, group: str = LOG_GROUPS["Training"]) -> None:
    """What a job's container prints, in CloudWatch."""
    logs = client("logs", "us-east-1")
    if not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
        logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    write_more(stream, *messages, group=group)


def write_more(stream: str, *messages: str, group: str = LOG_GROUPS["Training"]) -> None:
    """What it prints later."""
    events = [{"timestamp": next(CLOCK), "message": message} for message in messages]
    client("logs", "us-east-1").put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def test_logs_prints_the_log_of_the_steps_job_and_no_other(verb, account):
    stand(account, "Executing", step("train", "Executing", Metadata={"TrainingJob": {"Arn": JOB}}))
    assert verb("logs", "train")[1] == "job pipelines-abc-train-x1 has written nothing yet\n"
    write_log("pipelines-abc-train-x1/algo-1-1", "epoch 1", "epoch 2 [bold]")
    write_log("pipelines-abc-train-x11/algo-1-1", "another job")
    assert verb("logs", "train", newest(account)) == (0, "epoch 1\nepoch 2 [bold]\n")


def test_a_long_log_is_printed_whole(verb, account):
    stand(account, "Executing", step("train", "Executing", Metadata={"TrainingJob": {"Arn": JOB}}))
    write_log("pipelines-abc-train-x1/algo-1-1", *(f"line {n}" for n in range(9_000)))
    write_more("pipelines-abc-train-x1/algo-1-1", *(f"line {n}" for n in range(9_000, 12_000)))
    assert verb("logs", "train")[1].splitlines() == [f"line {n}" for n in range(12_000)]


def test_logs_follows_a_job_until_it_has_ended(verb, account, monkeypatch):
    monkeypatch.setattr("orchestration.executions.FOLLOW_SECONDS", 0.05)
    stand(account, "Executing", step("train", "Executing", Metadata={"TrainingJob": {"Arn": JOB}}))
    write_log("pipelines-abc-train-x1/algo-1-1", "epoch 1")
    describe_job(account, "InProgress")
    working = account.sagemaker.answers["DescribeTrainingJob"]
    account.sagemaker.answers["DescribeTrainingJob"] = [
        working,
        working,
        {**working, "TrainingJobStatus": "Completed"},
    ]
    assert verb("logs", "train", "--follow") == (0, "epoch 1\n")
    assert len(account.sagemaker.requests("DescribeTrainingJob")) == 3


def test_a_step_without_a_job_has_no_log(verb, account):
    stand(
        account,
        "Executing",
        ended("data-gate"),
        step("train", "Executing", Metadata={"TrainingJob": {"Arn": JOB}}),
    )
    status, out = verb("logs", "data-gate")
    assert (status, out.partition(":")[0]) == (1, "error")
    assert "the step has no job. Got: data-gate. Allowed: train." in out
    assert "the step has not begun, or there is none of that name. Got: trian." in verb("logs", "trian")[1]


def test_stop_asks_sagemaker_once_and_leaves_what_has_ended(verb, account):
    identity = newest(account)
    assert verb("stop", identity)[1] == f"execution {identity} has ended already: Succeeded\n"
    stand(account, "Executing")
    account.sagemaker.answers["StopPipelineExecution"] = {}
    status, out = verb("stop", identity)
    assert (status, out) == (0, f"execution {identity} is being stopped; its finished steps are kept\n")
    (request,) = account.sagemaker.requests("StopPipelineExecution")
    assert request["PipelineExecutionArn"].endswith(f":pipeline/sluice/execution/{identity}")


def test_what_is_not_there_is_told_with_what_is(verb, account):
    status, out = verb("status", "nosuchexecution")
    assert status == 1
    assert (
        "error: pipeline sluice: there is no such execution. Got: nosuchexecution. Allowed: the last ones are "
        in out
    )
    client("sagemaker", "us-east-1").delete_pipeline(PipelineName="sluice", ClientRequestToken="t" * 32)
    assert (
        "pipeline sluice in us-east-1: the pipeline is not deployed. Got: DescribePipeline"
        in verb("status")[1]
    )


def test_expired_credentials_are_told(verb, account):
    account.sagemaker.answers["DescribePipeline"] = refusing(
        "ExpiredTokenException", "The security token is expired"
    )
    status, out = verb("status")
    assert (status, "the AWS credentials have expired" in out, "aws sso login" in out) == (1, True, True)
