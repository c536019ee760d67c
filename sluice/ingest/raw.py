"""The recipe's raw files as one table: opened by headers, streamed in batches, every row accounted for."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sluice.contract.errors import InputError
from sluice.ingest.account import UNMATCHED_KEY, Account, DerivedCount
from sluice.ingest.derive import count_missed, derive, see_that_it_compiles
from sluice.ingest.files import open_source, resolve
from sluice.ingest.merge import MergeList, read_list
from sluice.ingest.names import require_columns
from sluice.ingest.problems import Problems
from sluice.ingest.quarantine import as_batch
from sluice.ingest.source import Chunk, SourceFile
from sluice.ingest.values import is_number, to_numbers, to_text
from sluice.recipe.model import Data
from sluice.recipe.names import standardise

# No standardised name begins with an underscore, so no raw column can be called so.
SOURCE_FILE = "_source_file"
SOURCE_ROW = "_source_row"

Sink = Callable[[Any], None]
"""Takes quarantined rows as a record batch of QUARANTINE_SCHEMA."""


def open_raw(folder: pathlib.Path, data: Data, numeric: Collection[str] = ()) -> RawTable:
    """Open the files that a recipe names; read their headers, and the list to merge.

    Args:
        folder: the data folder.
        data: the recipe's section.
        numeric: the columns that hold numbers.

    Raises:
        InputError: a file or a column is missing or wrong.
    """
    sources = [open_source(folder, path) for path in resolve(folder, data.files, "data.files")]
    _refuse_different_columns(sources)
    merged = read_list(folder, data.merge, frozenset(numeric)) if data.merge else None
    return RawTable(folder, data, sources, merged, frozenset(numeric))


class RawTable:
    """Raw files as one table. Built by `open_raw`."""

    files: tuple[str, ...]
    """The files, relative to the data folder."""
    columns: tuple[str, ...]
    """Standardised names: the files' own, in the first file's order, then derived and merged ones."""

    def __init__(
        self,
        folder: pathlib.Path,
        data: Data,
        sources: Sequence[SourceFile],
        merged: MergeList | None,
        numeric: frozenset[str],
    ) -> None:
        self._folder, self._data, self._sources, self._merged, self._numeric = (
            folder,
            data,
            sources,
            merged,
            numeric,
        )
        self._account: Account | None = None
        self.files = tuple(source.name for source in sources)
        self.columns = _columns(sources[0].columns, data, folder)

    @property
    def schema(self) -> Any:
        """The schema of every batch."""
        fields = [(name, pa.float64() if name in self._numeric else pa.string()) for name in self.columns]
        return pa.schema([*fields, (SOURCE_FILE, pa.string()), (SOURCE_ROW, pa.int64())])

    @property
    def account(self) -> Account:
        """What became of every row; known once the batches have been read to their end."""
        if self._account is None:
            raise RuntimeError("the account is known once batches() has been read to its end")
        return self._account

    def require(self, wanted: Collection[tuple[str, str]]) -> None:
        """See that each column somebody names is there: pairs of a column and who names it.

        Raises:
            InputError: with every missing column at once.
        """
        require_columns(
            self.columns, wanted, where=", ".join(self.files[:3]) + (" …" if len(self.files) > 3 else "")
        )

    def batches(self, on_quarantine: Sink | None = None) -> Iterator[Any]:
        """Read the rows in bounded memory, in the order of the files.

        Args:
            on_quarantine: takes the rows that can't be read, as batches of QUARANTINE_SCHEMA.

        Raises:
            InputError: a file is damaged, or a numeric column is missing.
        """
        self.require([(name, "columns.numeric") for name in sorted(self._numeric)])
        self._account = None
        account = self._new_account()
        for source in self._sources:
            account.rows_by_file[source.name] = 0
            for chunk in source.chunks(self._numeric):
                problems = Problems(source.name, chunk)
                batch = self._batch(source, chunk, problems, account)
                self._count(source, chunk, problems, account, on_quarantine)
                account.rows_kept += len(batch)
                if len(batch):
                    yield batch
        if not account.balanced:
            raise RuntimeError(f"rows are unaccounted for: {account}")
        self._account = account

    def _new_account(self) -> Account:
        derived = [DerivedCount(rule.source, rule.columns) for rule in self._data.derive]
        return Account(derived=derived, merge=self._merged.new_count() if self._merged else None)

    def _count(
        self, source: SourceFile, chunk: Chunk, problems: Problems, account: Account, sink: Sink | None
    ) -> None:
        rows = len(chunk.rows) + len(chunk.unreadable)
        account.rows_read += rows
        account.rows_by_file[source.name] += rows
        unreadable = problems.rows()
        account.quarantine(unreadable)
        if unreadable and sink:
            sink(as_batch(unreadable))

    def _batch(self, source: SourceFile, chunk: Chunk, problems: Problems, account: Account) -> Any:
        """The rows of a chunk that are kept, with derived and merged columns."""
        cells = dict(zip(source.columns, chunk.columns, strict=True))
        text = {
            name: to_text(cells[name], problems.of(name))
            for name in cells
            if self._is_text(name, cells[name])
        }
        missed = self._derive(text)
        values = {**text, **self._numbers(cells, text, problems)}
        values[SOURCE_FILE] = pa.repeat(pa.scalar(source.name, pa.string()), len(chunk.rows))
        values[SOURCE_ROW] = pa.array(chunk.rows)
        good = problems.good()
        if good is not None:
            mask = pa.array(good)
            values, text = _filter(values, mask), _filter(text, mask)
            missed = [each.filter(mask) for each in missed]
        for rule, each, count in zip(self._data.derive, missed, account.derived, strict=True):
            count_missed(text[rule.source], each, count)
        values = self._merge(values, text, account)
        schema = self.schema
        return pa.record_batch([values[name] for name in schema.names], schema=schema)

    def _is_text(self, name: str, column: Any) -> bool:
        """Whether a column is needed as text; one of numbers is so only where it is a key or cut from."""
        used = {rule.source for rule in self._data.derive} | (
            {self._data.merge.key} if self._data.merge else set()
        )
        return name in used or name not in self._numeric or not is_number(column.type)

    def _derive(self, text: dict[str, Any]) -> list[Any]:
        missed = []
        for rule in self._data.derive:
            new, unmatched = derive(text[rule.source], rule)
            text.update(new)
            missed.append(unmatched)
        return missed

    def _numbers(
        self, cells: Mapping[str, Any], text: Mapping[str, Any], problems: Problems
    ) -> dict[str, Any]:
        numbers = {}
        for name in self.columns:
            if name in self._numeric and (name in cells or name in text):
                column = cells[name] if name in cells and is_number(cells[name].type) else text[name]
                numbers[name] = to_numbers(column, problems.of(name))
        return numbers

    def _merge(self, values: dict[str, Any], text: Mapping[str, Any], account: Account) -> dict[str, Any]:
        if self._merged is None or self._data.merge is None or account.merge is None:
            return values
        new, matched = self._merged.look_up(text[self._data.merge.key], account.merge)
        values = {**values, **new}
        if self._data.merge.unmatched == "keep":
            return values
        account.dropped[UNMATCHED_KEY] += len(matched) - pc.sum(matched, min_count=0).as_py()
        return _filter(values, matched)


def _filter(columns: Mapping[str, Any], mask: Any) -> dict[str, Any]:
    return {name: column.filter(mask) for name, column in columns.items()}


def _refuse_different_columns(sources: Sequence[SourceFile]) -> None:
    first = sources[0]
    for other in sources[1:]:
        here = [name for name in first.columns if name not in other.columns]
        there = [name for name in other.columns if name not in first.columns]
        if here or there:
            only = [f"only {first.name} has {', '.join(here)}"] if here else []
            only += [f"only {other.name} has {', '.join(there)}"] if there else []
            raise InputError(
                "two files that should be one table have different columns",
                where=f"{first.name} and {other.name}",
                got="; ".join(only),
                allowed="the same columns in each file, in any order",
                next_step="Correct the files, or name only those that belong together in data.files",
            )


def _columns(own: Sequence[str], data: Data, folder: pathlib.Path) -> tuple[str, ...]:
    """All columns: the files' own, derived, merged. What a rule uses must be there, what it adds must not."""
    columns = list(own)
    for rule in data.derive:
        require_columns(columns, [(rule.source, "data.derive.from")], where=folder)
        see_that_it_compiles(rule)
        _add(columns, rule.columns, "data.derive", folder)
    if data.merge:
        require_columns(columns, [(data.merge.key, "data.merge.key")], where=folder)
        _add(columns, data.merge.columns, "data.merge.columns", folder)
    return tuple(columns)


def _add(columns: list[str], new: Sequence[str], said_by: str, folder: pathlib.Path) -> None:
    for name in new:
        if name in columns or standardise(name) != name:
            raise InputError(
                f"{said_by} can't add the column {name!r}",
                where=folder,
                got="a column of this name is there already" if name in columns else "no standardised name",
                allowed="a new name in lower case, with letters, digits and single underscores",
                next_step="Choose another name in the recipe",
            )
        columns.append(name)
