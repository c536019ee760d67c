"""The registry in an AWS account: SageMaker Model Registry, a version is a model package of a model package group.

A model stays in the store where train put it, and the store is on S3. The package's customer metadata holds URIs,
digests and every decision; its approval status and description repeat the last one, because that is what SageMaker's
console shows and what a deployment listens to.

A package gets no inference specification here: that names the image that serves the model, and only a deployment
knows it; SageMaker lets it be added later. Until then `SourceUri` says where the model stands.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any

from sluice.aws import client, speaking_of
from sluice.contract import AwsError, AwsNotFound, RegistryError, storage
from sluice.registry.base import Candidate, Registry, new_version
from sluice.registry.properties import approval_description, properties_of, version_of
from sluice.registry.quality import read_quality, write_quality
from sluice.registry.records import Decision, ModelVersion
from sluice.registry.rules import title

SCHEME = "sagemaker://"
GROUP = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
AT_ONCE = 8
"""Model packages that are asked for at the same time; each is a request of its own."""
UNUSABLE = ("Failed", "Deleting")
"""Statuses of a model package that is no version any more."""


class SageMakerRegistry(Registry):
    """Versions in SageMaker Model Registry, in one region of the account that the credentials belong to."""

    def __init__(self, region: str) -> None:
        self.region = region
        self.uri = SCHEME + region

    def _alone(self) -> AbstractContextManager[None]:
        # SageMaker has no lock, and needs none here: a repeated request to register carries the same token and makes
        # no second package, and a decision is written only upon the history that it was taken on.
        return nullcontext()

    def _versions(self, group: str | None = None) -> tuple[ModelVersion, ...]:
        if group is not None:
            require_group_name(group)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = pool.map(self._described, self._packages(group))
        versions = (version for version in found if version)
        return tuple(sorted(versions, key=lambda version: (version.group, -version.version)))

    def _add(self, candidate: Candidate, decision: Decision) -> ModelVersion:
        _require_on_s3(candidate)
        version = new_version(candidate, decision)
        properties = properties_of(version)
        statistics = write_quality(candidate.evaluation)
        self._make_group(candidate.group)
        with speaking_of(f"{self.uri}, group {candidate.group}"):
            made = self._client.create_model_package(
                ModelPackageGroupName=candidate.group,
                ModelPackageDescription=decision.why,
                SourceUri=storage.parent(candidate.model.uri),
                ModelMetrics={"ModelQuality": {"Statistics": statistics}},
                ModelApprovalStatus=decision.after.value,
                CustomerMetadataProperties=properties,
                ClientToken=_token(candidate),
            )
        return self._there(made["ModelPackageArn"])

    def _record(self, version: ModelVersion, decision: Decision) -> None:
        arn = str(version.arn)
        if self._there(arn).history != version.history:
            raise RegistryError(
                "somebody else decided meanwhile",
                where=title(version),
                next_step=f"Look again with models show {version.group} {version.version}",
            )
        history = (*version.history, decision)
        with speaking_of(f"{self.uri}, {title(version)}"):
            self._client.update_model_package(
                ModelPackageArn=arn,
                ModelApprovalStatus=decision.after.value,
                ApprovalDescription=approval_description(decision.why),
                # All of them: SageMaker merges, and a server that stands in for it may replace.
                CustomerMetadataProperties=properties_of(version.model_copy(update={"history": history})),
            )

    @cached_property
    def _client(self) -> Any:
        return client("sagemaker", self.region)

    def _packages(self, group: str | None) -> list[str]:
        """The ARNs of all versioned packages, of a group or of all groups."""
        return [
            package["ModelPackageArn"]
            for page in self._pages(group)
            for package in page["ModelPackageSummaryList"]
            if package["ModelPackageStatus"] not in UNUSABLE
        ]

    def _pages(self, group: str | None) -> Iterator[dict[str, Any]]:
        pages = self._client.get_paginator("list_model_packages")
        of_group = {"ModelPackageGroupName": group} if group else {}
        try:
            with speaking_of(f"{self.uri}, group {group}" if group else self.uri):
                yield from pages.paginate(ModelPackageType="Versioned", **of_group)
        except AwsNotFound:
            return  # no group, no versions

    def _described(self, arn: str) -> ModelVersion | None:
        """The version in a package; None if it is not ours, or was deleted meanwhile."""
        try:
            with speaking_of(arn):
                package = self._client.describe_model_package(ModelPackageName=arn)
        except AwsNotFound:
            return None
        return version_of(package, read_quality(package))

    def _there(self, arn: str) -> ModelVersion:
        version = self._described(arn)
        if version is None:
            raise RegistryError("the model package was deleted", where=arn)
        return version

    def _make_group(self, group: str) -> None:
        """Make the group if it isn't there; who may only look needs no right to make one."""
        where = f"{self.uri}, group {group}"
        try:
            with speaking_of(where):
                self._client.describe_model_package_group(ModelPackageGroupName=group)
            return
        except AwsNotFound:
            pass
        try:
            with speaking_of(where):
                self._client.create_model_package_group(ModelPackageGroupName=group)
        except AwsError as error:
            if "already exists" not in str(error.got):  # another process was faster
                raise


def require_group_name(group: str) -> None:
    """Check that SageMaker takes a recipe's name of a model group.

    Raises:
        RegistryError: it does not.
    """
    if not GROUP.fullmatch(group):
        raise RegistryError(
            "SageMaker takes no model group of this name",
            where="registry.group",
            got=group,
            allowed="1 to 63 letters, digits and single dashes between them",
            next_step="Give the group another name in the recipe",
        )


def _require_on_s3(candidate: Candidate) -> None:
    for artifact in (candidate.model, candidate.evaluation, candidate.data_report):
        if storage.is_local(artifact.uri):
            raise RegistryError(
                "SageMaker's registry takes what stands on S3",
                where=artifact.uri,
                allowed="s3://…",
                next_step="Run with a store on S3, or register in a folder on this machine",
            )


def _token(candidate: Candidate) -> str:
    """The same for the same model with the same evaluation, so that SageMaker makes one package of a repeated request."""
    identity = f"{candidate.group} {candidate.model.digest} {candidate.evaluation.digest}"
    return hashlib.sha256(identity.encode()).hexdigest()[:32]
