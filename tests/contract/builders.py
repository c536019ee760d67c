"""Small artifacts and components with sane defaults."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import pyarrow as pa

from sluice.contract import (
    Call,
    Component,
    Manifest,
    Metrics,
    Output,
    Producer,
    Report,
    Role,
    Table,
    TableColumn,
    roles,
    storage,
)

COLUMNS = (
    TableColumn(name="number", type="double", role=Role.NUMERIC),
    TableColumn(name="word", type="string", role=Role.TEXT),
)


class Rows(Metrics):
    rows: int


def numbers(values: Annotated[Output[Table], roles(Role.NUMERIC, Role.TEXT)], count: int = 3) -> Rows:
    """Write some numbers.

    Args:
        count: how many
            of them.
    """
    with values.writer(COLUMNS) as writer:
        writer.write(rows(range(count)))
    return Rows(rows=count)


def total(values: Annotated[Table, roles(Role.NUMERIC)], result: Output[Report], times: float = 1.0) -> Rows:
    """Add them up."""
    amount = sum(sum(batch.column("number").to_pylist()) for batch in values.batches())
    (result.folder / "total.txt").write_text(str(amount * times))
    return Rows(rows=values.rows)


def rows(values) -> pa.RecordBatch:
    """A batch of the builders' columns."""
    values = list(values)
    return pa.record_batch(
        {
            "number": pa.array(map(float, values), pa.float64()),
            "word": pa.array([f"w{v}" for v in values], pa.string()),
        }
    )


def call(function, store: str, **arguments) -> Call:
    """A call of a component function."""
    return Call(Component.of(function), store, arguments)


def producer() -> Producer:
    """Somebody who made an artifact."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Producer(component="test", fingerprint="f", code="c", settings="s", started=now, finished=now)


def table(folder: Path, batches, columns=COLUMNS) -> Table:
    """A finished table artifact."""
    output: Output[Table] = Output(Table, folder)
    with output.writer(columns) as writer:
        for batch in batches:
            writer.write(batch)
    manifest: Manifest = output.finish(producer(), ())
    return Table(storage.join(folder.as_uri(), "manifest.json"), manifest)
