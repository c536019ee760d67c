"""The rows of the raw files, read once: the columns that the recipe names and each row's place and group, on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sluice.ingest import SOURCE_FILE, SOURCE_ROW
from sluice.recipe.model import Columns

ROWS = 65_536
"""Rows of a stretch, the piece that is written and read back at once."""
PLACE = "_place"
"""Where a row stands: its file's number times 2^32, and its place among the file's rows, unreadable ones counted too."""
GROUP = "_group"
"""A hash of the row's group; a row without a group is one of its own."""
FILE_BITS = 32


class Spool:
    """Writes rows to a file in stretches of the same size, however small the batches are that arrive."""

    def __init__(self, path: Path, schema: pa.Schema, columns: Columns, files: Mapping[str, int]) -> None:
        """Begin a spool.

        Args:
            path: the file.
            schema: the raw rows' schema.
            columns: the recipe's columns by role.
            files: every raw file's number.
        """
        self._group, self._files = columns.group, files
        self._used = _used(columns)
        keys = [pa.field(PLACE, pa.int64()), *([pa.field(GROUP, pa.uint64())] if columns.group else [])]
        self.schema = pa.schema([*(schema.field(name) for name in self._used), *keys])
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        self._writer = pa.ipc.new_file(str(path), self.schema, options=options)
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = 0

    def add(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Take some rows, all of one file, and give them back with their places and groups."""
        file = self._files[batch.column(SOURCE_FILE)[0].as_py()]
        place = (file << FILE_BITS) + batch.column(SOURCE_ROW).to_numpy()
        columns = [batch.column(name) for name in self._used] + [pa.array(place)]
        if self._group:
            columns.append(pa.array(_hashed(batch.column(self._group), place)))
        rows = pa.record_batch(columns, schema=self.schema)
        self._pending.append(rows)
        self._pending_rows += len(rows)
        while self._pending_rows >= ROWS:
            self._flush(ROWS)
        return rows

    def close(self) -> None:
        """Write what is left."""
        if self._pending_rows:
            self._flush(self._pending_rows)
        self._writer.close()

    def _flush(self, rows: int) -> None:
        pending = pa.Table.from_batches(self._pending, self.schema)
        (stretch,) = pending.slice(0, rows).combine_chunks().to_batches()
        self._writer.write_batch(stretch)
        self._pending = pending.slice(rows).to_batches()
        self._pending_rows -= rows


def stretches(path: Path) -> int:
    """How many stretches a spool has."""
    with pa.memory_map(str(path)) as file:
        count: int = pa.ipc.open_file(file).num_record_batches
        return count


def read_stretch(path: Path, number: int) -> pa.RecordBatch:
    """One stretch of a spool."""
    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_file(file).get_batch(number)


def read_all(path: Path) -> Iterator[pa.RecordBatch]:
    """Every stretch, in order."""
    return (read_stretch(path, number) for number in range(stretches(path)))


def _used(columns: Columns) -> list[str]:
    named = [columns.id, columns.group, columns.time, columns.label, *columns.text, *columns.categorical]
    named += [*columns.numeric, *(column for levels in columns.hierarchical.values() for column in levels)]
    return [name for name in dict.fromkeys(named) if name]


def _hashed(column: Any, places: NDArray[np.int64]) -> NDArray[np.uint64]:
    encoded = column.cast(pa.string()).dictionary_encode()
    table = np.array([_hash(f"group {value}") for value in encoded.dictionary.to_pylist()] + [0], np.uint64)
    hashes: NDArray[np.uint64] = table[encoded.indices.fill_null(len(table) - 1).to_numpy()]
    alone = column.is_null().to_numpy(zero_copy_only=False)
    hashes[alone] = np.array([_hash(f"row {place}") for place in places[alone].tolist()], np.uint64)
    return hashes


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
