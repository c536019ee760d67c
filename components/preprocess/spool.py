"""The raw rows, read once: on disk as one Parquet file, and in memory only what deciding on a row needs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sluice.contract import report
from sluice.ingest import SOURCE_FILE, SOURCE_ROW, RawTable
from sluice.recipe import names
from sluice.recipe.model import Columns

BATCH_ROWS = 32_768
"""Rows of a batch that is read back."""
ROW_GROUP = 131_072
NO_LABEL = -1


@dataclass(frozen=True)
class Keys:
    """What deciding on each row needs; arrays of one entry per row that was kept by reading, in raw order."""

    row_ids: NDArray[np.int64]
    """Each row's place among all rows of the raw input, unreadable ones counted too."""
    labels: NDArray[np.int32]
    """Each row's class, as its place in ``classes``; NO_LABEL where the label is null."""
    classes: tuple[str, ...]
    """The label's values, sorted."""
    groups: NDArray[np.uint64] | None
    """A hash of each row's group; a row without a group is one of its own. None if the recipe has no group."""

    def __len__(self) -> int:
        return len(self.row_ids)


class Spool:
    """The rows' columns that the recipe names, in a file that is read back batch by batch."""

    def __init__(self, path: Path, columns: Columns) -> None:
        self._path = path
        self._columns = columns
        self.keys: Keys

    def fill(self, raw: RawTable, on_quarantine: Callable[[Any], None]) -> None:
        """Read all raw rows."""
        used = _used(self._columns)
        collector = _Collector(self._columns)
        writer = _Writer(self._path, pa.schema([raw.schema.field(name) for name in used]))
        with writer:
            for batch in raw.batches(on_quarantine):
                collector.take(batch)
                writer.write(batch.select(used))
                report(f"read {len(collector):,} rows")
        self.keys = collector.keys(raw.account.rows_by_file)

    def batches(
        self, wanted: NDArray[np.bool_], columns: Sequence[str] | None = None
    ) -> Iterator[tuple[NDArray[np.intp], pa.RecordBatch]]:
        """The wanted rows in raw order: their places in ``keys``, and the rows with their row ids.

        Args:
            wanted: one flag per row.
            columns: the columns to read; all, if not given.
        """
        start = 0
        with pq.ParquetFile(self._path, memory_map=True) as file:
            for batch in file.iter_batches(BATCH_ROWS, columns=columns):
                places = start + np.flatnonzero(wanted[start : start + batch.num_rows])
                rows = batch.take(pa.array(places - start)).append_column(
                    names.ROW_ID, pa.array(self.keys.row_ids[places])
                )
                start += batch.num_rows
                if len(places):
                    yield places, rows


class _Writer:
    """Writes row groups of the same size however small the batches are that arrive."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._file = pq.ParquetWriter(path, schema, compression="lz4")
        self._schema = schema
        self._pending: list[pa.RecordBatch] = []

    def write(self, batch: pa.RecordBatch) -> None:
        self._pending.append(batch)
        if sum(batch.num_rows for batch in self._pending) >= ROW_GROUP:
            self._flush()

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None and self._pending:
            self._flush()
        self._file.close()

    def _flush(self) -> None:
        self._file.write_table(pa.Table.from_batches(self._pending, self._schema))
        self._pending = []


class _Collector:
    """Collects the keys, batch by batch."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._places: list[tuple[str, NDArray[np.int64]]] = []
        self._codes: dict[str, int] = {}
        self._labels: list[NDArray[np.int32]] = []
        self._groups: list[tuple[NDArray[np.uint64], NDArray[np.bool_]]] = []
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    def take(self, batch: pa.RecordBatch) -> None:
        """Take some rows, all of one file."""
        self._rows += batch.num_rows
        self._places.append((batch.column(SOURCE_FILE)[0].as_py(), batch.column(SOURCE_ROW).to_numpy()))
        self._labels.append(self._encode(batch.column(self._columns.label)))
        if self._columns.group:
            self._groups.append(_hashed(batch.column(self._columns.group)))

    def keys(self, rows_by_file: dict[str, int]) -> Keys:
        """What was collected.

        Args:
            rows_by_file: how many rows each file has, in their order.
        """
        row_ids = self._row_ids(rows_by_file)
        classes = sorted(self._codes)
        rank = np.full(len(classes) + 1, NO_LABEL, np.int32)  # NO_LABEL indexes the last entry, itself
        rank[[self._codes[name] for name in classes]] = np.arange(len(classes))
        labels = rank[np.concatenate([np.empty(0, np.int32), *self._labels])]
        return Keys(row_ids, labels, tuple(classes), self._group_keys(row_ids))

    def _encode(self, column: Any) -> NDArray[np.int32]:
        encoded = column.dictionary_encode()
        codes = [self._codes.setdefault(value, len(self._codes)) for value in encoded.dictionary.to_pylist()]
        table = np.array([*codes, NO_LABEL], np.int32)
        labels: NDArray[np.int32] = table[encoded.indices.fill_null(len(codes)).to_numpy()]
        return labels

    def _row_ids(self, rows_by_file: dict[str, int]) -> NDArray[np.int64]:
        starts = np.cumsum([0, *rows_by_file.values()])
        start_of = dict(zip(rows_by_file, starts, strict=False))
        ids = [start_of[file] + rows for file, rows in self._places]
        return np.concatenate([np.empty(0, np.int64), *ids])

    def _group_keys(self, row_ids: NDArray[np.int64]) -> NDArray[np.uint64] | None:
        if not self._columns.group:
            return None
        hashes = np.concatenate([np.empty(0, np.uint64), *(hashed for hashed, _ in self._groups)])
        alone = np.concatenate([np.empty(0, np.bool_), *(nulls for _, nulls in self._groups)])
        own = [_hash(f"row {row}") for row in row_ids[alone].tolist()]
        hashes[alone] = np.array(own, np.uint64)
        return hashes


def _used(columns: Columns) -> list[str]:
    named = [columns.id, columns.group, columns.label, *columns.text, *columns.categorical, *columns.numeric]
    named += [column for levels in columns.hierarchical.values() for column in levels]
    return [name for name in dict.fromkeys(named) if name]


def _hashed(column: Any) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    encoded = column.cast(pa.string()).dictionary_encode()
    hashes = [_hash(f"group {value}") for value in encoded.dictionary.to_pylist()]
    table = np.array([*hashes, 0], np.uint64)
    nulls = column.is_null().to_numpy(zero_copy_only=False)
    return table[encoded.indices.fill_null(len(hashes)).to_numpy()], nulls


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
