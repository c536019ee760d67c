"""The list that is merged onto the rows by a key, one line of it at most for each row."""

from __future__ import annotations

import pathlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sluice.contract.errors import InputError
from sluice.ingest.account import MergeCount
from sluice.ingest.files import open_source, resolve
from sluice.ingest.names import refuse_ambiguous, require_columns
from sluice.ingest.problems import Problems
from sluice.ingest.quarantine import Quarantined
from sluice.ingest.source import SourceFile
from sluice.ingest.typed import is_typed, parse
from sluice.ingest.values import to_text
from sluice.recipe.model import ColumnType, Merge

SHOWN_KEYS = 10
SHOWN_ROWS = 3
BLANK_KEY = "(blank)"


@dataclass(frozen=True)
class MergeList:
    """The list, each key once."""

    file: str
    keys: Any
    columns: dict[str, Any]
    duplicated: dict[str, int]
    blank_keys: int

    def new_count(self) -> MergeCount:
        """A count that nothing has been merged into yet."""
        return MergeCount(
            self.file, len(self.keys), duplicated=dict(self.duplicated), blank_keys=self.blank_keys
        )

    def look_up(self, keys: Any, file: str, rows: Any, count: MergeCount) -> tuple[dict[str, Any], Any]:
        """The list's columns for the keys of a file's rows, and which rows are matched."""
        place = pc.index_in(keys, value_set=self.keys, skip_nulls=True)
        matched = pc.is_valid(place)
        if place.null_count:
            unmatched = pc.invert(matched)
            values = pc.fill_null(keys.filter(unmatched), BLANK_KEY)
            count.unmatched += len(values)
            count.unmatched_examples.see(values, file, rows.filter(unmatched).to_numpy())
        return {name: column.take(place) for name, column in self.columns.items()}, matched


def read_list(
    folder: pathlib.Path, merge: Merge, kinds: Mapping[str, ColumnType], parsed: Collection[str]
) -> MergeList:
    """Read the list.

    Args:
        folder: the data folder.
        merge: the recipe's section.
        kinds: what columns hold that are more than text.
        parsed: those of them that come as numbers or timestamps; the others come as they are written.

    Raises:
        InputError: a column is missing, a row can't be read, or a key stands there twice and that is refused.
    """
    paths = resolve(folder, [merge.file], "data.merge.file")
    if len(paths) > 1:
        raise InputError(
            "data.merge.file means more than one file",
            where=folder,
            got=", ".join(path.name for path in paths),
            allowed="one list",
            next_step="Name the list's file in full",
        )
    source = open_source(folder, paths[0], merge.csv, {}, "data.merge.csv")
    key = merge.list_key or merge.key
    wanted = [(key, "data.merge.list_key" if merge.list_key else "data.merge.key")]
    wanted += [(column, "data.merge.columns") for column in merge.columns]
    require_columns(source.columns, wanted, where=source.name)
    refuse_ambiguous(source, {column for column, _ in wanted})
    table = _read(source, key, merge.columns, kinds, parsed)
    return _each_key_once(table, source.name, key, merge)


def _read(
    source: SourceFile,
    key: str,
    columns: Sequence[str],
    kinds: Mapping[str, ColumnType],
    parsed: Collection[str],
) -> Any:
    """The list's key (as ``key``) and its columns (as ``column NAME``)."""
    batches, refused = [], []
    for chunk in source.chunks([key, *(name for name in columns if name != key)], kinds):
        problems = Problems(source.name, chunk)
        arrays = {"key": to_text(chunk.columns[key], problems.of(key), source.encoding)}
        for name in columns:
            cells = chunk.columns[name]
            values = text = to_text(cells, problems.of(name), source.encoding)
            if kind := kinds.get(name):
                values = parse(cells if is_typed(cells, kind) else text, kind, problems.of(name))
            arrays["column " + name] = values if name in parsed else text
        batches.append(pa.record_batch(arrays))
        refused += problems.rows()
    _refuse(refused, source.name)
    return pa.Table.from_batches(batches).combine_chunks()


def _refuse(rows: Sequence[Quarantined], file: str) -> None:
    """A list is short and its owner's: a row of it that can't be read is refused, not set aside."""
    if rows:
        raise InputError(
            "a row of the list can't be read"
            if len(rows) == 1
            else f"{len(rows):,} rows of the list can't be read",
            where=file,
            got="; ".join(str(row) for row in rows[:SHOWN_ROWS]),
            allowed="a list whose every row can be read",
            next_step="Correct the rows in the list",
        )


def _each_key_once(table: Any, file: str, key: str, merge: Merge) -> MergeList:
    there = table.filter(pc.is_valid(table["key"])).combine_chunks()
    counts = pc.value_counts(there["key"].combine_chunks())
    repeated = {item["values"]: item["counts"] for item in counts.to_pylist() if item["counts"] > 1}
    if repeated and merge.duplicates == "refuse":
        raise InputError(
            "a key stands in the list more than once"
            if len(repeated) == 1
            else f"{len(repeated):,} keys stand in the list more than once",
            where=f"{file} column {key}",
            got=_show(repeated),
            allowed="each key once: a key that stands there twice would multiply rows",
            next_step="Correct the list, or set data.merge.duplicates: first in the recipe",
        )
    codes = there["key"].combine_chunks().dictionary_encode().indices.to_numpy()
    first = np.sort(np.unique(codes, return_index=True)[1])
    once = there.take(pa.array(first))
    columns = {name: once["column " + name].combine_chunks() for name in merge.columns}
    return MergeList(file, once["key"].combine_chunks(), columns, repeated, len(table) - len(there))


def _show(repeated: dict[str, int]) -> str:
    shown = ", ".join(f"{key!r} {count} times" for key, count in list(repeated.items())[:SHOWN_KEYS])
    more = f" and {len(repeated) - SHOWN_KEYS:,} more" if len(repeated) > SHOWN_KEYS else ""
    return shown + more
