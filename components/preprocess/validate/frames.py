"""A table's columns as pandas frames: all rows at once, or chunk by chunk with the types that the whole frame would have."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from sluice.contract import SluiceError, Table
from sluice.contract.schema import arrow_schema

if TYPE_CHECKING:
    import pandas as pd

WHOLE = "all rows at once"
CHUNKS = "chunk by chunk"
LIMIT = "SLUICE_GATE_MEMORY_MB"
LIMIT_MB = 512
"""What a frame may take, as estimated; the process itself takes 350 MB more."""
CELL = 45
"""Bytes of a cell without its text, with all copies that judging makes: measured, 0.45 GB for 10 columns of a million rows."""
CHUNK = 64 << 20
"""Bytes of a chunk, as estimated."""


class ColumnSize(NamedTuple):
    """What the Parquet files' own figures say of a column."""

    bytes: int
    """Its pages, uncompressed."""
    nulls: bool
    """Whether there may be nulls."""


class Frames:
    """Some columns of a table."""

    def __init__(self, table: Table, columns: Sequence[str], chunk_rows: int | None = None) -> None:
        self.columns = list(columns)
        self._table = table
        self._chunk_rows = chunk_rows

    @cached_property
    def estimate(self) -> int:
        """The bytes of memory that judging the whole frame takes, as estimated without reading a row."""
        texts = sum(size.bytes for size in self._sizes.values())
        return self._table.rows * len(self.columns) * CELL + texts

    @property
    def way(self) -> str:
        """How to judge them: WHOLE if that fits the memory limit, else CHUNKS."""
        return WHOLE if self.estimate <= limit() else CHUNKS

    def whole(self) -> pd.DataFrame:
        """All rows."""
        return self._table.read(self.columns).to_pandas()

    def chunks(self) -> Iterator[tuple[pa.RecordBatch, pd.DataFrame]]:
        """The rows in order, as Arrow and as pandas has them; of an empty table one empty chunk."""
        size = self._chunk_rows or max(1, CHUNK * self._table.rows // max(1, self.estimate))
        empty = [] if self._table.rows else [pa.RecordBatch.from_pylist([], self._schema)]
        for batch in chain(self._table.batches(self.columns, size=size), empty):
            as_whole = batch.cast(self._schema, safe=False)
            yield as_whole, self.as_frame(as_whole)

    def none(self) -> pd.DataFrame:
        """No rows, with the columns and types of all of them."""
        return self.as_frame(self._schema.empty_table())

    def as_frame(self, rows: pa.RecordBatch | pa.Table) -> pd.DataFrame:
        """Rows from a chunk or made of chunks; pandas keeps truth values beside nulls as objects."""
        truths = {f.name: object for f in rows.schema if pa.types.is_boolean(f.type) and self._nulls(f.name)}
        return rows.to_pandas().astype(truths)

    @cached_property
    def _schema(self) -> pa.Schema:
        """Integers are floats where pandas would have made floats of them: it does if there is one null among all rows."""
        schema = arrow_schema([c for name in self.columns for c in self._table.columns if c.name == name])
        floats = [f for f in schema if pa.types.is_integer(f.type) and self._nulls(f.name)]
        return pa.schema([pa.field(f.name, pa.float64() if f in floats else f.type) for f in schema])

    def _nulls(self, column: str) -> bool:
        return column in self._sizes and self._sizes[column].nulls

    @cached_property
    def _sizes(self) -> dict[str, ColumnSize]:
        files = [pq.read_metadata(self._table.folder / file.path) for file in self._table.manifest.files]
        return {name: _size(files, name) for name in self.columns}


def limit() -> int:
    """The bytes that a frame may take, as estimated.

    Raises:
        SluiceError: the environment says something else than a number of megabytes.
    """
    given = os.environ.get(LIMIT, str(LIMIT_MB))
    if not given.isdecimal():
        raise SluiceError(
            "the data gate's memory limit can't be read", where=LIMIT, got=given, allowed="megabytes"
        )
    return int(given) << 20


def _size(files: Sequence[pq.FileMetaData], column: str) -> ColumnSize:
    place = next(i for i in range(files[0].num_columns) if files[0].schema.column(i).path == column)
    chunks = [file.row_group(i).column(place) for file in files for i in range(file.num_row_groups)]
    told = [chunk.statistics.null_count if chunk.statistics else None for chunk in chunks if chunk.num_values]
    nulls = any(count is None or count > 0 for count in told)
    return ColumnSize(sum(chunk.total_uncompressed_size for chunk in chunks), nulls)
