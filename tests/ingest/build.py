"""Small builders of data folders and recipes' data sections, with sane defaults."""

from __future__ import annotations

import gzip
import pathlib
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from sluice.ingest import Account, RawTable, open_raw
from sluice.recipe.model import Data


class Read(NamedTuple):
    rows: list[dict[str, Any]]
    account: Account
    quarantined: list[dict[str, Any]]

    @property
    def reasons(self) -> list[tuple[int | None, str]]:
        return [(row["line"], row["reason"]) for row in self.quarantined]


def write(folder: pathlib.Path, name: str, content: str | bytes) -> pathlib.Path:
    path = folder / name
    raw = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return path


def write_parquet(folder: pathlib.Path, name: str, columns: dict[str, Any]) -> None:
    pq.write_table(pa.table(columns), folder / name)


def opened(folder: pathlib.Path, *, numeric: tuple[str, ...] = (), **data: Any) -> RawTable:
    return open_raw(folder, Data.model_validate({"files": ["rows.*"], **data}), numeric)


def read(folder: pathlib.Path, *, numeric: tuple[str, ...] = (), **data: Any) -> Read:
    """Read everything, and prove on the way that no row is unaccounted for."""
    table = opened(folder, numeric=numeric, **data)
    quarantined: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for batch in table.batches(lambda batch: quarantined.extend(batch.to_pylist())):
        assert batch.schema == table.schema
        rows.extend(batch.to_pylist())
    account = table.account
    assert account.rows_kept == len(rows)
    assert account.rows_quarantined == len(quarantined)
    assert account.rows_read == len(rows) + account.dropped.total() + len(quarantined)
    return Read(rows, account, quarantined)


def column(result: Read, name: str) -> list[Any]:
    return [row[name] for row in result.rows]
