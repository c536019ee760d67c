"""Parquet files: the schema, and the rows by batches."""

from __future__ import annotations

import contextlib
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sluice.contract.errors import InputError
from sluice.ingest.names import standardise_all
from sluice.ingest.quarantine import shorten
from sluice.ingest.source import Chunk

BATCH_ROWS = 65_536


class ParquetFile:
    """A Parquet file whose schema is known."""

    def __init__(self, path: pathlib.Path, name: str) -> None:
        self.path, self.name = path, name
        with _reading(name), pq.ParquetFile(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
        _refuse_nested(schema, name)
        if not rows:
            raise InputError(
                "the file has no rows", where=name, allowed="at least one row", next_step="Fetch it again"
            )
        self.columns = standardise_all(schema.names, name)

    def chunks(self, numeric: frozenset[str]) -> Iterator[Chunk]:
        """Read the rows batch by batch."""
        row = 0
        with _reading(self.name), pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(batch_size=BATCH_ROWS):
                yield _chunk(batch, row)
                row += len(batch)


def _chunk(batch: Any, first_row: int) -> Chunk:
    def text(row: int) -> str:
        (values,) = batch.slice(row, 1).to_pylist()
        return shorten(json.dumps(values, ensure_ascii=False, default=repr))

    rows = np.arange(first_row, first_row + len(batch), dtype=np.int64)
    return Chunk(batch.columns, rows, None, text, ())


def _refuse_nested(schema: Any, name: str) -> None:
    nested = [field for field in schema if pa.types.is_nested(field.type)]
    if nested:
        raise InputError(
            "a column holds more than one value per row",
            where=name,
            got=", ".join(f"{field.name}: {field.type}" for field in nested),
            allowed="columns of text, numbers, dates or truth values",
            next_step="Flatten the column, or leave it out of the file",
        )


@contextlib.contextmanager
def _reading(name: str) -> Iterator[None]:
    """Turn what pyarrow says about a damaged file into an InputError."""
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise InputError(
            "the Parquet file is damaged or can't be read",
            where=name,
            got=" ".join(str(error).split()),
            next_step="Fetch or write the file again",
        ) from error
