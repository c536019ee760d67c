"""The registry's interface, and the course of every operation; a home only says how it keeps and finds versions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import NoReturn

from sluice.contract import Artifact, Model, Parent, RegistryError, Report
from sluice.registry.records import Decision, ModelVersion, Status
from sluice.registry.rules import decide, require_approvable, require_registrable


@dataclass(frozen=True)
class Candidate:
    """A model that asks to be registered.

    Attributes:
        group: the model group it becomes a version of.
        recipe: the name of the recipe it was made with.
        model: the model.
        evaluation: evaluate's report on it.
        data_report: validate's report on the tables it was trained on.
    """

    group: str
    recipe: str
    model: Model
    evaluation: Report
    data_report: Report


class Registry(ABC):
    """Model groups and their versions."""

    uri: str

    def register(self, candidate: Candidate, *, who: str) -> ModelVersion:
        """Make the candidate a new version of its group, waiting for a person's decision.

        A model with the same evaluation is registered once: the second time, the version that it has is returned.

        Raises:
            RegistryError: a verdict did not pass, or is about another model; or the registry can't be written.
            ContractError: an artifact is damaged.
        """
        require_registrable(candidate.model, candidate.evaluation, candidate.data_report)
        why = f"registered by recipe {candidate.recipe}: every gate passed"
        decision = Decision(who=who, when=datetime.now(UTC), why=why, before=None, after=Status.PENDING)
        with self._alone():
            return self._registered(candidate) or self._add(candidate, decision)

    def decide(self, group: str, version: int, status: Status, *, who: str, why: str) -> ModelVersion:
        """Approve or reject a version. The decision is kept beside all earlier ones.

        Raises:
            RegistryError: there is no such version; its status doesn't allow it; a reason is missing; or, to approve,
                the model is gone, was changed, or its verdicts are not passed.
        """
        with self._alone():
            found = self.get(group, version)
            decision = decide(found, status, who, why)
            if status == Status.APPROVED:
                require_approvable(found)
            self._record(found, decision)
            return self.get(group, version)

    def list(self, group: str | None = None) -> tuple[ModelVersion, ...]:
        """The versions of a group, or of all groups; by group, newest first.

        Raises:
            RegistryError: there is no such group, or the registry can't be read.
        """
        versions = self._versions(group)
        return versions if versions or group is None else self._no_group(group)

    def get(self, group: str, version: int) -> ModelVersion:
        """One version.

        Raises:
            RegistryError: there is no such group or version, or the registry can't be read.
        """
        versions = self.list(group)
        for found in versions:
            if found.version == version:
                return found
        raise RegistryError(
            "no such version",
            where=f"{self.uri}, group {group}",
            got=version,
            allowed=", ".join(str(v.version) for v in reversed(versions)),
        )

    def _registered(self, candidate: Candidate) -> ModelVersion | None:
        identity = (candidate.group, candidate.model.digest, candidate.evaluation.digest)
        versions = self._versions(candidate.group)
        return next((v for v in versions if (v.group, v.model.digest, v.evaluation.digest) == identity), None)

    def _no_group(self, group: str) -> NoReturn:
        groups = sorted({v.group for v in self._versions()})
        close = get_close_matches(group, groups, n=1)
        raise RegistryError(
            "no such model group",
            where=self.uri,
            got=group + (f" (did you mean {close[0]}?)" if close else ""),
            allowed=", ".join(groups) or "none, nothing is registered yet",
        )

    @abstractmethod
    def _alone(self) -> AbstractContextManager[None]:
        """Keep every other writer out meanwhile."""

    @abstractmethod
    def _versions(self, group: str | None = None) -> tuple[ModelVersion, ...]:
        """Every version, or every one of a group; by group, newest first."""

    @abstractmethod
    def _add(self, candidate: Candidate, decision: Decision) -> ModelVersion:
        """Keep a new version, whole or not at all."""

    @abstractmethod
    def _record(self, version: ModelVersion, decision: Decision) -> None:
        """Add a decision to a version's history."""


def new_version(candidate: Candidate, decision: Decision) -> ModelVersion:
    """The version as it will be; its home gives it its number."""
    return ModelVersion(
        group=candidate.group,
        version=0,
        recipe=candidate.recipe,
        model=recorded("model", candidate.model),
        evaluation=recorded("evaluation", candidate.evaluation),
        data_report=recorded("data_report", candidate.data_report),
        created=decision.when,
        metrics={},
        history=(decision,),
    )


def recorded(name: str, artifact: Artifact) -> Parent:
    """An artifact as a version names it."""
    return Parent(name=name, uri=artifact.uri, digest=artifact.digest)
