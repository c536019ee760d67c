"""Parquet files: the schema, and the rows by batches."""

from __future__ import annotations

import contextlib
import json
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sluice.contract.errors import InputError
from sluice.ingest.names import names_of
from sluice.ingest.quarantine import shorten
from sluice.ingest.source import Chunk
from sluice.recipe.model import ColumnType

BATCH_ROWS = 65_536


class ParquetFile:
    """A Parquet file whose schema is known."""

    encoding = "UTF-8"

    def __init__(self, path: pathlib.Path, name: str, rename: Mapping[str, str]) -> None:
        self.path, self.name = path, name
        with _reading(name), pq.ParquetFile(path) as file:
            self._schema, rows = file.schema_arrow, file.metadata.num_rows
        if not rows:
            raise InputError(
                "the file has no rows",
                where=name,
                allowed="at least one row",
                next_step="Fetch it again, or leave it out of data.files if it is to have none",
            )
        self.originals = tuple(self._schema.names)
        self.columns = names_of(self.originals, rename)

    def chunks(self, wanted: Sequence[str], kinds: Mapping[str, ColumnType]) -> Iterator[Chunk]:
        """Read the rows batch by batch."""
        places = {column: self.columns.index(column) for column in wanted}
        self._refuse_nested([*places.values()])
        originals = {column: self.originals[place] for column, place in places.items()}
        row = 0
        with _reading(self.name), pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=[*originals.values()]):
                yield _chunk(batch, originals, row)
                row += len(batch)

    def _refuse_nested(self, places: Sequence[int]) -> None:
        nested = [field for field in map(self._schema.field, places) if pa.types.is_nested(field.type)]
        if nested:
            raise InputError(
                "a column holds more than one value per row",
                where=self.name,
                got=", ".join(f"{field.name}: {field.type}" for field in nested),
                allowed="columns of text, numbers, dates or truth values",
                next_step="Flatten the column, or leave it out of the recipe",
            )


def _chunk(batch: Any, originals: Mapping[str, str], first_row: int) -> Chunk:
    # Asked for "net", Parquet also gives "net.paid"; what has been asked for is found by its name.
    columns = {
        column: batch.column(batch.schema.names.index(original)) for column, original in originals.items()
    }

    def text(row: int) -> str:
        values = {original: columns[column][row].as_py() for column, original in originals.items()}
        return shorten(json.dumps(values, ensure_ascii=False, default=repr))

    rows = np.arange(first_row, first_row + len(batch), dtype=np.int64)
    return Chunk(columns, rows, None, text, ())


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
