"""Each role may do its own work and nothing of another's: asked of the policies that the deployed stack has."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

from infra.access import access_of
from infra.deploy import deploy
from infra.template import model_groups
from orchestration.graph import Graph
from orchestration.pipeline import build
from sluice.registry import Status
from tests.infra.conftest import REGION, REPOSITORY
from tests.infra.policies import actions, as_list, may

JOBS = ("PreprocessRole", "TrainRole", "EvaluateRole", "RegisterRole")
ROLES = (*JOBS, "PipelineRole", "CiRole", "PlanRole", "ApproverRole")
COMPONENTS = ("preprocess", "preprocess.audit", "preprocess.validate", "train", "evaluate", "register")
READS = {
    "PreprocessRole": {"preprocess", "preprocess.audit", "preprocess.validate"},
    "TrainRole": {"preprocess", "train"},
    "EvaluateRole": {"preprocess", "preprocess.audit", "train", "evaluate"},
    "RegisterRole": {"preprocess.validate", "train", "evaluate", "register"},
    "ApproverRole": set(COMPONENTS),
}
WRITES = {
    "PreprocessRole": {"preprocess", "preprocess.audit", "preprocess.validate"},
    "TrainRole": {"train"},
    "EvaluateRole": {"evaluate"},
    "RegisterRole": {"register"},
}
PAYLOAD = "code/3.27.0/sluice/{}/2026-11-23-08-00-00-000"
WITHOUT_RESOURCE = {
    "cloudwatch:PutMetricData",
    "ecr:GetAuthorizationToken",
    "sagemaker:ListModelPackageGroups",
}
"""What IAM can't narrow to a resource."""


@pytest.fixture
def allowed(account):
    """Whether a role may do something with an object of the store."""

    def ask(role: str, action: str, key: str) -> bool:
        where = f"arn:aws:s3:::{account.outputs['Bucket']}/sluice/{key}"
        return may(account.policies(role), action, where)

    return ask


def sagemaker(kind: str, name: str) -> str:
    return f"arn:aws:sagemaker:{REGION}:123456789012:{kind}/{name}"


# --- the store


@pytest.mark.parametrize("role", ROLES)
def test_a_role_reads_the_results_that_its_steps_need_and_no_others(role, allowed):
    """A result is anything below its component's folder."""
    readable = {name for name in COMPONENTS if allowed(role, "s3:GetObject", f"steps/{name}/0a1b/model/x")}
    assert readable == READS.get(role, set())


@pytest.mark.parametrize("role", ROLES)
def test_a_role_writes_the_results_of_its_own_component_and_no_others(role, allowed):
    writable = {name for name in COMPONENTS if allowed(role, "s3:PutObject", f"steps/{name}/0a1b/model/x")}
    assert writable == WRITES.get(role, set())


@pytest.mark.parametrize("role", ROLES)
def test_nobody_deletes_anything(role, account):
    assert [
        action for action in actions(account.policies(role)) if "Delete" in action and "Network" not in action
    ] == []


def test_only_preprocess_reads_raw_data(allowed):
    assert [role for role in ROLES if allowed(role, "s3:GetObject", "data/ledger.csv")] == ["PreprocessRole"]
    assert [role for role in ROLES if allowed(role, "s3:PutObject", "data/ledger.csv")] == []


def test_register_reads_the_manifests_of_everything_behind_a_model_and_not_the_rows(allowed):
    assert allowed("RegisterRole", "s3:GetObject", "steps/preprocess/0a1b/training/manifest.json")
    assert not allowed("RegisterRole", "s3:GetObject", "steps/preprocess/0a1b/training/part-0.parquet")


def test_register_writes_what_sagemaker_shows_beside_the_evaluation_and_not_into_it(allowed):
    assert allowed("RegisterRole", "s3:PutObject", "steps/evaluate/0a1b/report.model-quality.json")
    assert not allowed("RegisterRole", "s3:PutObject", "steps/evaluate/0a1b/report/evaluation.json")


@pytest.mark.parametrize(
    ("role", "steps"),
    [
        ("PreprocessRole", {"preprocess", "audit", "validate"}),
        ("TrainRole", {"train"}),
        ("EvaluateRole", {"evaluate"}),
        ("RegisterRole", {"register"}),
        ("CiRole", {"preprocess", "audit", "validate", "train", "evaluate", "register"}),
        ("PipelineRole", set()),
        ("PlanRole", {"preprocess", "audit", "validate", "train", "evaluate", "register"}),
        ("ApproverRole", set()),
    ],
)
def test_a_job_loads_its_own_code_and_only_ci_may_change_code(role, steps, allowed):
    every = ("preprocess", "audit", "validate", "train", "evaluate", "register")
    payload = PAYLOAD + "/function/payload.pkl"
    assert {step for step in every if allowed(role, "s3:GetObject", payload.format(step))} == steps
    writable = {step for step in every if allowed(role, "s3:PutObject", payload.format(step))}
    assert writable == (set(every) if role == "CiRole" else set())


def test_a_steps_answer_is_written_by_its_own_job_and_by_nobody_before_it(allowed):
    """Whoever writes an answer runs code in the steps that load it."""
    answer = (PAYLOAD + "/execution-1/results/payload.pkl").format("evaluate")
    assert [role for role in JOBS if allowed(role, "s3:PutObject", answer)] == ["EvaluateRole"]
    assert [role for role in JOBS if allowed(role, "s3:GetObject", answer)] == [
        "EvaluateRole",
        "RegisterRole",
    ]
    assert allowed("PipelineRole", "s3:GetObject", answer.replace("payload.pkl", "results.json"))


def test_each_job_leaves_its_own_record_and_only_a_shared_steps_is_read_by_those_after_it(allowed):
    record = "executions/0a1b2c3d/{}.json"
    steps = ("preprocess", "audit", "validate", "train", "evaluate", "register")
    writers = {
        step: [role for role in JOBS if allowed(role, "s3:PutObject", record.format(step))] for step in steps
    }
    assert writers == {
        **{step: ["PreprocessRole"] for step in ("preprocess", "audit", "validate")},
        **{step: [f"{step.capitalize()}Role"] for step in ("train", "evaluate", "register")},
    }
    readers = [role for role in JOBS if allowed(role, "s3:GetObject", record.format("preprocess"))]
    assert readers == ["PreprocessRole", "TrainRole", "EvaluateRole"]
    assert not any(allowed(role, "s3:GetObject", record.format("train")) for role in JOBS)


@pytest.mark.parametrize("kind", ["training", "processing"])
def test_the_pipeline_alone_starts_jobs_and_only_those_it_named(kind, account):
    verbs = [f"sagemaker:{verb}{kind.capitalize()}Job" for verb in ("Create", "Describe", "Stop")]
    for verb in (*verbs, "sagemaker:AddTags"):
        mine, other = (sagemaker(f"{kind}-job", name) for name in ("pipelines-0a1b-x", "somebodys"))
        assert may(account.policies("PipelineRole"), verb, mine), verb
        assert not may(account.policies("PipelineRole"), verb, other), verb
    assert [role for role in JOBS if set(verbs) & actions(account.policies(role))] == []


@pytest.mark.parametrize("kind", ["Training", "Processing"])
def test_a_job_writes_its_log_where_its_kind_does(kind, account):
    group = f"arn:aws:logs:{REGION}:123456789012:log-group:/aws/sagemaker/{kind}Jobs:log-stream:x"
    assert all(may(account.policies(role), "logs:PutLogEvents", group) for role in JOBS)


def test_a_listing_is_allowed_below_what_is_read_and_an_absent_object_may_be_told_from_a_refused_one(account):
    bucket = f"arn:aws:s3:::{account.outputs['Bucket']}"
    train = account.policies("TrainRole")
    assert may(train, "s3:ListBucket", bucket, s3_prefix="sluice/steps/preprocess/0a1b/training/")
    assert not may(train, "s3:ListBucket", bucket, s3_prefix="sluice/steps/evaluate/")
    assert not may(train, "s3:ListBucket", bucket, s3_prefix="sluice/steps/preprocess.validate/")
    assert not may(train, "s3:ListBucket", bucket, s3_prefix="")
    assert may(train, "s3:ListBucket", bucket), "S3 asks so before it answers 404"


def test_the_policies_follow_from_the_graph():
    """A smaller graph asks for less."""
    graph = Graph("half")
    data = graph.parameter("data", "raw files")
    prepared = graph.step("preprocess", raw=data, rows=None)
    tables = {name: prepared[name] for name in ("training", "validation", "test", "account")}
    audited = graph.step("preprocess.audit", **tables, features=prepared["features"])
    tables |= {"quarantine": prepared["quarantine"], "audit": audited["measures"]}
    graph.step("preprocess.validate", **tables)
    (half,) = access_of(graph, "half")
    whole = access_of(build(), "half")
    assert half == whole[0]
    assert [access.image for access in whole] == ["preprocess", "train", "evaluate", "register"]
    assert [access.image for access in whole if access.registers] == ["register"]


# --- models


def package(group: str) -> str:
    return sagemaker("model-package", f"{group}/1")


def test_register_alone_creates_model_packages_and_they_wait_for_a_person(account):
    group = model_groups()[0]
    for status in Status:
        creators = [
            role
            for role in ROLES
            if may(
                account.policies(role),
                "sagemaker:CreateModelPackage",
                package(group),
                sagemaker_ModelApprovalStatus=status.value,
            )
        ]
        assert creators == (["RegisterRole"] if status == Status.PENDING else [])
    other = may(
        account.policies("RegisterRole"),
        "sagemaker:CreateModelPackage",
        package("somebody-elses"),
        sagemaker_ModelApprovalStatus="PendingManualApproval",
    )
    assert not other


def test_the_approver_alone_changes_approval_and_changes_nothing_else(account):
    group = model_groups()[0]
    for status in (Status.APPROVED, Status.REJECTED):
        deciders = [
            role
            for role in ROLES
            if may(
                account.policies(role),
                "sagemaker:UpdateModelPackage",
                package(group),
                sagemaker_ModelApprovalStatus=status.value,
            )
        ]
        assert deciders == ["ApproverRole"]
    assert not may(account.policies("ApproverRole"), "sagemaker:UpdateModelPackage", package(group))
    writes = {a for a in actions(account.policies("ApproverRole")) if not _only_reads(a)}
    assert writes == {"sagemaker:UpdateModelPackage"}


@pytest.mark.usefixtures("on_aws")
def test_register_approves_where_the_stack_was_asked_to_let_it(account):
    outputs = deploy("automatic", "eu-west-3", {"Approval": "automatic"}, say=lambda _: None)
    register = replace(account, outputs=outputs).policies("RegisterRole")
    where = package(model_groups()[0]).replace(REGION, "eu-west-3")
    assert may(register, "sagemaker:UpdateModelPackage", where, sagemaker_ModelApprovalStatus="Approved")
    assert not may(register, "sagemaker:UpdateModelPackage", where, sagemaker_ModelApprovalStatus="Rejected")


def test_the_roles_of_the_registry_may_all_that_the_registry_calls(account):
    group = model_groups()[0]
    calls = {
        "sagemaker:DescribeModelPackage": package(group),
        "sagemaker:ListModelPackages": package(group),
        "sagemaker:DescribeModelPackageGroup": sagemaker("model-package-group", group),
    }
    for role in ("RegisterRole", "ApproverRole"):
        assert [call for call, where in calls.items() if not may(account.policies(role), call, where)] == []


def _only_reads(action: str) -> bool:
    verb = action.partition(":")[2]
    return verb.startswith(("Describe", "List", "Get", "Decrypt", "BatchGet", "BatchCheck"))


# --- passing roles, pushing images, changing the pipeline


def test_pipelines_passes_exactly_the_jobs_roles_and_ci_these_and_its_own(account):
    passed = {role: _resources(account.policies(role), "iam:PassRole") for role in ROLES}
    jobs = {account.outputs[role] for role in JOBS}
    assert passed.pop("PipelineRole") == jobs
    assert passed.pop("CiRole") == jobs | {account.outputs["PipelineRole"]}
    assert set().union(*passed.values()) == set()


@pytest.mark.parametrize("role", ["PipelineRole", "CiRole"])
def test_a_role_is_passed_to_sagemaker_and_to_nobody_else(role, account):
    train, policies = account.outputs["TrainRole"], account.policies(role)
    assert may(policies, "iam:PassRole", train, iam_PassedToService="sagemaker.amazonaws.com")
    assert not may(policies, "iam:PassRole", train, iam_PassedToService="ec2.amazonaws.com")


def test_pipelines_alone_starts_jobs_and_only_those_of_pipelines(account):
    job = sagemaker("training-job", "pipelines-4bjlgkrfzpfh-train-abc")
    assert [r for r in ROLES if may(account.policies(r), "sagemaker:CreateTrainingJob", job)] == [
        "PipelineRole"
    ]
    other = sagemaker("training-job", "somebody-elses")
    assert not may(account.policies("PipelineRole"), "sagemaker:CreateTrainingJob", other)


def test_ci_alone_changes_this_pipeline_and_no_other(account):
    for action in ("sagemaker:CreatePipeline", "sagemaker:UpdatePipeline"):
        ours, other = sagemaker("pipeline", "sluice"), sagemaker("pipeline", "other")
        assert [r for r in ROLES if may(account.policies(r), action, ours)] == ["CiRole"]
        assert not may(account.policies("CiRole"), action, other)


def test_ci_alone_pushes_images_and_a_job_pulls_its_own(account):
    images = {
        name: f"arn:aws:ecr:{REGION}:123456789012:repository/sluice-{name}" for name in ("train", "evaluate")
    }
    for repository in images.values():
        assert [r for r in ROLES if may(account.policies(r), "ecr:PutImage", repository)] == ["CiRole"]
    pullers = [r for r in ROLES if may(account.policies(r), "ecr:BatchGetImage", images["train"])]
    assert pullers == ["TrainRole", "CiRole", "PlanRole"]
    other = f"arn:aws:ecr:{REGION}:123456789012:repository/other"
    assert not may(account.policies("CiRole"), "ecr:PutImage", other)


def test_a_pull_requests_role_changes_nothing(account):
    assert [
        action for action in sorted(actions(account.policies("PlanRole"))) if not _only_reads(action)
    ] == []


@pytest.mark.parametrize("role", ROLES)
def test_no_statement_is_wider_than_iam_makes_it(role, account):
    """No action with a wildcard, and no resource `*` where IAM takes a narrower one."""
    for statement in account.policies(role):
        named = as_list(statement["Action"])
        assert [action for action in named if "*" in action] == []
        if "*" in as_list(statement["Resource"]):
            assert [a for a in named if a not in WITHOUT_RESOURCE and not a.startswith("ec2:Describe")] == []


# --- who may be these roles


def test_a_job_role_is_taken_by_sagemaker_for_this_account_alone(account):
    for role in (*JOBS, "PipelineRole"):
        (statement,) = _trust(account, role)
        assert statement["Principal"] == {"Service": "sagemaker.amazonaws.com"}
        assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}


def test_ci_roles_are_taken_by_the_branch_and_by_pull_requests_of_the_repository(account):
    subjects = {}
    for role in ("CiRole", "PlanRole"):
        (statement,) = _trust(account, role)
        assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
        condition = statement["Condition"]["StringEquals"]
        assert condition["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com"
        subjects[role] = condition["token.actions.githubusercontent.com:sub"]
    assert subjects == {
        "CiRole": f"repo:{REPOSITORY}:ref:refs/heads/main",
        "PlanRole": f"repo:{REPOSITORY}:pull_request",
    }


# --- and the server enforces it


@pytest.fixture
def enforced(account):
    """The server checks every request against the policies of whoever sends it."""

    def unchecked(requests: str) -> None:
        """How many requests from now on are not checked."""
        url, plain = f"{account.url}/moto-api/reset-auth", {"Content-Type": "text/plain"}
        urllib.request.urlopen(urllib.request.Request(url, requests.encode(), plain, method="POST")).close()

    sts = account.client("sts")
    taken = {role: sts.assume_role(RoleArn=account.outputs[role], RoleSessionName="job") for role in JOBS}
    unchecked("0")
    yield {
        role: {
            "aws_access_key_id": answer["Credentials"]["AccessKeyId"],
            "aws_secret_access_key": answer["Credentials"]["SecretAccessKey"],
            "aws_session_token": answer["Credentials"]["SessionToken"],
        }
        for role, answer in taken.items()
    }
    unchecked("inf")


def test_a_job_of_train_puts_and_gets_what_it_may_and_is_refused_the_rest(account, enforced):
    bucket, model = account.outputs["Bucket"], "sluice/steps/train/0a1b/model/manifest.json"
    train, preprocess = (account.client("s3", **enforced[role]) for role in ("TrainRole", "PreprocessRole"))
    train.put_object(Bucket=bucket, Key=model, Body=b"{}")
    preprocess.put_object(Bucket=bucket, Key="sluice/steps/preprocess/0a1b/rows", Body=b"rows")
    assert train.get_object(Bucket=bucket, Key="sluice/steps/preprocess/0a1b/rows")["Body"].read() == b"rows"
    with pytest.raises(ClientError, match="AccessDenied"):
        train.put_object(Bucket=bucket, Key="sluice/steps/preprocess/0a1b/rows", Body=b"others")
    with pytest.raises(ClientError, match="AccessDenied"):
        preprocess.get_object(Bucket=bucket, Key=model)


def _resources(statements, action):
    return {
        resource
        for statement in statements
        if action in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
    }


def _trust(account, role):
    found = account.client("iam").get_role(RoleName=account.outputs[role].rpartition("/")[2])
    document = found["Role"]["AssumeRolePolicyDocument"]
    return (json.loads(document) if isinstance(document, str) else document)["Statement"]
