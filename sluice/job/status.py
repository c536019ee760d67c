"""Tells a DynamoDB table what a step is doing, where the environment names one. Losing the table never fails a step."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from sluice.contract import progress

INTERVAL_SECONDS = 5.0
"""The shortest time between two writes of one state; the first and the last report are always written."""
PAUSE_SECONDS = 60.0
"""How long nothing is written after a write that failed: a table that doesn't answer must not slow the step down."""
DAYS_KEPT = 30


@contextmanager
def telling(environment: Mapping[str, str]) -> Iterator[None]:
    """Copy every progress report of this process to the table that SLUICE_STATUS_TABLE names; without one do nothing.

    An item is one step of one execution: keys `execution` and `step`; `state` (running, done, failed), `percent`
    (0 to 100), `message`, `updated` (seconds since 1970) and `expires`.
    """
    table = environment.get("SLUICE_STATUS_TABLE")
    if not table:
        yield
        return
    writer = _Writer(
        table, environment.get("SLUICE_EXECUTION", "none"), environment.get("SLUICE_STEP", "none")
    )
    progress.listeners.append(writer.heard)
    writer.write("running", "started", 0.0)
    try:
        yield
    except BaseException as error:
        writer.write("failed", str(error) or type(error).__name__, None)
        raise
    else:
        writer.write("done", "done", 1.0)
    finally:
        progress.listeners.remove(writer.heard)


class _Writer:
    def __init__(self, table: str, execution: str, step: str) -> None:
        self.table, self.execution, self.step = table, execution, step
        self.next = 0.0
        self.percent = 0

    def heard(self, message: str, fraction: float | None) -> None:
        if time.monotonic() >= self.next:
            self.write("running", message, fraction)

    def write(self, state: str, message: str, fraction: float | None) -> None:
        pause = INTERVAL_SECONDS
        try:
            self.percent = self.percent if fraction is None else round(100 * fraction)
            self.client.put_item(TableName=self.table, Item=self._item(state, message))
        except Exception as error:  # noqa: BLE001 — whatever is wrong with the table, the step goes on
            print(f"status table {self.table}: {type(error).__name__}: {error}", flush=True)
            pause = PAUSE_SECONDS
        self.next = time.monotonic() + pause

    def _item(self, state: str, message: str) -> dict[str, Any]:
        now = int(time.time())
        return {
            "execution": {"S": self.execution},
            "step": {"S": self.step},
            "state": {"S": state},
            "percent": {"N": str(self.percent)},
            "message": {"S": message[:1000]},
            "updated": {"N": str(now)},
            "expires": {"N": str(now + DAYS_KEPT * 86400)},
        }

    @cached_property
    def client(self) -> Any:
        import boto3
        from botocore.config import Config

        quick = Config(connect_timeout=2, read_timeout=2, retries={"total_max_attempts": 1})
        return boto3.Session().client("dynamodb", config=quick)
