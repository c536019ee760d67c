"""What a run leaves behind besides artifacts: `runs/<id>/run.json`, its recipe, and a log per step."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from sluice.contract import Fingerprint, storage

RECORD = "run.json"


class State(StrEnum):
    """Where a step stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    REUSED = "reused"
    FAILED = "failed"
    SKIPPED = "skipped"
    INTERRUPTED = "interrupted"


class StepRecord(BaseModel):
    """One step of one run."""

    model_config = ConfigDict(extra="ignore")

    state: State = State.WAITING
    folder: str | None = None
    """The URI of its result's folder."""
    fingerprint: Fingerprint | None = None
    metrics: dict[str, Any] = {}
    seconds: float = 0.0
    """How long its process took; for a reused step, how long it took when it was made."""
    message: str = ""
    """The last thing it said, or why it failed."""

    @property
    def finished(self) -> bool:
        """Whether it has a result."""
        return self.state in (State.DONE, State.REUSED)


class RunRecord(BaseModel):
    """One run of the pipeline."""

    model_config = ConfigDict(extra="ignore")

    id: str
    recipe: str
    """The recipe's name."""
    arguments: dict[str, Any]
    """The pipeline's parameters."""
    started: datetime
    finished: datetime | None = None
    outcome: str = "running"
    """running, done, refused by <gate>, failed, or interrupted."""
    steps: dict[str, StepRecord]

    @classmethod
    def start(cls, recipe: str, arguments: dict[str, Any], steps: list[str]) -> Self:
        """A new run, nothing done yet; ids sort by time."""
        now = datetime.now(UTC)
        identity = f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        return cls(
            id=identity,
            recipe=recipe,
            arguments=arguments,
            started=now,
            steps={name: StepRecord() for name in steps},
        )

    def folder(self, store: str) -> str:
        """The URI of the run's folder."""
        return storage.join(store, "runs", self.id)

    def save(self, store: str) -> None:
        """Write `run.json`."""
        storage.write_bytes(storage.join(self.folder(store), RECORD), self.model_dump_json(indent=2).encode())


def load_runs(store: str) -> list[RunRecord]:
    """Every readable run record of a store, the oldest first."""
    files = storage.list_files(storage.join(store, "runs"), (f"*/{RECORD}",))
    records = (_read(storage.join(store, "runs", file.path)) for file in files)
    return sorted((record for record in records if record), key=lambda record: record.id)


def _read(uri: str) -> RunRecord | None:
    try:
        return RunRecord.model_validate_json(storage.read_bytes(uri))
    except (ValidationError, FileNotFoundError):
        return None  # another version's record, or one that is being cleaned away: history, not input
