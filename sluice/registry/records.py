"""What a registry keeps: a version of a model group, what it was registered with, and every decision about it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from sluice.contract import Parent, Strict


class Status(StrEnum):
    """Where a version stands, in SageMaker Model Registry's words."""

    PENDING = "PendingManualApproval"
    APPROVED = "Approved"
    REJECTED = "Rejected"


class Decision(Strict):
    """One change of a version's status. Decisions are added and never changed."""

    who: str
    when: datetime
    why: str
    """The reason given; empty if none was."""
    before: Status | None
    """The status it changed; none for the registration itself."""
    after: Status


class ModelVersion(Strict):
    """One registered model."""

    group: str
    version: int
    """Counts up from 1 in each group."""
    recipe: str
    """The name of the recipe it was made with."""
    model: Parent
    evaluation: Parent
    data_report: Parent
    created: datetime
    metrics: dict[str, float]
    """Everything that evaluate measured."""
    history: Annotated[tuple[Decision, ...], Field(min_length=1)]
    """Every decision, oldest first; the first is the registration."""
    arn: str | None = None
    """The model package's, where SageMaker keeps it."""

    @property
    def status(self) -> Status:
        """Where it stands: what the last decision says."""
        return self.history[-1].after
