"""The template as it stands: lint, what it guards, and that its generated parts are up to date."""

from __future__ import annotations

from cfnlint.api import lint
from cfnlint.config import ManualArgs

from infra.template import STACK, model_groups, read_template, rendered

TEXT = STACK.read_text(encoding="utf-8")
RESOURCES = read_template(TEXT)["Resources"]
LONGEST = 51_200
"""Bytes of a template that CloudFormation takes directly."""


def mistakes(text: str) -> list[str]:
    """What cfn-lint says of a template: errors and warnings."""
    return [str(match) for match in lint(text, config=ManualArgs(regions=["eu-west-1"]))]


def of_type(kind: str) -> dict[str, dict]:
    found = {name: r["Properties"] for name, r in RESOURCES.items() if r["Type"] == kind}
    assert found, kind
    return found


def test_the_template_is_clean():
    assert mistakes(TEXT) == []


def test_lint_sees_mistakes():
    """Otherwise a clean template says nothing."""
    text = TEXT.replace("KeyPolicy:", "KeyPolizy:").replace("s3:AbortMultipartUpload", "s3:AbortMultipart")
    said = " ".join(mistakes(text))
    assert [word for word in ("'KeyPolizy'", "'abortmultipart'") if word not in said] == []


def test_the_generated_parts_are_up_to_date():
    """`make infra-template` writes them."""
    assert rendered(TEXT) == TEXT


def test_a_generated_part_that_was_changed_by_hand_is_written_again():
    assert rendered(TEXT.replace("sluice-train", "sluice-trein")) == TEXT


def test_cloudformation_takes_the_template():
    assert len(TEXT.encode()) < LONGEST


def test_the_bucket_is_encrypted_versioned_closed_and_cleans_up():
    (bucket,) = of_type("AWS::S3::Bucket").values()
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert rule["BucketKeyEnabled"] is True
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    rules = {rule["Id"] for rule in bucket["LifecycleConfiguration"]["Rules"]}
    assert rules == {"unfinished-uploads", "replaced-and-deleted", "what-spot-instances-left", "executions"}


def test_the_bucket_refuses_whoever_comes_without_tls():
    (policy,) = of_type("AWS::S3::BucketPolicy").values()
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"], statement["Principal"]) == ("Deny", "s3:*", "*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert len(statement["Resource"]) == 2, "the bucket and what is in it"


def test_what_people_need_later_outlives_the_stack():
    kept = {name for name, r in RESOURCES.items() if r.get("DeletionPolicy") == "RetainExceptOnCreate"}
    kinds = ("AWS::S3::Bucket", "AWS::KMS::Key", "AWS::ECR::Repository", "AWS::SageMaker::ModelPackageGroup")
    assert kept == {name for name, r in RESOURCES.items() if r["Type"] in kinds}


def test_an_images_tag_never_means_another_image_and_every_image_is_scanned():
    repositories = of_type("AWS::ECR::Repository")
    assert sorted(r["RepositoryName"] for r in repositories.values()) == [
        "sluice-evaluate",
        "sluice-preprocess",
        "sluice-register",
        "sluice-train",
    ]
    for repository in repositories.values():
        assert repository["ImageTagMutability"] == "IMMUTABLE"
        assert repository["ImageScanningConfiguration"] == {"ScanOnPush": True}
        assert "LifecyclePolicyText" in repository["LifecyclePolicy"]


def test_the_status_table_forgets_and_can_be_restored():
    (table,) = of_type("AWS::DynamoDB::Table").values()
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


def test_every_rule_tells_the_topic_which_is_encrypted():
    assert {"KmsMasterKeyId"} <= set(RESOURCES["Topic"]["Properties"])
    rules = of_type("AWS::Events::Rule")
    assert set(rules) == {"PipelineEvents", "StepEvents", "ApprovalEvents"}
    assert [rule["Targets"] for rule in rules.values()] == [[{"Id": "topic", "Arn": {"Ref": "Topic"}}]] * 3


def test_there_is_a_model_group_for_each_that_a_recipe_names():
    groups = of_type("AWS::SageMaker::ModelPackageGroup").values()
    assert [group["ModelPackageGroupName"] for group in groups] == model_groups()
    assert "ledger-demo" in model_groups()
