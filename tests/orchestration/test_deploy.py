"""`upsert`: what is wrong is told before anything is uploaded; what did not change makes no new version."""

from __future__ import annotations

import json
import subprocess

import pytest
import yaml

from orchestration.bucket import put_object
from orchestration.cli import main
from orchestration.definition import payloads, read_definition
from orchestration.deploy import Deployment, upsert
from orchestration.steps import Compiled
from sluice.aws import client
from sluice.contract import AwsError, AwsNotFound, InputError
from tests.builders.definitions import ROLE, compiled, edited, setting
from tests.builders.sagemaker import refusing

from .service import TRUST, a_console, account_at, make_role


@pytest.fixture
def account(moto_server, tmp_path):
    """An AWS account with an empty bucket and a role that SageMaker may assume."""
    with account_at(moto_server, tmp_path) as made:
        yield made


def deployment(account, definition: str | None = None, **environment) -> Deployment:
    made = compiled()
    content = Compiled(definition or made.definition, made.objects)
    return Deployment(account.environment.model_copy(update=environment), content)


def deployed(account) -> dict:
    return client("sagemaker", "us-east-1").describe_pipeline(PipelineName=account.environment.pipeline)


def put(account, definition: str | None = None) -> str:
    """Deploy a definition; nothing that it refers to is uploaded."""
    return deployment(account, definition).put()


def test_upsert_creates_the_pipeline_and_a_second_one_changes_nothing(account, capsys, repository):
    assert main(["upsert", *account.files]) == 0
    out = capsys.readouterr().out
    assert "uploaded 28 of 28 objects to s3://sluice-test-111122223333/sluice" in out
    assert "created pipeline sluice, version 1, revision " in out
    names = [step.name for step in read_definition(deployed(account)["PipelineDefinition"]).jobs]
    assert names == ["preprocess", "audit", "validate", "train", "evaluate", "register"]
    before, asked = account.objects(), len(account.sagemaker.asked)
    assert main(["upsert", *account.files]) == 0  # compiled again: another build time, another key
    assert capsys.readouterr().out == "pipeline sluice: nothing changed\n"
    assert account.objects() == before
    assert [name for name, _ in account.sagemaker.asked[asked:]] == ["DescribePipeline"]


def test_objects_are_encrypted_and_only_sent_if_the_same_ones_are_not_there(account):
    made = deployment(account)
    assert made.upload() == 28
    s3, bucket = client("s3"), account.environment.bucket
    for key in account.objects():
        head = s3.head_object(Bucket=bucket, Key=key)
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", account.environment.kms_key)
        assert len(head["Metadata"]["sluice-sha256"]) == 64
    assert put_object(s3, account.environment, next(iter(compiled().objects)), b"something else") is True
    assert made.upload() == 1


def test_another_definition_updates_the_pipeline_and_the_revision_stands_on_its_version(account, repository):
    put(account)
    answer = {"PipelineArn": deployed(account)["PipelineArn"], "PipelineVersionId": 2}
    account.sagemaker.answers |= {"UpdatePipelineVersion": answer, "UpdatePipeline": answer}
    larger = edited(setting("train", "Arguments.ResourceConfig.VolumeSizeInGB", 77))
    assert deployment(account, larger).is_deployed() is False
    git = ["git", "-C", str(repository), "rev-parse", "HEAD"]
    head = subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    assert put(account, larger).startswith(f"updated pipeline sluice, version 2, revision {head}")
    (request,) = account.sagemaker.requests("UpdatePipeline")
    assert json.loads(request["PipelineDefinition"]) == json.loads(larger)
    (version,) = account.sagemaker.requests("UpdatePipelineVersion")[1:]
    assert version["PipelineVersionId"] == 2
    assert f"revision {head}" in version["PipelineVersionDescription"]
    tags = client("sagemaker", "us-east-1").list_tags(ResourceArn=deployed(account)["PipelineArn"])["Tags"]
    said = {tag["Key"]: tag["Value"] for tag in tags}
    assert said["team"] == "analytics"
    assert said["sluice:revision"].startswith(head)
    assert said["sluice:version"] == "0.1.0"


def test_a_version_that_cannot_be_described_is_no_failure(account):
    account.sagemaker.answers["UpdatePipelineVersion"] = refusing("AccessDeniedException", "not you")
    assert "on the version it can't be written: UpdatePipelineVersion: not you" in put(account)


def test_another_pipeline_role_and_payloads_that_are_gone_are_changes(account):
    deployment(account).upload()
    put(account)
    assert deployment(account).is_deployed() is True
    assert deployment(account, pipeline_role=f"{ROLE}-other").is_deployed() is False
    uri = payloads(read_definition(compiled().definition))["train", "function"]
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    client("s3").delete_object(Bucket=bucket, Key=key)
    assert deployment(account).is_deployed() is False


def test_a_large_definition_goes_by_way_of_s3_under_its_digest(account):
    large = edited(setting("train", "Arguments.Environment.PADDING", "x" * 100_000))
    put(account, large)
    (request,) = account.sagemaker.requests("CreatePipeline")
    assert "PipelineDefinition" not in request
    (key,) = account.objects("sluice/code/definitions/")
    assert request["PipelineDefinitionS3Location"] == {
        "Bucket": account.environment.bucket,
        "ObjectKey": key,
    }
    body = client("s3").get_object(Bucket=account.environment.bucket, Key=key)["Body"].read()
    assert json.loads(body) == json.loads(large)


def test_lint_findings_are_all_told_and_nothing_is_uploaded(account, capsys):
    file = account.folder / "test.yaml"
    content = yaml.safe_load(file.read_text())
    content["steps"]["train"]["instance_type"] = "ml.m5.xlrge"
    file.write_text(yaml.safe_dump(content))
    images = account.folder / "images.yaml"
    images.write_text(images.read_text().replace("'3.11'", "'3.10'", 1))
    assert main(["upsert", *account.files]) == 1
    err = capsys.readouterr().err
    assert "error: pipeline sluice: lint refuses the pipeline: " in err
    assert "ml.m5.xlrge" in err
    assert "3.10" in err
    assert account.objects() == []
    assert account.sagemaker.requests("CreatePipeline") == []


@pytest.mark.parametrize(
    ("trust", "message"),
    [
        (None, r"there is no such role\. Got: GetRole: .*Make it with: make infra"),
        (
            {**TRUST["Statement"][0], "Principal": {"Service": "lambda.amazonaws.com"}},
            r"SageMaker may not assume the role\. Allowed: a trust policy that allows sts:AssumeRole to sagemaker",
        ),
        ({**TRUST["Statement"][0], "Effect": "Deny"}, r"SageMaker may not assume the role"),
        ({**TRUST["Statement"][0], "Action": ["sts:TagSession"]}, r"SageMaker may not assume the role"),
    ],
    ids=["absent", "another service", "denied", "another action"],
)
def test_a_role_that_sagemaker_cannot_assume_is_told(account, trust, message):
    arn = f"{ROLE}-wrong"
    if trust:
        make_role(arn, {"Version": "2012-10-17", "Statement": [trust]})
    with pytest.raises((AwsNotFound, InputError), match=f"^role {arn}: {message}"):
        deployment(account, pipeline_role=arn).check()


def test_upsert_looks_at_roles_and_bucket_before_it_uploads_anything(account):
    wrong = account.environment.model_copy(update={"pipeline_role": f"{ROLE}-wrong"})
    with pytest.raises(AwsNotFound, match="there is no such role"):
        upsert(wrong, account.images, a_console())
    assert account.objects() == []


def test_a_trust_policy_may_be_written_with_lists_and_for_several_services(account):
    statement = {
        "Effect": "Allow",
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Principal": {"Service": ["events.amazonaws.com", "sagemaker.amazonaws.com"]},
    }
    make_role(f"{ROLE}-listed", {"Version": "2012-10-17", "Statement": [statement]})
    assert deployment(account, pipeline_role=f"{ROLE}-listed").check() == []


def test_a_user_who_may_not_look_at_roles_is_warned_and_goes_on(account):
    from botocore.stub import Stubber

    from orchestration.deploy import require_role

    iam = client("iam", "us-east-1")
    with Stubber(iam) as stub:
        stub.add_client_error("get_role", "AccessDenied", "not authorized to perform: iam:GetRole")
        assert (
            require_role(iam, ROLE)
            == f"role {ROLE} was not checked: this user may not look at it (iam:GetRole)"
        )


@pytest.mark.parametrize(
    ("bucket", "region", "message"),
    [
        ("there-is-no-such-bucket", None, r"^bucket there-is-no-such-bucket: AWS does not have it"),
        (
            "sluice-far-away",
            "eu-west-1",
            r"the bucket is in another region\. Got: eu-west-1\. Allowed: us-east-1",
        ),
    ],
    ids=["absent", "far away"],
)
def test_a_bucket_that_cannot_be_used_is_told(account, bucket, region, message):
    if region:
        client("s3", region).create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region}
        )
    with pytest.raises(AwsError, match=message):
        deployment(account, bucket=bucket).check()


def test_another_accounts_bucket_is_told_as_refused(account):
    from botocore.stub import Stubber

    from orchestration.bucket import require_bucket

    s3 = client("s3", "us-east-1")
    with Stubber(s3) as stub:
        stub.add_client_error("head_bucket", "403", "Forbidden")
        with pytest.raises(AwsError, match=r"^bucket sluice-test-\d+: AWS does not allow this"):
            require_bucket(s3, account.environment)
