"""Deploys the pipeline: compile, lint, compare with what is deployed, upload, create or update. `upsert` does all of it.

Whatever is wrong with the pipeline, its role or its bucket is told before anything is uploaded. Where nothing would
change nothing is uploaded, and no new version is made.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tomllib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.bucket import put_object, require_bucket
from orchestration.compile import add_environment
from orchestration.definition import read_definition
from orchestration.environment import Environment, Image, read_environment, read_images
from orchestration.executions import Deployed
from sluice.aws import DENIED, client, speaking_of
from sluice.contract import AwsError, AwsNotFound, InputError

if TYPE_CHECKING:
    from rich.console import Console

    from orchestration.steps import Compiled

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

LARGEST_IN_REQUEST = 100_000
"""Bytes of a definition that go into the request itself; a larger one goes by way of S3."""
AT_ONCE = 8
"""Objects that are uploaded side by side."""
TRUSTED = "sagemaker.amazonaws.com"
HOME = Path(__file__).parents[1]


def add_upsert_parser(verbs: Subparsers) -> None:
    """Add `upsert`; the parsed options' `run` does it."""
    text = "deploy the pipeline: lint, upload, and create or update it where anything changed"
    verb = verbs.add_parser("upsert", help=text, description=f"{text.capitalize()}.")
    add_environment(verb)
    verb.set_defaults(run=run_upsert)


def run_upsert(options: argparse.Namespace) -> int:
    """Deploy the pipeline for the environment and images that were named on the command line.

    Returns:
        0.

    Raises:
        SluiceError: lint refuses the pipeline, or AWS does.
    """
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    upsert(read_environment(options.environment), read_images(options.images), console)
    return 0


def upsert(environment: Environment, images: Mapping[str, Image], console: Console) -> bool:
    """Deploy the pipeline.

    Returns:
        Whether anything changed.

    Raises:
        InputError: lint refuses the pipeline; every finding is told.
        AwsError: the role or the bucket can't be used, or AWS refuses.
    """
    from orchestration.lint import lint, refuse
    from orchestration.pipeline import build
    from orchestration.steps import compile_pipeline

    compiled = compile_pipeline(build(), environment, images)
    refuse(lint(compiled.definition, environment, images), where=f"pipeline {environment.pipeline}")
    deployment = Deployment(environment, compiled)
    for warning in deployment.check():
        console.print(f"warning: {warning}")
    if deployment.is_deployed():
        console.print(f"pipeline {environment.pipeline}: nothing changed")
        return False
    sent = deployment.upload()
    console.print(f"uploaded {sent} of {len(compiled.objects)} objects to {environment.store}")
    console.print(deployment.put())
    return True


class Deployment:
    """One compiled pipeline on its way to an environment."""

    def __init__(self, environment: Environment, compiled: Compiled) -> None:
        self.environment, self.compiled = environment, compiled
        self.pipeline = Deployed(environment)
        self.s3 = client("s3", environment.region)

    def check(self) -> list[str]:
        """Look at the bucket and every role.

        Returns:
            What could not be looked at.

        Raises:
            AwsError: one of them can't be used.
        """
        require_bucket(self.s3, self.environment)
        steps = [step.arguments.get("RoleArn") for step in read_definition(self.compiled.definition).jobs]
        roles = [self.environment.pipeline_role, *filter(None, steps)]
        iam = client("iam", self.environment.region)
        return [said for role in dict.fromkeys(roles) if (said := require_role(iam, role))]

    @cached_property
    def before(self) -> dict[str, Any] | None:
        """What is deployed; None if nothing is."""
        try:
            return self.pipeline.describe()
        except AwsNotFound:
            return None

    def is_deployed(self) -> bool:
        """Whether this very pipeline is deployed, and what it refers to is still there."""
        from orchestration.plan import compare, standing

        if self.before is None:
            return False
        there = standing(self.before, self.s3)
        return there.digests is not None and not compare(there, self.compiled, self.environment)

    def upload(self) -> int:
        """Put every object where the definition says; how many were not there already."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            objects = self.compiled.objects.items()
            return sum(pool.map(lambda item: put_object(self.s3, self.environment, *item), objects))

    def put(self) -> str:
        """Create or update the pipeline; what was done, in words."""
        tags, name = self._tags(), self.environment.pipeline
        request = {
            "PipelineName": name,
            "PipelineDescription": f"Sluice {tags['sluice:version']}, revision {tags['sluice:revision']}",
            "RoleArn": self.environment.pipeline_role,
            **self._definition(),
        }
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        with speaking_of(f"pipeline {name}"):
            if self.before is None:
                self.pipeline.sagemaker.create_pipeline(**request, Tags=listed)
                said, version = f"created pipeline {name}", 1
            else:
                answer = self.pipeline.sagemaker.update_pipeline(**request)
                self.pipeline.sagemaker.add_tags(ResourceArn=self.before["PipelineArn"], Tags=listed)
                said, version = f"updated pipeline {name}", answer.get("PipelineVersionId")
        said += f", version {version}" if version else ""
        return f"{said}, revision {tags['sluice:revision']}{self._describe_version(version, request)}"

    def _tags(self) -> dict[str, str]:
        from sluice.contract.execution import revision

        own = {
            "sluice:revision": revision(HOME) or "unknown",
            "sluice:version": tomllib.loads((HOME / "pyproject.toml").read_text())["project"]["version"],
        }
        return {**self.environment.tags, **own}

    def _definition(self) -> dict[str, Any]:
        """The definition as a part of the request; a large one is uploaded first, under its own digest."""
        content = self.compiled.definition.encode()
        if len(content) < LARGEST_IN_REQUEST:
            return {"PipelineDefinition": self.compiled.definition}
        key = f"{self.environment.prefix}/code/definitions/{hashlib.sha256(content).hexdigest()}.json"
        put_object(self.s3, self.environment, f"s3://{self.environment.bucket}/{key}", content)
        return {"PipelineDefinitionS3Location": {"Bucket": self.environment.bucket, "ObjectKey": key}}

    def _describe_version(self, version: int | None, request: Mapping[str, str]) -> str:
        """Write the revision on the version too; what hindered it, as the end of a sentence."""
        if version is None:
            return ""
        try:
            with speaking_of(f"version {version}"):
                self.pipeline.sagemaker.update_pipeline_version(
                    PipelineArn=self.pipeline.describe()["PipelineArn"],
                    PipelineVersionId=version,
                    PipelineVersionDescription=request["PipelineDescription"],
                )
        except AwsError as error:
            return f" (the pipeline's tags say it; on the version it can't be written: {error.got})"
        return ""


def require_role(iam: Any, arn: str) -> str:
    """Refuse a role that is absent, or that SageMaker may not assume; why it could not be looked at, if it could not.

    Raises:
        AwsError: there is no such role.
        InputError: SageMaker may not assume it.
    """
    where = f"role {arn}"
    try:
        with speaking_of(where):
            role = iam.get_role(RoleName=arn.rpartition("/")[2])["Role"]
    except AwsNotFound as error:
        raise AwsNotFound(
            "there is no such role", where=where, got=error.got, next_step="Make it with: make infra"
        ) from error
    except AwsError as error:
        if error.what != DENIED[0]:
            raise
        return f"{where} was not checked: this user may not look at it (iam:GetRole)"
    policy = role["AssumeRolePolicyDocument"]
    if not _trusts(json.loads(policy) if isinstance(policy, str) else policy):
        raise InputError(
            "SageMaker may not assume the role",
            where=where,
            allowed=f"a trust policy that allows sts:AssumeRole to {TRUSTED}",
            next_step="Correct its trust policy, or make the role with: make infra",
        )
    return ""


def _trusts(policy: Mapping[str, Any]) -> bool:
    """Whether a trust policy lets SageMaker assume the role."""
    statements = policy.get("Statement", [])
    for statement in [statements] if isinstance(statements, dict) else statements:
        principal = statement.get("Principal", {})
        services = principal.get("Service", []) if isinstance(principal, dict) else principal
        actions = statement.get("Action", [])
        if (
            statement.get("Effect") == "Allow"
            and {"sts:AssumeRole", "sts:*", "*"} & set([actions] if isinstance(actions, str) else actions)
            and {TRUSTED, "*"} & set([services] if isinstance(services, str) else services)
        ):
            return True
    return False
