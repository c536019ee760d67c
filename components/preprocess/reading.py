"""Reads the raw files into the spool: every row ends there, in quarantine, or under a rule that drops it."""

from __future__ import annotations

from pathlib import Path

from components.preprocess.spool import Spool
from sluice.contract import InputError, Output, Source, Table, TableColumn
from sluice.ingest import QUARANTINE_SCHEMA, Account, open_raw
from sluice.recipe.checks import uses
from sluice.recipe.mistakes import dotted
from sluice.recipe.model import Columns
from sluice.recipe.parts import PreprocessSettings

SHOWN = 3


def read(
    raw: Source, settings: PreprocessSettings, folder: Path, quarantine: Output[Table]
) -> tuple[Spool, Account]:
    """Read all raw rows; what can't be read goes to the quarantine table.

    Raises:
        InputError: a file or column is missing or wrong, or no row is left.
    """
    table = open_raw(raw.local(settings), settings.data, settings.columns.numeric)
    table.require(_wanted(settings.columns))
    spool = Spool(folder / "rows.parquet", settings.columns)
    with quarantine.writer(QUARANTINE_COLUMNS) as writer:
        spool.fill(table, writer.write)
    _require_rows(table.account, raw)
    return spool, table.account


QUARANTINE_COLUMNS = tuple(
    TableColumn(name=field.name, type=str(field.type), nullable=field.nullable) for field in QUARANTINE_SCHEMA
)


def _wanted(columns: Columns) -> list[tuple[str, str]]:
    return [(use.column, dotted(use.path)) for use in uses(columns)]


def _require_rows(account: Account, raw: Source) -> None:
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
