"""Small builders of data folders and recipes' data sections, with sane defaults."""

from __future__ import annotations

import gzip
import pathlib
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from sluice.ingest import Account, RawTable, open_raw
from sluice.ingest.csv_file import BLOCK_BYTES
from sluice.recipe.model import Columns, Data

PACK = {
    ".gz": gzip.compress,
    ".zst": lambda raw: pa.compress(raw, codec="zstd", asbytes=True),
}


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
    path.write_bytes(PACK.get(path.suffix, bytes)(raw))
    return path


def write_parquet(folder: pathlib.Path, name: str, columns: dict[str, Any]) -> None:
    pq.write_table(pa.table(columns), folder / name)


def data(**sections: Any) -> Data:
    return Data.model_validate({"files": ["rows.*"], **sections})


def roles(**named: Any) -> Columns:
    """A recipe's roles; a text and a label they must have, and these are in every test's files."""
    return Columns.model_validate({"text": ["memo"], "label": "kind", **named})


def opened(
    folder: pathlib.Path,
    *,
    numeric: tuple[str, ...] = (),
    columns: Columns | None = None,
    only: list[str] | None = None,
    block_bytes: int = BLOCK_BYTES,
    **sections: Any,
) -> RawTable:
    types = {**{name: {"type": "number"} for name in numeric}, **sections.pop("types", {})}
    return open_raw(folder, data(types=types, **sections), columns, only=only, block_bytes=block_bytes)


def read(folder: pathlib.Path, **asked: Any) -> Read:
    """Read everything, and prove on the way that no row is unaccounted for."""
    return read_all(opened(folder, **asked))


def read_all(table: RawTable) -> Read:
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
