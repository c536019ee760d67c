"""What happens in SageMaker reaches the rules: put on the bus as SageMaker would, because moto emits nothing itself."""

from __future__ import annotations

import json

import pytest

from tests.infra.conftest import REGION

PIPELINE = f"arn:aws:sagemaker:{REGION}:123456789012:pipeline/"


@pytest.fixture
def heard(account):
    """Puts an event on the bus, and gives what a rule passed on: to a queue, because moto knows no topics as targets."""
    events, queues = account.client("events"), account.client("sqs")

    def hear(rule: str, kind: str, detail: dict) -> list[dict]:
        (name,) = [
            r["Name"] for r in events.list_rules()["Rules"] if r["Name"].startswith(f"sluice-staging-{rule}-")
        ]
        queue = queues.create_queue(QueueName=f"heard-{rule}")["QueueUrl"]
        arn = f"arn:aws:sqs:{REGION}:123456789012:heard-{rule}"
        events.remove_targets(Rule=name, Ids=["topic"])
        events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
        entry = {"Source": "aws.sagemaker", "DetailType": kind, "Detail": json.dumps(detail)}
        assert events.put_events(Entries=[entry])["FailedEntryCount"] == 0
        messages = queues.receive_message(QueueUrl=queue).get("Messages", [])
        for message in messages:
            queues.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"])["detail"] for message in messages]

    return hear


@pytest.mark.parametrize("status", ["PendingManualApproval", "Approved", "Rejected"])
def test_a_models_approval_is_heard(status, heard):
    kind, detail = "SageMaker Model Package State Change", {"ModelPackageGroupName": "ledger-demo"}
    (message,) = heard("ApprovalEvents", kind, {**detail, "ModelApprovalStatus": status})
    assert message["ModelApprovalStatus"] == status


def test_another_groups_approval_is_not(heard):
    detail = {"ModelPackageGroupName": "somebody-elses", "ModelApprovalStatus": "Approved"}
    assert heard("ApprovalEvents", "SageMaker Model Package State Change", detail) == []


@pytest.mark.parametrize("status", ["Executing", "Succeeded", "Failed", "Stopped"])
def test_an_execution_is_heard(status, heard):
    detail = {"pipelineArn": f"{PIPELINE}sluice", "currentPipelineExecutionStatus": status}
    kind = "SageMaker Model Building Pipeline Execution Status Change"
    (message,) = heard("PipelineEvents", kind, detail)
    assert message["currentPipelineExecutionStatus"] == status


def test_another_pipelines_execution_is_not(heard):
    detail = {"pipelineArn": f"{PIPELINE}other", "currentPipelineExecutionStatus": "Failed"}
    assert heard("PipelineEvents", "SageMaker Model Building Pipeline Execution Status Change", detail) == []


@pytest.mark.parametrize(
    ("status", "times"), [("Starting", 0), ("Succeeded", 1), ("Failed", 1), ("Stopped", 1)]
)
def test_a_step_is_heard_when_it_ends(status, times, heard):
    detail = {"pipelineArn": f"{PIPELINE}sluice", "stepName": "train", "currentStepStatus": status}
    kind = "SageMaker Model Building Pipeline Execution Step Status Change"
    assert len(heard("StepEvents", kind, detail)) == times
