"""The recipe's raw files as one table: opened by headers, streamed in batches, every row accounted for.

A row goes its way in this order: columns renamed, cells as text, columns derived and recoded, cells parsed as
`data.types` says, the list merged, rows kept or dropped.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sluice.ingest.account import (
    MISSING_VALUE,
    NOT_KEPT,
    UNMATCHED_KEY,
    Account,
    DerivedCount,
    NulledCount,
    RecodedCount,
    Unmatched,
)
from sluice.ingest.csv_file import BLOCK_BYTES
from sluice.ingest.derive import derive, recode
from sluice.ingest.files import open_source, resolve
from sluice.ingest.merge import MergeList, read_list
from sluice.ingest.names import require_columns
from sluice.ingest.plan import Plan
from sluice.ingest.problems import Problems
from sluice.ingest.quarantine import as_batch
from sluice.ingest.source import Chunk, SourceFile
from sluice.ingest.typed import is_typed, parse
from sluice.ingest.values import to_text
from sluice.recipe.model import Columns, Data

# No standardised name begins with an underscore, so no raw column can be called so.
SOURCE_FILE = "_source_file"
SOURCE_ROW = "_source_row"

Sink = Callable[[Any], None]
"""Takes quarantined rows as a record batch of QUARANTINE_SCHEMA."""


def open_raw(
    folder: pathlib.Path,
    data: Data,
    columns: Columns | None = None,
    *,
    only: Collection[str] | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> RawTable:
    """Open the files that a recipe names; read their headers, and the list to merge.

    Args:
        folder: the data folder.
        data: the recipe's section.
        columns: the recipe's section of roles. The table has the columns that either section names, and no file needs
            any other; without it, the table has all columns that all files share.
        only: the files to read, by their names in ``RawTable.files``; all if not given. The table is the same, its
            rows are those of these files, and several readers' accounts can be merged.
        block_bytes: how much of a CSV file is read at once; rows and account are the same whatever it is.

    Raises:
        InputError: a file or a column is missing or wrong.
    """
    plan = Plan(data, columns)
    sources = [
        open_source(folder, path, data.csv, data.rename, "data.csv", block_bytes)
        for path in resolve(folder, data.files, "data.files")
    ]
    own = plan.own_columns(sources, folder)
    merged = read_list(folder, data.merge, plan.kinds, plan.parsed) if data.merge else None
    unknown = set(only or ()) - {source.name for source in sources}
    if unknown:
        raise ValueError(f"no such files: {', '.join(sorted(unknown))}")
    return RawTable(plan, own, sources, merged, {source.name for source in sources} if only is None else only)


class Missed(NamedTuple):
    """The rows of a chunk that a rule has no answer for."""

    tally: Unmatched
    values: Any
    rows: Any
    """One flag per row."""


class RawTable:
    """Raw files as one table. Built by `open_raw`."""

    files: tuple[str, ...]
    """All files that the recipe means, relative to the data folder, in their order."""
    columns: tuple[str, ...]
    """The recipe's names: the files' own columns, in the first file's order, then derived, recoded and merged ones."""

    def __init__(
        self,
        plan: Plan,
        own: tuple[str, ...],
        sources: Sequence[SourceFile],
        merged: MergeList | None,
        only: Collection[str],
    ) -> None:
        self._plan, self._data, self._own, self._merged = plan, plan.data, own, merged
        self._sources = [source for source in sources if source.name in only]
        self._account: Account | None = None
        self.files = tuple(source.name for source in sources)
        self.columns = (*own, *plan.made)

    @cached_property
    def schema(self) -> Any:
        """The schema of every batch."""
        fields = [(name, self._plan.type_of(name)) for name in self.columns]
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
            InputError: a file is damaged.
        """
        self._account = None
        account = self._new_account()
        for source in self._sources:
            account.rows_by_file[source.name] = 0
            for chunk in source.chunks(self._own, self._plan.kinds):
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
        nulled = [name for name, kind in self._plan.kinds.items() if kind.unparsed == "null"]
        return Account(
            derived=[DerivedCount(rule.source, rule.columns) for rule in self._data.derive],
            recoded=[RecodedCount(rule.source, rule.to) for rule in self._data.recode],
            nulled={name: NulledCount() for name in nulled},
            merge=self._merged.new_count() if self._merged else None,
        )

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
        """The rows of a chunk that are kept, with all columns."""
        text = {
            name: to_text(column, problems.of(name), source.encoding)
            for name, column in chunk.columns.items()
            if self._is_text(name, column)
        }
        missed = self._make(text, account)
        values = self._parse(chunk.columns, text, problems, account, missed)
        values[SOURCE_FILE] = pa.repeat(pa.scalar(source.name, pa.string()), len(chunk.rows))
        values[SOURCE_ROW] = pa.array(chunk.rows)
        good = problems.good()
        for count, column, rows in missed:
            _see(count, column, rows, good, source.name, chunk.rows)
        if good is not None:
            values, text = _filter(values, pa.array(good)), _filter(text, pa.array(good))
        values = self._keep(*self._merge(values, text, source.name, account), account)
        schema = self.schema
        return pa.record_batch([values[name] for name in schema.names], schema=schema)

    def _is_text(self, name: str, column: Any) -> bool:
        """Whether a column is needed as text; a Parquet column of numbers or dates may be so as them only."""
        kind = self._plan.parsed.get(name)
        return kind is None or name in self._needed_as_text or not is_typed(column, kind)

    @cached_property
    def _needed_as_text(self) -> set[str]:
        rules = [rule.source for rule in self._data.derive] + [rule.source for rule in self._data.recode]
        return {*rules, *self._data.keep, *([self._data.merge.key] if self._data.merge else [])}

    def _make(self, text: dict[str, Any], account: Account) -> list[Missed]:
        """Add derived and recoded columns."""
        missed: list[Missed] = []
        for rule, count in zip(self._data.derive, account.derived, strict=True):
            new, rows = derive(text[rule.source], rule)
            missed.append(Missed(count, text[rule.source], rows))
            text.update(new)
        for recoding, recoded in zip(self._data.recode, account.recoded, strict=True):
            new, rows = recode(text[recoding.source], recoding)
            missed.append(Missed(recoded, text[recoding.source], rows))
            text.update(new)
        return missed

    def _parse(
        self,
        cells: Mapping[str, Any],
        text: Mapping[str, Any],
        problems: Problems,
        account: Account,
        missed: list[Missed],
    ) -> dict[str, Any]:
        """All columns as they leave: parsed, or the text of cells that could be parsed."""
        values = dict(text)
        for name, kind in self._plan.kinds.items():
            if name not in cells and name not in text:
                continue  # a column of the list, which was parsed when the list was read
            column = cells[name] if name in cells and is_typed(cells[name], kind) else text[name]
            report = problems.of(name)
            unparsed = _Unparsed(len(column))
            parsed = parse(column, kind, unparsed.add if kind.unparsed == "null" else report)
            if name in self._plan.parsed:
                values[name] = parsed
            elif unparsed.any:
                values[name] = pc.if_else(unparsed.rows, pa.scalar(None, pa.string()), text[name])
            if unparsed.any:
                missed.append(Missed(account.nulled[name], column.cast(pa.string()), unparsed.rows))
        return values

    def _merge(
        self, values: dict[str, Any], text: Mapping[str, Any], file: str, account: Account
    ) -> tuple[dict[str, Any], Mapping[str, Any]]:
        """Add the list's columns; drop what it doesn't know where the recipe says so."""
        merge = self._data.merge
        if self._merged is None or merge is None or account.merge is None:
            return values, text
        new, matched = self._merged.look_up(text[merge.key], file, values[SOURCE_ROW], account.merge)
        values = {**values, **new}
        if merge.unmatched == "keep":
            return values, text
        return _dropped(UNMATCHED_KEY, values, text, matched, account)

    def _keep(self, values: dict[str, Any], text: Mapping[str, Any], account: Account) -> dict[str, Any]:
        """Drop the rows that the recipe doesn't want."""
        for name, kept in self._data.keep.items():
            column = text[name] if name in text else values[name].cast(pa.string())
            wanted = pc.is_in(column, value_set=pa.array(kept, pa.string()))
            values, text = _dropped(NOT_KEPT, values, text, wanted, account)
        for name in self._data.require:
            there = pc.is_valid(text[name] if name in text else values[name])
            values, text = _dropped(MISSING_VALUE, values, text, there, account)
        return values


class _Unparsed:
    """Collects the rows whose cell becomes null."""

    def __init__(self, rows: int) -> None:
        self._flags = np.zeros(rows, np.bool_)
        self.any = False

    @property
    def rows(self) -> Any:
        return pa.array(self._flags)

    def add(self, rows: NDArray[np.int64], _why: Callable[[int], str]) -> None:
        self.any = True
        self._flags[rows] = True


def _see(
    count: Unmatched,
    values: Any,
    flags: Any,
    good: NDArray[np.bool_] | None,
    file: str,
    rows: NDArray[np.int64],
) -> None:
    """Count the rows that a rule has no answer for, but for those that are quarantined."""
    seen = flags.to_numpy(zero_copy_only=False)
    places = np.flatnonzero(seen if good is None else seen & good)
    if len(places):
        count.see(values.take(pa.array(places)), file, rows[places])


def _dropped(
    rule: str, values: Mapping[str, Any], text: Mapping[str, Any], kept: Any, account: Account
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The rows that a rule keeps."""
    rows = len(kept) - pc.sum(kept, min_count=0).as_py()
    account.drop(rule, rows)
    if not rows:
        return dict(values), dict(text)
    return _filter(values, kept), _filter(text, kept)


def _filter(columns: Mapping[str, Any], mask: Any) -> dict[str, Any]:
    return {name: column.filter(mask) for name, column in columns.items()}
