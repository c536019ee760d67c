"""`make infra`: the stack as it should be, the environment file from its outputs, and what can go wrong."""

from __future__ import annotations

from datetime import UTC, datetime

import boto3
import pytest
import yaml
from botocore.stub import Stubber

from infra.__main__ import main
from infra.deploy import Stack, deploy
from infra.environment import write_environment
from orchestration.environment import FOLDER, read_environment
from orchestration.pipeline import build
from sluice.contract import AwsError
from sluice.job.status import telling
from tests.infra.conftest import REGION

pytestmark = pytest.mark.usefixtures("on_aws")


@pytest.fixture
def file(account, tmp_path):
    """The environment file of the account's stack."""
    path = tmp_path / "environments" / "staging.yaml"
    assert write_environment(path, "staging", REGION, account.outputs)
    return path


# --- the stack


def test_the_stack_makes_what_the_environment_names(account):
    there = account.client("ecr").describe_repositories()["repositories"]
    assert {r["repositoryName"] for r in there} >= {
        f"sluice-{c}" for c in ("preprocess", "train", "evaluate", "register")
    }
    account.client("s3").head_bucket(Bucket=account.outputs["Bucket"])
    keys = account.client("kms").list_keys()["Keys"]
    assert account.outputs["KmsKey"] in [key["KeyArn"] for key in keys]
    account.client("sns").get_topic_attributes(TopicArn=account.outputs["Topic"])


def test_a_second_time_nothing_changes(account):
    said = []
    assert deploy("staging", REGION, {}, say=said.append) == account.outputs
    assert said == ["sluice-staging: nothing changed"]


def test_what_is_not_given_stays_as_it_was(server):
    """Otherwise a second `make infra` without the repository would take CI's roles away."""
    first = deploy("sandbox", "eu-central-1", {"GitHubRepository": "example/sluice"}, say=lambda _: None)
    said = []
    second = deploy("sandbox", "eu-central-1", {"GitHubBranch": "release"}, say=said.append)
    assert any("UPDATE_COMPLETE" in line for line in said)
    assert second["CiRole"] == first["CiRole"]


def test_without_a_repository_there_is_nothing_for_ci(server):
    outputs = deploy("plain", "eu-west-2", {}, say=lambda _: None)
    assert {"CiRole", "PlanRole", "Subnets"} & set(outputs) == set()


def test_jobs_report_to_the_status_table(account):
    table = account.outputs["StatusTable"]
    with telling(
        {
            "SLUICE_STATUS_TABLE": table,
            "SLUICE_EXECUTION": "e1",
            "SLUICE_STEP": "train",
        }
    ):
        pass
    key = {"execution": {"S": "e1"}, "step": {"S": "train"}}
    item = account.client("dynamodb").get_item(TableName=table, Key=key)["Item"]
    assert (item["state"]["S"], set(item) >= {"expires"}) == ("done", True)


# --- the environment file


def test_the_outputs_are_an_environment(account, file):
    environment = read_environment(file)
    assert environment.store == f"s3://{account.outputs['Bucket']}/sluice"
    assert environment.pipeline_role == account.outputs["PipelineRole"]
    assert environment.kms_key == account.outputs["KmsKey"]
    assert environment.status_table == account.outputs["StatusTable"]
    assert environment.registry == f"123456789012.dkr.ecr.{REGION}.amazonaws.com"
    assert environment.vpc is not None
    assert environment.vpc.subnets == ("subnet-1", "subnet-2")


def test_every_step_works_as_the_role_of_its_image(account, file):
    environment = read_environment(file)
    roles = {step: environment.role_of(step) for step in build().steps}
    assert roles == {
        "preprocess": account.outputs["PreprocessRole"],
        "audit": account.outputs["PreprocessRole"],
        "validate": account.outputs["PreprocessRole"],
        "train": account.outputs["TrainRole"],
        "evaluate": account.outputs["EvaluateRole"],
        "register": account.outputs["RegisterRole"],
    }


def test_a_file_that_says_the_same_stays_as_it_is(account, file):
    file.write_text("# a remark of ours\n" + file.read_text())
    assert not write_environment(file, "staging", REGION, account.outputs)
    assert file.read_text().startswith("# a remark of ours\n")


def test_what_a_person_wrote_stays(account, file):
    content = yaml.safe_load(file.read_text())
    content["tags"] = {"team": "analytics"}
    content["steps"]["train"]["instance_type"] = "ml.c5.4xlarge"
    content["bucket"] = "another-one"
    file.write_text(yaml.safe_dump(content))
    assert write_environment(file, "staging", REGION, account.outputs)
    environment = read_environment(file)
    assert environment.tags == {"team": "analytics"}
    assert environment.step("train").instance_type == "ml.c5.4xlarge"
    assert environment.bucket == account.outputs["Bucket"]


def test_make_infra_writes_the_file_and_names_the_roles_of_people(account, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["deploy", "staging", REGION]) == 0
    said = capsys.readouterr().out
    assert f"{FOLDER / 'staging.yaml'}: written" in said
    assert f"ApproverRole: {account.outputs['ApproverRole']}" in said
    assert f"Topic: {account.outputs['Topic']}" in said
    assert read_environment(tmp_path / FOLDER / "staging.yaml").name == "staging"


# --- what can go wrong


def test_a_parameter_that_the_stack_does_not_have(capsys):
    assert main(["deploy", "nowhere", REGION, "GithubRepository=a/b"]) == 1
    said = capsys.readouterr().err
    assert "the stack has no parameter 'GithubRepository' (did you mean GitHubRepository?)" in said
    assert "Allowed: Prefix, Pipeline, GitHubRepository" in said


def test_a_parameter_without_a_value(capsys):
    assert main(["deploy", "nowhere", REGION, "Prefix"]) == 1
    assert "a parameter is NAME=VALUE. Got: Prefix." in capsys.readouterr().err


def test_half_a_network(capsys):
    assert main(["deploy", "nowhere", REGION, "Subnets=subnet-1"]) == 1
    assert "a network is subnets and security groups. Got: one of them." in capsys.readouterr().err


def test_a_wrong_environment_file_is_told_before_anything_is_deployed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    FOLDER.mkdir(parents=True)
    (FOLDER / "broken.yaml").write_text("bukket: x\n")
    assert main(["deploy", "broken", REGION]) == 1
    assert "bukket: unknown key (did you mean bucket?)" in capsys.readouterr().err
    names = [
        stack["StackName"] for stack in boto3.client("cloudformation", REGION).describe_stacks()["Stacks"]
    ]
    assert "sluice-broken" not in names


def test_a_name_that_no_stack_can_have(capsys):
    assert main(["deploy", "Staging_1", REGION]) == 1
    assert (
        "no environment can be called that. Got: Staging_1. Allowed: lower-case letters"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize(("region", "got"), [("", "no region"), ("eu-west", "eu-west")])
def test_a_region_that_cannot_be(region, got, capsys):
    assert main(["deploy", "staging", region]) == 1
    assert f"there can be no such region. Got: {got}. Allowed: AWS's name of one" in capsys.readouterr().err


def test_aws_that_is_not_there(monkeypatch, capsys):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    assert main(["deploy", "staging", REGION]) == 1
    assert "AWS can't be reached" in capsys.readouterr().err


def stubbed(*answers: tuple[str, dict]) -> tuple[Stack, list[str]]:
    """A stack whose CloudFormation gives the answers that moto never gives, and what is said meanwhile."""
    client = boto3.client("cloudformation", REGION)
    stubber = Stubber(client)
    for operation, answer in answers:
        stubber.add_response(operation, answer)
    stubber.activate()
    said: list[str] = []
    stack = Stack("sluice-staging", REGION, said.append)
    stack.__dict__["_client"] = client
    return stack, said


def described(status: str) -> dict:
    return {"Stacks": [{"StackName": "sluice-staging", "CreationTime": "2026-11-23", "StackStatus": status}]}


def event(number: int, name: str, status: str, reason: str = "") -> dict:
    return {
        "StackId": "s",
        "EventId": str(number),
        "StackName": "sluice-staging",
        "LogicalResourceId": name,
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
        "Timestamp": datetime(2026, 11, 23, 8, 0, number, tzinfo=UTC),
    }


def test_a_resource_that_cannot_be_made_is_named_with_cloudformations_reason(monkeypatch):
    monkeypatch.setattr("infra.deploy.WAIT_SECONDS", 0)
    begun = [event(1, "TrainRepository", "CREATE_IN_PROGRESS")]
    ended = [
        event(3, "Topic", "CREATE_FAILED", "Resource creation cancelled"),
        event(2, "TrainRepository", "CREATE_FAILED", "sluice-train already exists."),
        *begun,
    ]
    stack, said = stubbed(
        ("create_stack", {"StackId": "s"}),
        ("describe_stacks", described("CREATE_IN_PROGRESS")),
        ("describe_stack_events", {"StackEvents": begun}),
        ("describe_stacks", described("ROLLBACK_COMPLETE")),
        ("describe_stack_events", {"StackEvents": ended}),
    )
    with pytest.raises(AwsError, match="Got: TrainRepository: sluice-train already exists. Correct"):
        stack.work("create_stack", "{}", [])
    assert said == [
        "08:00:01 CREATE_IN_PROGRESS   TrainRepository",
        "08:00:02 CREATE_FAILED        TrainRepository: sluice-train already exists.",
        "08:00:03 CREATE_FAILED        Topic: Resource creation cancelled",
    ]


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (
            "ROLLBACK_COMPLETE",
            "could not be made before.*delete-stack --region eu-west-1 --stack-name sluice-staging",
        ),
        ("UPDATE_IN_PROGRESS", "is being changed already.*Wait until that is done"),
    ],
)
def test_a_stack_that_cannot_be_changed_now(status, message):
    stack, _ = stubbed()
    with pytest.raises(AwsError, match=message):
        stack.require_changeable(described(status)["Stacks"][0])


def test_a_stack_that_failed_the_last_time_is_tried_again():
    stack, _ = stubbed(("get_template", {"TemplateBody": "same"}))
    assert stack.differs(described("UPDATE_ROLLBACK_COMPLETE")["Stacks"][0], "same", {})


def test_cloudformation_has_nothing_to_do():
    client = boto3.client("cloudformation", REGION)
    stubber = Stubber(client)
    stubber.add_response("describe_stack_events", {"StackEvents": []})
    stubber.add_client_error("update_stack", "ValidationError", "No updates are to be performed.")
    stubber.activate()
    said: list[str] = []
    stack = Stack("sluice-staging", REGION, said.append)
    stack.__dict__["_client"] = client
    stack.work("update_stack", "{}", [])
    assert said == ["sluice-staging: nothing changed"]
