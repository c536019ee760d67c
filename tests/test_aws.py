"""What AWS answers, in the family's words: what happened, where, what AWS said, what to do."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from botocore.stub import Stubber

from sluice.aws import client, speaking_of
from sluice.contract import AwsError, AwsNotFound

GROUP = "some-group"
DENIED = "User: arn:aws:sts::123456789012:assumed-role/jobs/x is not authorized to perform: sagemaker:DescribeModelPackageGroup"


@pytest.fixture
def on_aws(monkeypatch, tmp_path):
    """Credentials and a region, and nobody to ask: whoever needs an answer stubs it."""
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return monkeypatch


def answered(code: str, message: str = "", **more) -> str:
    """What is told when SageMaker answers with this error."""
    sagemaker = client("sagemaker")
    with Stubber(sagemaker) as stub:
        stub.add_client_error("describe_model_package_group", code, message, **more)
        with pytest.raises(AwsError) as told, speaking_of("group some-group"):
            sagemaker.describe_model_package_group(ModelPackageGroupName=GROUP)
    assert told.value.next_step
    return told.value.message


@pytest.mark.parametrize(
    ("code", "said", "message"),
    [
        (
            "AccessDeniedException",
            DENIED,
            r"^group some-group: AWS does not allow this to the user or role that asks\. Got: DescribeModelPackageGroup: "
            r"User: arn.* is not authorized to perform: sagemaker:DescribeModelPackageGroup\. Let its policy allow the action",
        ),
        ("403", "Forbidden", r"does not allow this .*Got: DescribeModelPackageGroup: Forbidden\."),
        (
            "ExpiredTokenException",
            "The security token is expired",
            r"credentials have expired.*aws sso login",
        ),
        ("ExpiredToken", "", r"credentials have expired\. Got: DescribeModelPackageGroup: ExpiredToken\."),
        ("UnrecognizedClientException", "invalid", r"AWS does not accept these credentials.*AWS_PROFILE"),
        ("ThrottlingException", "Rate exceeded", r"asked too often.*Rate exceeded\. .*AWS_MAX_ATTEMPTS"),
        ("SlowDown", "", r"asked too often"),
        ("ResourceLimitExceeded", "too many", r"a limit of the AWS account is reached"),
        ("InternalFailure", "", r"AWS has a fault of its own.*Run again in a few minutes"),
        (
            "ValidationException",
            "1 error:\ncan't be so",
            r"AWS refuses the request\. Got: .*: 1 error:\. Correct",
        ),
    ],
)
def test_every_refusal_says_what_aws_said_and_what_to_do(on_aws, code, said, message):
    assert re.search(message, answered(code, said))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("ResourceNotFound", ""),
        ("ResourceNotFoundException", ""),
        ("NoSuchEntity", ""),
        ("404", ""),
        ("ValidationException", "ModelPackageGroup arn:aws:… does not exist."),
        ("ValidationError", "Stack with id sluice does not exist"),
        ("ValidationException", "Could not find pipeline"),
    ],
)
def test_what_is_absent_can_be_told_from_every_other_refusal(on_aws, code, said):
    sagemaker = client("sagemaker")
    with Stubber(sagemaker) as stub:
        stub.add_client_error("describe_model_package_group", code, said)
        with (
            pytest.raises(AwsNotFound, match=r"x: AWS does not have it.*the region and the account"),
            speaking_of("x"),
        ):
            sagemaker.describe_model_package_group(ModelPackageGroupName=GROUP)


def test_a_refused_look_is_never_taken_for_absence(on_aws):
    sagemaker = client("sagemaker")
    with Stubber(sagemaker) as stub:
        stub.add_client_error(
            "describe_model_package_group", "AccessDeniedException", "the role does not exist"
        )
        with pytest.raises(AwsError) as told, speaking_of("x"):
            sagemaker.describe_model_package_group(ModelPackageGroupName=GROUP)
    assert not isinstance(told.value, AwsNotFound)


def test_a_bucket_in_another_region_is_named_with_its_region(on_aws):
    headers = {"HTTPHeaders": {"x-amz-bucket-region": "us-east-2"}}
    told = answered("PermanentRedirect", "The bucket must be addressed elsewhere", response_meta=headers)
    assert "the bucket is in another region. Got:" in told
    assert "elsewhere; it is in us-east-2. Name the bucket's region" in told


def test_a_server_says_no_such_bucket_object_or_pipeline(s3_store):
    s3, sagemaker = client("s3"), client("sagemaker")
    with (
        pytest.raises(AwsNotFound, match=r"s3://nowhere: there is no such bucket\. Got: ListObjectsV2: "),
        speaking_of("s3://nowhere"),
    ):
        s3.list_objects_v2(Bucket="nowhere-at-all")
    with pytest.raises(AwsNotFound, match=r"Got: HeadObject: Not Found"), speaking_of("an object"):
        s3.head_object(Bucket=s3_store.split("/")[2], Key="none")
    with pytest.raises(AwsNotFound, match="some-group does not exist"), speaking_of("a group"):
        sagemaker.describe_model_package_group(ModelPackageGroupName=GROUP)


def test_a_transfer_that_fails_is_told_too(s3_store, tmp_path):
    (tmp_path / "file").write_text("content")
    with (
        pytest.raises(AwsError, match=r"the upload: AWS refuses the request\. Got: .*NoSuchBucket"),
        speaking_of("the upload"),
    ):
        client("s3").upload_file(str(tmp_path / "file"), "nowhere-at-all", "key")


def test_a_server_that_is_not_there_is_unreachable(on_aws):
    on_aws.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    on_aws.setenv("AWS_MAX_ATTEMPTS", "1")
    with (
        pytest.raises(AwsError, match=r"x: AWS can't be reached\. Got: .*127\.0\.0\.1:9.*AWS_ENDPOINT_URL"),
        speaking_of("x"),
    ):
        client("sagemaker").list_model_package_groups()


def test_an_endpoint_that_is_no_address_is_named(on_aws):
    on_aws.setenv("AWS_ENDPOINT_URL", "not an address")
    with pytest.raises(
        AwsError,
        match=r"AWS_ENDPOINT_URL: this is no address of a server\. Got: not an address\. Allowed: http://",
    ):
        client("sagemaker")


def test_without_a_region_or_credentials_it_says_which_variables_to_set(on_aws):
    on_aws.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(AwsError, match=r"sagemaker: no AWS region is known.*Set AWS_REGION"):
        client("sagemaker")
    on_aws.delenv("AWS_ACCESS_KEY_ID")
    on_aws.delenv("AWS_SECRET_ACCESS_KEY")
    with (
        pytest.raises(AwsError, match=r"x: no AWS credentials that work were found.*Set AWS_PROFILE"),
        speaking_of("x"),
    ):
        client("sagemaker", "eu-west-1").list_model_package_groups()
    on_aws.setenv("AWS_PROFILE", "production")
    with pytest.raises(AwsError, match=r"no AWS credentials that work.*\(production\) could not be found"):
        client("sagemaker", "eu-west-1")


def test_a_region_that_is_none_is_named(on_aws):
    with pytest.raises(AwsError, match=r"AWS refuses the request\. Got: .*eu west"):
        client("sagemaker", "eu west")


def test_the_module_brings_no_boto3_before_a_client_is_made(repository):
    code = "import sys, sluice.aws; print('boto3' in sys.modules, 'botocore' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False False\n"
