"""Writes the parts of stack.yaml that follow from the graph and the recipes: repositories, roles, groups and outputs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from infra.access import Access, access_of
from orchestration.executions import LOG_GROUPS
from orchestration.pipeline import build
from sluice.recipe import parse_recipe, read_recipe

STACK = Path(__file__).with_name("stack.yaml")
RECIPES = Path(__file__).parents[1] / "recipes"
MARKED = re.compile(r"(# <generated: (\w+)>\n).*?(^ *# </generated>)", re.DOTALL | re.MULTILINE)
SAGEMAKER = "arn:${AWS::Partition}:sagemaker:${AWS::Region}:${AWS::AccountId}"
LOGS = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:"

PULL = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
PUSH = [
    *PULL,
    "ecr:CompleteLayerUpload",
    "ecr:DescribeImages",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
]
EXPIRED = [
    {
        "rulePriority": 1,
        "description": "what no tag names any more",
        "selection": {
            "tagStatus": "untagged",
            "countType": "sinceImagePushed",
            "countUnit": "days",
            "countNumber": 14,
        },
        "action": {"type": "expire"},
    },
    {
        "rulePriority": 2,
        "description": "the oldest of very many",
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 500},
        "action": {"type": "expire"},
    },
]
"""Which images a repository drops. A tagged one may be a deployed pipeline's, so none goes for its age."""
PACKAGE_READS = ["sagemaker:DescribeModelPackage", "sagemaker:ListModelPackages"]


class Sub(str):
    """`!Sub`: a text with CloudFormation's values in it."""


class Ref(str):
    """`!Ref`: a parameter's value, or what a resource is known by."""


class GetAtt(str):
    """`!GetAtt`: an attribute of a resource."""


class _Dumper(yaml.SafeDumper):
    """Block style with short lists on one line, and without anchors for what comes twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _list(dumper: yaml.SafeDumper, items: list[Any]) -> yaml.Node:
    short = all(isinstance(item, str) for item in items) and sum(map(len, items)) < 60
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=short)


_Dumper.add_representer(list, _list)
for _tag in (Sub, Ref, GetAtt):
    _Dumper.add_representer(
        _tag, lambda dumper, value: dumper.represent_scalar(f"!{type(value).__name__}", str(value))
    )


def rendered(text: str) -> str:
    """The template's text with its generated parts written anew."""
    parts = {"resources": resources(), "outputs": outputs()}

    def write(found: re.Match[str]) -> str:
        opening, name, closing = found.groups()
        dumped = yaml.dump(parts[name], Dumper=_Dumper, sort_keys=False, width=10_000)
        return opening + re.sub(r"^(?=.)", "  ", dumped, flags=re.MULTILINE) + closing

    return MARKED.sub(write, text)


class _Loader(yaml.SafeLoader):
    """Reads a template; CloudFormation's short forms become their long ones: `!Ref x` is `{Ref: x}`."""


def _long_form(loader: yaml.SafeLoader, name: str, node: yaml.Node) -> dict[str, Any]:
    value: Any = None
    if isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    return {name if name in ("Ref", "Condition") else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _long_form)


def read_template(text: str) -> dict[str, Any]:
    """A CloudFormation template as plain values."""
    return dict(_Loader(text).get_single_data())


def model_groups() -> list[str]:
    """The model groups that the recipes name."""
    recipes = [parse_recipe(read_recipe(path), str(path)) for path in sorted(RECIPES.glob("*.yaml"))]
    return sorted({recipe.registry.group for recipe in recipes})


def resources() -> dict[str, Any]:
    """A repository and a role for each image, what goes over all of them, and the model groups."""
    found: dict[str, Any] = {}
    accesses = access_of(build(), "${Pipeline}")
    for access in accesses:
        found[f"{_title(access.image)}Repository"] = _repository(access.image)
        found[f"{_title(access.image)}Role"] = _job_role(access)
        found[f"{_title(access.image)}Access"] = _access(access)
    for group in model_groups():
        found[f"{_title(group)}Models"] = _model_group(group)
    found["ApprovalEvents"] = _approval_events()
    return found | _over_all(accesses)


def outputs() -> dict[str, Any]:
    """The jobs' roles, by the names that a template's placeholders have."""
    titles = [_title(access.image) for access in access_of(build(), "")]
    return {
        f"{title}Role": {
            "Value": GetAtt(f"{title}Role.Arn"),
            "Export": {"Name": Sub("${AWS::StackName}-" + f"{title}Role")},
        }
        for title in titles
    }


def _title(name: str) -> str:
    """A name as CloudFormation's logical ids are written."""
    return "".join(word.capitalize() for word in re.split(r"\W+", name))


def _allow(
    actions: list[str], resources: list[str], condition: dict[str, Any] | None = None
) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": actions, "Resource": [_arn(name) for name in resources]}
    return statement | ({"Condition": condition} if condition else {})


def _arn(name: str) -> str:
    """A resource as the template writes it: by its attribute alone, with values in it, or plain."""
    alone = re.fullmatch(r"\$\{(\w+\.\w+)\}", name)
    return GetAtt(alone[1]) if alone else Sub(name) if "${" in name else name


def _document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _attached(name: str, roles: list[str], *statements: dict[str, Any]) -> dict[str, Any]:
    """A policy of several roles."""
    return {
        "Type": "AWS::IAM::Policy",
        "Properties": {
            "PolicyName": name,
            "Roles": [Ref(role) for role in roles],
            "PolicyDocument": _document(*statements),
        },
    }


def _repository(image: str) -> dict[str, Any]:
    return {
        "Type": "AWS::ECR::Repository",
        "DeletionPolicy": "RetainExceptOnCreate",
        "UpdateReplacePolicy": "Retain",
        "Properties": {
            "RepositoryName": f"sluice-{image}",
            "ImageTagMutability": "IMMUTABLE",
            "ImageScanningConfiguration": {"ScanOnPush": True},
            "LifecyclePolicy": {"LifecyclePolicyText": json.dumps({"rules": EXPIRED})},
        },
    }


def _job_role(access: Access) -> dict[str, Any]:
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "Description": f"What the jobs of the image {access.image} may do",
            "AssumeRolePolicyDocument": _trust(),
        },
    }


def _access(access: Access) -> dict[str, Any]:
    """What a role may do that no other job's may."""
    title = _title(access.image)
    pull = _allow(PULL, [f"${{{title}Repository.Arn}}"])
    registry = _registry() if access.registers else []
    return _attached("access", [f"{title}Role"], *_store(access), pull, *registry)


def _trust() -> dict[str, Any]:
    """SageMaker may work as the role, and only for this account."""
    return _document(
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": Ref("AWS::AccountId")}},
        }
    )


def _store(access: Access) -> list[dict[str, Any]]:
    """Reading, writing and listing by prefix. Only a listing names a prefix: S3 asks for the same right, without one,
    before it says that an object isn't there instead of refusing, and a step asks so for its finished result."""
    place = "${Store.Arn}/${Prefix}"
    prefixes = {"s3:prefix": [Sub("${Prefix}/" + key) for key in access.lists]}
    return [
        _allow(["s3:GetObject"], [f"{place}/{key}" for key in access.reads]),
        _allow(["s3:PutObject", "s3:AbortMultipartUpload"], [f"{place}/{key}" for key in access.writes]),
        _allow(["s3:ListBucket"], ["${Store.Arn}"], {"StringLikeIfExists": prefixes}),
    ]


def _job() -> list[dict[str, Any]]:
    """What every job needs beside the store and its image: a log, metrics, the key, and to say how far it is."""
    return [
        _allow(["ecr:GetAuthorizationToken"], ["*"]),
        _allow(
            ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            [f"{LOGS}{group}{streams}" for group in LOG_GROUPS.values() for streams in ("", ":*")],
        ),
        _allow(
            ["cloudwatch:PutMetricData"],
            ["*"],
            {"StringLike": {"cloudwatch:namespace": "/aws/sagemaker/*"}},
        ),
        _allow(["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"], ["${Key.Arn}"]),
        _allow(["kms:CreateGrant"], ["${Key.Arn}"], {"Bool": {"kms:GrantIsForAWSResource": "true"}}),
        _allow(["dynamodb:PutItem", "dynamodb:UpdateItem"], ["${StatusTable.Arn}"]),
    ]


def _registry() -> list[dict[str, Any]]:
    """Registering: new versions of the recipes' groups, waiting for a person and never approved."""
    groups = _group_arns()
    return [
        _allow(
            ["sagemaker:CreateModelPackage"],
            [*groups, *_package_arns()],
            _status("PendingManualApproval"),
        ),
        _allow(["sagemaker:CreateModelPackageGroup", "sagemaker:DescribeModelPackageGroup"], groups),
        *_reading_models(),
    ]


def _status(*allowed: str) -> dict[str, Any]:
    return {"StringEquals": {"sagemaker:ModelApprovalStatus": list(allowed)}}


def _reading_models() -> list[dict[str, Any]]:
    """Listing names no single group, so it can't be narrowed to one."""
    return [
        _allow(PACKAGE_READS, [f"{SAGEMAKER}:model-package/*", f"{SAGEMAKER}:model-package-group/*"]),
        _allow(["sagemaker:ListModelPackageGroups"], ["*"]),
    ]


def _group_arns() -> list[str]:
    """SageMaker writes names in an ARN in lower case."""
    return [f"{SAGEMAKER}:model-package-group/{group.lower()}" for group in model_groups()]


def _package_arns() -> list[str]:
    return [f"{SAGEMAKER}:model-package/{group.lower()}/*" for group in model_groups()]


def _model_group(group: str) -> dict[str, Any]:
    return {
        "Type": "AWS::SageMaker::ModelPackageGroup",
        "DeletionPolicy": "RetainExceptOnCreate",
        "UpdateReplacePolicy": "Retain",
        "Properties": {
            "ModelPackageGroupName": group,
            "ModelPackageGroupDescription": f"Models of the recipes that name the group {group}",
        },
    }


def _approval_events() -> dict[str, Any]:
    pattern = {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Model Package State Change"],
        "detail": {"ModelPackageGroupName": model_groups()},
    }
    return {
        "Type": "AWS::Events::Rule",
        "Properties": {
            "Description": "A model waits for approval, was approved or rejected.",
            "EventPattern": pattern,
            "Targets": [{"Id": "topic", "Arn": Ref("Topic")}],
        },
    }


def _over_all(accesses: tuple[Access, ...]) -> dict[str, Any]:
    """Policies that name every image or every group, of those who deal with all of them."""
    titles = [_title(access.image) for access in accesses]
    jobs = [f"{title}Role" for title in titles]
    repositories = [f"${{{title}Repository.Arn}}" for title in titles]
    arns = [f"${{{role}.Arn}}" for role in jobs]
    sagemaker = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    pipelines_too = ["${PipelineRole.Arn}", *arns]
    ci = {"Condition": "HasGitHub"}
    approve = _allow(["sagemaker:UpdateModelPackage"], _package_arns(), _status("Approved"))
    registering = [f"{_title(access.image)}Role" for access in accesses if access.registers]
    return {
        "Jobs": _attached("job", jobs, *_job()),
        "PassJobRoles": _attached("pass", ["PipelineRole"], _allow(["iam:PassRole"], arns, sagemaker)),
        "CiPassRoles": ci | _attached("pass", ["CiRole"], _allow(["iam:PassRole"], pipelines_too, sagemaker)),
        "CiReadRoles": ci
        | _attached("roles", ["CiRole", "PlanRole"], _allow(["iam:GetRole"], pipelines_too)),
        "CiPush": ci | _attached("push", ["CiRole"], _allow(PUSH, repositories)),
        "PlanPull": ci | _attached("pull", ["PlanRole"], _allow([*PULL, "ecr:DescribeImages"], repositories)),
        "Approve": _approval(),
        "ApproveAutomatically": {"Condition": "ApprovesAutomatically"}
        | _attached("approve", registering, approve),
        "Network": {"Condition": "HasVpc"} | _attached("network", jobs, *_network()),
    }


def _approval() -> dict[str, Any]:
    """Approving, and reading what is approved: `models approve` opens the model and both verdicts again."""
    steps = dict.fromkeys(step.component.name for step in build().steps.values())
    keys = [f"${{Store.Arn}}/${{Prefix}}/steps/{name}/*" for name in steps]
    return _attached(
        "approval",
        ["ApproverRole"],
        _allow(
            ["sagemaker:UpdateModelPackage"],
            _package_arns(),
            _status("Approved", "Rejected"),
        ),
        _allow(["sagemaker:DescribeModelPackageGroup"], _group_arns()),
        *_reading_models(),
        _allow(["s3:GetObject"], keys),
    )


def _network() -> list[dict[str, Any]]:
    """What SageMaker asks of a role whose jobs stand in a network of ours."""
    ec2 = "arn:${AWS::Partition}:ec2:${AWS::Region}:${AWS::AccountId}"
    interface, subnet, group = (
        f"{ec2}:{kind}/*" for kind in ("network-interface", "subnet", "security-group")
    )
    looks = ["DhcpOptions", "NetworkInterfaces", "SecurityGroups", "Subnets", "Vpcs"]
    own = ["CreateNetworkInterfacePermission", "DeleteNetworkInterface", "DeleteNetworkInterfacePermission"]
    return [
        _allow([f"ec2:Describe{name}" for name in looks], ["*"]),
        _allow(["ec2:CreateNetworkInterface"], [interface, subnet, group]),
        _allow([f"ec2:{name}" for name in own], [interface]),
    ]
