"""Writes what the passes give: the quarantine table, and the training, validation and test tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from components.preprocess.transforming import FOLD, Parted
from sluice.contract import InputError, Output, Source, Table, TableColumn, report
from sluice.features import FittedFeatures
from sluice.ingest import QUARANTINE_SCHEMA, Account
from sluice.recipe.parts import PreprocessSettings

SHOWN = 3

QUARANTINE_COLUMNS = tuple(
    TableColumn(name=field.name, type=str(field.type), nullable=field.nullable) for field in QUARANTINE_SCHEMA
)


def write_quarantine(rows: Iterable[pa.RecordBatch], output: Output[Table]) -> None:
    """Write the rows that can't be read."""
    with output.writer(QUARANTINE_COLUMNS) as writer:
        for batch in rows:
            writer.write(batch)


def require_rows(account: Account, raw: Source) -> None:
    """See that something could be read.

    Raises:
        InputError: no row is left.
    """
    if account.rows_kept:
        return
    first = "".join(f"; {row}" for row in account.examples[:SHOWN])
    dropped = "".join(f", {count:,} dropped as {rule}" for rule, count in account.dropped.items())
    raise InputError(
        "no row is left after reading",
        where=raw.uri,
        got=f"{account.rows_read:,} rows, {account.rows_quarantined:,} unreadable{dropped}{first}",
        allowed="at least some rows that can be read",
        next_step="Correct the files, or name the right ones in data.files",
    )


def write_tables(
    parted: Iterable[Parted],
    total: int,
    fitted: FittedFeatures,
    settings: PreprocessSettings,
    outputs: Sequence[Output[Table]],
) -> list[int]:
    """Write the rows of each table as they come.

    Args:
        parted: the rows.
        total: how many there will be.
        fitted: what made them.
        settings: the recipe's part.
        outputs: the training, the validation and the test table.

    Returns:
        How many rows each table has.
    """
    columns = (*fitted.table_columns, *([FOLD] if settings.split.folds else []))
    writers = [output.writer(columns) for output in outputs]
    with writers[0], writers[1], writers[2]:
        for batches in parted:
            for writer, rows in zip(writers, batches, strict=True):
                writer.write(rows)
            done = sum(writer.rows for writer in writers)
            report(f"normalised and wrote {done:,} of {total:,} rows", fraction=done / total)
    return [writer.rows for writer in writers]
