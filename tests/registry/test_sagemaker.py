"""What SageMaker holds, tells and keeps; what somebody decides in its console is not lost."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from datetime import UTC, datetime
from functools import partial

import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from sluice.aws import client
from sluice.contract import AwsError, RegistryError, StorageError, storage
from sluice.registry import Decision, ModelVersion, Status
from sluice.registry.base import new_version
from sluice.registry.properties import properties_of, version_of
from sluice.registry.quality import write_quality
from sluice.registry.sagemaker import SageMakerRegistry
from tests.registry.builders import METRICS, NOW, Chain

PENDING, APPROVED, REJECTED = Status
ARN = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/invoices/1"


@pytest.fixture
def place(sagemaker):
    return sagemaker


@pytest.fixture
def aws(place):
    """SageMaker's own word for what is stored."""
    return client("sagemaker", "eu-west-1")


@pytest.fixture
def waiting(registry, chain):
    """A registry with one model that waits for a decision."""
    registry.register(chain.candidate(), who="nightly job")
    return registry


def package(aws, arn=ARN):
    return aws.describe_model_package(ModelPackageName=arn)


def requests_of(registry, operation="CreateModelPackage"):
    """Collects what a registry asks for."""
    asked = []
    listen = partial(registry._client.meta.events.register, f"provide-client-params.sagemaker.{operation}")
    listen(lambda params, **_: asked.append(params))
    return asked


def in_the_console(aws, status, **more):
    """Somebody changes the status elsewhere. SageMaker leaves the properties alone then; moto wants to be told."""
    kept = package(aws)["CustomerMetadataProperties"]
    aws.update_model_package(
        ModelPackageArn=ARN, ModelApprovalStatus=status, CustomerMetadataProperties=kept, **more
    )


# --- what SageMaker holds


def test_a_package_holds_where_everything_stands_and_what_was_measured(registry, chain, aws):
    asked = requests_of(registry)
    version = registry.register(chain.candidate(), who="nightly job")
    stored = package(aws)
    assert (version.arn, stored["ModelPackageArn"]) == (ARN, ARN)
    assert stored["ModelApprovalStatus"] == "PendingManualApproval"
    assert stored["ModelPackageDescription"] == "registered by recipe invoices-demo: every gate passed"
    assert stored["CustomerMetadataProperties"] == {
        "recipe": "invoices-demo",
        "model.uri": chain.model.uri,
        "model.digest": chain.model.digest,
        "evaluation.uri": chain.evaluation.uri,
        "evaluation.digest": chain.evaluation.digest,
        "data_report.uri": chain.data_report.uri,
        "data_report.digest": chain.data_report.digest,
        "decision.0000": "created PendingManualApproval nightly=20job registered by recipe invoices-demo: every gate passed",
    }
    assert version.created == stored["CreationTime"] == version.history[0].when
    [request] = asked
    assert request["SourceUri"] == chain.at("model")
    assert "InferenceSpecification" not in request, "no image serves it yet"


def test_the_metrics_stand_beside_the_report_in_sagemakers_format(registry, chain, aws):
    version = registry.register(chain.candidate(), who="x")
    source = package(aws)["ModelMetrics"]["ModelQuality"]["Statistics"]
    content = storage.read_bytes(source["S3Uri"])
    assert source == {
        "ContentType": "application/json",
        "ContentDigest": f"sha256:{hashlib.sha256(content).hexdigest()}",
        "S3Uri": chain.at("evaluation.model-quality.json"),
    }
    numbers = json.loads(content)["multiclass_classification_metrics"]
    assert numbers["accuracy"] == {"value": METRICS["accuracy"], "standard_deviation": "NaN"}
    assert {name: number["value"] for name, number in numbers.items()} == version.metrics


@pytest.mark.parametrize("harm", ["changed", "gone"])
def test_numbers_that_are_not_the_registered_ones_are_not_shown(waiting, aws, harm):
    uri = package(aws)["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"]
    if harm == "changed":
        storage.write_bytes(uri, storage.read_bytes(uri).replace(b"0.91", b"0.99"))
    else:
        filesystem, path = storage._open(uri)
        filesystem.delete_file(path)
    assert waiting.get("invoices", 1).metrics == {}


def test_metrics_that_can_not_be_written_register_nothing(registry, chain, monkeypatch):
    assert chain.evaluation.folder
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(
        StorageError, match=r"evaluation\.model-quality\.json: the store can't be read or written"
    ):
        write_quality(chain.evaluation)


def test_approval_is_said_in_sagemakers_words(waiting, aws):
    waiting.decide("invoices", 1, APPROVED, who="Ada", why="two\nlines, é")
    stored = package(aws)
    assert (stored["ModelApprovalStatus"], stored["ApprovalDescription"]) == ("Approved", "two lines, é")
    assert waiting.get("invoices", 1).history[-1].why == "two\nlines, é"
    decisions = {k: v for k, v in stored["CustomerMetadataProperties"].items() if k.startswith("decision.")}
    assert list(decisions) == ["decision.0000", "decision.0001"], "all are sent each time"
    assert decisions["decision.0001"].endswith(" Approved Ada two=0Alines=2C é")


# --- once, whatever happens


class Lost(Exception):
    """The connection, or the whole job."""


@pytest.mark.parametrize("moment", ["before-call", "after-call"])
def test_a_registration_that_broke_off_is_repeated_without_a_second_version(place, chain, moment):
    def lose(**_):
        raise Lost

    broken = SageMakerRegistry("eu-west-1")
    broken._client.meta.events.register(f"{moment}.sagemaker.CreateModelPackage", lose)
    with pytest.raises(Lost):
        broken.register(chain.candidate(), who="x")
    assert place.registry.register(chain.candidate(), who="x").version == 1
    assert len(place.registry.list()) == 1


def test_a_repeated_request_is_the_same_to_the_letter_and_another_model_has_another_token(
    registry, chain, another
):
    asked = requests_of(registry)
    for different in ({}, {}, {"weights": "other"}, {"metrics": {"macro_f1": 0.1}}):
        repeated = another("steps", **different)
        registry._add(
            repeated.candidate(),
            Decision(who="x", when=datetime.now(UTC), why="w", before=None, after=PENDING),
        )
    first, again, *others = asked
    assert first == again
    assert len({request["ClientToken"] for request in (first, *others)}) == 3


def test_a_group_that_the_stack_made_is_left_as_it_is(registry, chain, aws):
    aws.create_model_package_group(
        ModelPackageGroupName="invoices", ModelPackageGroupDescription="the stack's"
    )
    asked = requests_of(registry, "CreateModelPackageGroup")
    registry.register(chain.candidate(), who="x")
    assert asked == []
    group = aws.describe_model_package_group(ModelPackageGroupName="invoices")
    assert group["ModelPackageGroupDescription"] == "the stack's"


def stubbed(*answers):
    """A registry whose SageMaker gives these answers: an operation, and an error's code and message or a response."""
    registry = SageMakerRegistry("eu-west-1")
    stub = Stubber(registry._client)
    for operation, answer in answers:
        if isinstance(answer, dict):
            stub.add_response(operation, answer)
        else:
            stub.add_client_error(operation, *answer)
    stub.activate()
    return registry


ABSENT = (
    "describe_model_package_group",
    ("ValidationException", "ModelPackageGroup invoices does not exist."),
)


def test_another_process_that_made_the_group_first_does_no_harm(place):
    taken = ("ValidationException", "Model Package Group already exists: arn:aws:…")
    stubbed(ABSENT, ("create_model_package_group", taken))._make_group("invoices")
    denied = ("AccessDeniedException", "not authorized to perform: sagemaker:CreateModelPackageGroup")
    refused = stubbed(ABSENT, ("create_model_package_group", denied))
    with pytest.raises(AwsError, match=r"sagemaker://eu-west-1, group invoices: AWS does not allow this"):
        refused._make_group("invoices")


# --- decisions that were taken elsewhere


def test_a_decision_in_the_console_is_shown_with_who_and_why(waiting, aws):
    in_the_console(aws, "Approved", ApprovalDescription="looks good")
    version = waiting.get("invoices", 1)
    decision = version.history[-1]
    assert version.status == APPROVED
    assert (decision.who, decision.why) == ("fake-user-profile-name", "looks good")
    assert (decision.before, decision.after) == (PENDING, APPROVED)
    assert decision.when == package(aws)["LastModifiedTime"]


def test_the_next_decision_keeps_the_consoles_for_good(waiting, aws):
    in_the_console(aws, "Approved", ApprovalDescription="looks good")
    waiting.decide("invoices", 1, REJECTED, who="ada", why="it does not")
    in_the_console(aws, "PendingManualApproval", ApprovalDescription="it does not")
    history = waiting.get("invoices", 1).history
    assert [(d.who, d.before, d.after, d.why) for d in history[1:]] == [
        ("fake-user-profile-name", PENDING, APPROVED, "looks good"),
        ("ada", APPROVED, REJECTED, "it does not"),
        ("fake-user-profile-name", REJECTED, PENDING, ""),  # what is left of ada's reason is not theirs
    ]


def described(**more):
    """A package as SageMaker describes it."""
    return {
        "ModelPackageGroupName": "invoices",
        "ModelPackageVersion": 1,
        "ModelPackageArn": ARN,
        "CreationTime": NOW,
        **more,
    }


@pytest.fixture
def properties(tmp_path):
    decision = Decision(who="x", when=NOW, why="w", before=None, after=PENDING)
    return properties_of(new_version(Chain(tmp_path).candidate(), decision))


@pytest.mark.parametrize(
    ("by", "who"),
    [
        (
            {"IamIdentity": {"Arn": "arn:aws:sts::1:assumed-role/a/b", "PrincipalId": "p"}},
            "arn:aws:sts::1:assumed-role/a/b",
        ),
        ({"IamIdentity": {"Arn": "arn:aws:sts::1:assumed-role/a/b", "SourceIdentity": "ada"}}, "ada"),
        ({"UserProfileName": "ada", "IamIdentity": {"Arn": "arn"}}, "ada"),
        ({}, "somebody outside Sluice"),
    ],
)
def test_who_decided_elsewhere_is_told_as_well_as_sagemaker_knows(properties, by, who):
    version = version_of(
        described(
            CustomerMetadataProperties=properties,
            ModelApprovalStatus="Rejected",
            LastModifiedBy=by,
            LastModifiedTime=NOW,
        ),
        {},
    )
    assert (version.status, version.history[-1].who) == (REJECTED, who)


def test_a_decision_upon_another_history_than_was_looked_at_is_refused(waiting):
    looked_at = waiting.get("invoices", 1)
    mine = Decision(who="me", when=datetime.now(UTC), why="", before=PENDING, after=APPROVED)
    waiting.decide("invoices", 1, REJECTED, who="ada", why="it drifts")
    with pytest.raises(
        RegistryError,
        match=r"invoices version 1: somebody else decided meanwhile\. Look again with models show invoices 1\.",
    ):
        waiting._record(looked_at, mine)
    assert waiting.get("invoices", 1).status == REJECTED


# --- what is in the account beside


def test_packages_of_others_are_not_shown_however_many_there_are(registry, chain, aws):
    aws.create_model_package_group(ModelPackageGroupName="others")
    for _ in range(101):
        aws.create_model_package(ModelPackageGroupName="others")
    aws.create_model_package(ModelPackageName="no-version-of-a-group")
    version = registry.register(chain.candidate(), who="x")
    assert registry.list() == (version,)
    with pytest.raises(RegistryError, match=r"no such model group\. Got: others\. Allowed: invoices\."):
        registry.list("others")


def test_a_package_that_failed_or_is_deleted_meanwhile_is_no_version(place):
    listed = [
        {"ModelPackageArn": f"{ARN[:-1]}{n}", "CreationTime": NOW, "ModelPackageStatus": status}
        for n, status in enumerate(("Failed", "Deleting", "Completed"), 1)
    ]
    gone = ("ValidationException", "ModelPackage does not exist")
    registry = stubbed(
        ("list_model_packages", {"ModelPackageSummaryList": listed}), ("describe_model_package", gone)
    )
    assert registry.list() == ()


def test_a_group_that_is_not_there_has_no_versions(place):
    registry = stubbed(
        ("list_model_packages", ("ValidationException", "ModelPackageGroup arn does not exist")),
        ("list_model_packages", {"ModelPackageSummaryList": []}),
    )
    with pytest.raises(RegistryError, match=r"no such model group\. Got: invoices\. Allowed: none"):
        registry.list("invoices")


def test_who_may_not_look_is_told_so_and_not_that_nothing_is_there(place):
    denied = ("AccessDeniedException", "User: ada is not authorized to perform: sagemaker:ListModelPackages")
    with pytest.raises(AwsError, match=r"sagemaker://eu-west-1: AWS does not allow this.*ListModelPackages"):
        stubbed(("list_model_packages", denied)).list()


# --- limits


@pytest.mark.parametrize("group", ["a.b", "a_b", "-a", "a-", "a" * 64])
def test_a_group_that_sagemaker_does_not_take_is_refused(registry, chain, group):
    with pytest.raises(
        RegistryError, match=rf"SageMaker takes no model group of this name\. Got: {group}\. Allowed: 1 to 63"
    ):
        registry.register(chain.candidate(group), who="x")


def test_a_model_on_this_machine_is_refused(registry, tmp_path):
    with pytest.raises(
        RegistryError,
        match=r"model/manifest\.json: SageMaker's registry takes what stands on S3.*store on S3",
    ):
        registry.register(Chain(tmp_path).candidate(), who="x")
    assert registry.list() == ()


def test_a_decision_that_does_not_fit_is_refused_and_none_is_lost(waiting):
    decide = partial(waiting.decide, "invoices", 1, who="ada", why="é" * 1024)
    for status in (APPROVED, REJECTED) * 4:
        decide(status)
    with pytest.raises(
        RegistryError,
        match=r"model-package/invoices/1: SageMaker can't keep all.*Got: 53 properties, for 10 decisions\. "
        r"Allowed: 50 properties of 256 characters\. Give a shorter reason, or decide in SageMaker's own console",
    ):
        decide(APPROVED)
    version = waiting.get("invoices", 1)
    assert version.status == REJECTED
    assert [decision.why for decision in version.history[1:]] == ["é" * 1024] * 8


def test_a_very_long_prefix_is_kept_whole(place):
    deep = Chain(storage.join(place.store, "/".join(["a folder"] * 60), "steps"))
    version = place.registry.register(deep.candidate(), who="x")
    assert len(version.model.uri) > 512
    assert version.model.uri == deep.model.uri


TAKEN = "_.:/=+-@"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=1024), st.text(min_size=1, max_size=60))
def test_any_reason_and_name_come_back_and_sagemaker_takes_every_part(why, who):
    artifact = {"name": "m", "uri": "s3://b/100 %, é", "digest": "a" * 64}
    history = [
        {"who": who, "when": NOW, "why": "w", "before": None, "after": PENDING},
        {"who": who, "when": NOW, "why": why.strip(), "before": PENDING, "after": REJECTED},
    ]
    version = ModelVersion(
        group="invoices",
        version=1,
        recipe="r",
        model={**artifact, "name": "model"},
        evaluation={**artifact, "name": "evaluation"},
        data_report={**artifact, "name": "data_report"},
        created=NOW,
        metrics={},
        history=history,
        arn=ARN,
    )
    try:
        kept = properties_of(version)
    except RegistryError:
        assert len(why.encode()) > 3000
        return
    for value in kept.values():
        assert 1 <= len(value) <= 256
        assert all(c in TAKEN or unicodedata.category(c)[0] in "LZN" for c in value)
    assert version_of(described(CustomerMetadataProperties=kept), {}) == version


@pytest.mark.parametrize(
    "damage",
    [
        {"decision.0000": "nonsense"},
        {"decision.0000": "created Maybe x y"},
        {"recipe": "a="},
        {"recipe": "=FF"},
    ],
)
def test_damaged_properties_are_named(properties, damage):
    with pytest.raises(
        RegistryError, match=rf"{ARN}: a model package's properties can't be read\. Got: .*Put back"
    ):
        version_of(described(CustomerMetadataProperties=properties | damage), {})


def test_a_missing_property_is_named(properties):
    del properties["evaluation.uri"]
    with pytest.raises(RegistryError, match=r"can't be read\. Got: KeyError: 'evaluation\.uri'"):
        version_of(described(CustomerMetadataProperties=properties), {})
