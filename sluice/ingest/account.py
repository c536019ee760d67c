"""What became of every row: kept, dropped by a rule, or quarantined; and what rules met that they don't know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import pyarrow.compute as pc
from numpy.typing import NDArray

from sluice.ingest.quarantine import Quarantined

EXAMPLE_VALUES = 5
EXAMPLE_ROWS = 20
UNMATCHED_KEY = "unmatched_key"
NOT_KEPT = "not_kept"
MISSING_VALUE = "missing_value"


class Examples(list[str]):
    """Up to five different values, the first that were met. It knows where each was, so that parts can be merged."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        super().__init__(values)
        self.places: list[tuple[str, int]] = []

    def see(self, values: Any, file: str, rows: NDArray[Any]) -> None:
        """Remember values that aren't known yet.

        Args:
            values: an Arrow array of strings.
            file: the file that they are from.
            rows: each value's row there.
        """
        if len(self) < EXAMPLE_VALUES and len(values):
            for value in pc.unique(values).to_pylist():
                self._add(value, (file, int(rows[pc.index(values, value).as_py()])))

    def _add(self, value: str, place: tuple[str, int]) -> None:
        if len(self) < EXAMPLE_VALUES and value not in self:
            self.append(value)
            self.places.append(place)

    @classmethod
    def merged(cls, parts: Iterable[Examples], order: Mapping[str, int]) -> Examples:
        """What one reader of all files, in this order, would have remembered."""
        every = [(place, value) for part in parts for place, value in zip(part.places, part, strict=True)]
        merged = cls()
        for place, value in sorted(every, key=lambda each: (order[each[0][0]], each[0][1])):
            merged._add(value, place)
        return merged


@dataclass(kw_only=True)
class Unmatched:
    """Rows that a rule has no answer for; they have nulls. Blank values are not counted."""

    unmatched: int = 0
    examples: Examples = field(default_factory=Examples)
    """Some of their values."""

    def see(self, values: Any, file: str, rows: NDArray[Any]) -> None:
        """Count such rows' values."""
        self.unmatched += len(values)
        self.examples.see(values, file, rows)


Count = TypeVar("Count", bound=Unmatched)


@dataclass
class DerivedCount(Unmatched):
    """How often a derive rule's pattern didn't match."""

    source: str
    """The column that the rule cuts from."""
    columns: tuple[str, ...]
    """The columns that it adds."""


@dataclass
class RecodedCount(Unmatched):
    """How often a recode rule had no word for a value."""

    source: str
    """The column that the rule takes values from."""
    to: str
    """The column that it adds."""


@dataclass
class NulledCount(Unmatched):
    """How many cells of a column were not what `data.types` says, and became nulls."""


@dataclass
class MergeCount:
    """What merging the list met."""

    file: str
    """The list's file."""
    keys: int = 0
    """Distinct keys in the list."""
    unmatched: int = 0
    """Rows whose key is not in the list; kept with nulls or dropped, as the recipe says."""
    unmatched_examples: Examples = field(default_factory=Examples)
    """Some of those keys."""
    duplicated: dict[str, int] = field(default_factory=dict)
    """Keys that the list has more than once, and how often; the first of them counts."""
    blank_keys: int = 0
    """Lines of the list without a key; they match nothing."""


@dataclass
class Account:
    """Where every row went: ``rows_read`` is ``rows_kept`` + all ``dropped`` + ``rows_quarantined``."""

    rows_read: int = 0
    rows_kept: int = 0
    rows_quarantined: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    """Rows dropped, by the name of the rule."""
    rows_by_file: dict[str, int] = field(default_factory=dict)
    """Rows read from each file."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Quarantined rows by the kind of reason."""
    examples: list[Quarantined] = field(default_factory=list)
    """The first quarantined rows; all of them went to the sink."""
    derived: list[DerivedCount] = field(default_factory=list)
    recoded: list[RecodedCount] = field(default_factory=list)
    nulled: dict[str, NulledCount] = field(default_factory=dict)
    """By column, for each whose cells become nulls where they can't be parsed."""
    merge: MergeCount | None = None

    @property
    def balanced(self) -> bool:
        """Whether no row is unaccounted for."""
        return self.rows_read == self.rows_kept + self.dropped.total() + self.rows_quarantined

    def quarantine(self, rows: Sequence[Quarantined]) -> None:
        """Count rows that went to quarantine."""
        self.rows_quarantined += len(rows)
        self.reasons.update(row.kind for row in rows)
        self.examples.extend(rows[: EXAMPLE_ROWS - len(self.examples)])

    def drop(self, rule: str, rows: int) -> None:
        """Count rows that a rule drops; none count, too: the rule was there."""
        self.dropped[rule] += rows

    @classmethod
    def merged(cls, accounts: Sequence[Account], files: Sequence[str]) -> Account:
        """One account of several readers' files, as if one had read them all.

        Args:
            accounts: by one recipe, each of other files.
            files: all files, in the order of the table.
        """
        order = {file: place for place, file in enumerate(files)}
        rows = {file: count for each in accounts for file, count in each.rows_by_file.items()}
        examples = [row for each in accounts for row in each.examples]
        merges = [each.merge for each in accounts if each.merge]
        return cls(
            rows_read=sum(each.rows_read for each in accounts),
            rows_kept=sum(each.rows_kept for each in accounts),
            rows_quarantined=sum(each.rows_quarantined for each in accounts),
            dropped=_total(each.dropped for each in accounts),
            rows_by_file={file: rows[file] for file in files if file in rows},
            reasons=_total(each.reasons for each in accounts),
            examples=sorted(examples, key=lambda row: (order[row.file], row.row))[:EXAMPLE_ROWS],
            derived=[_joined(parts, order) for parts in zip(*(a.derived for a in accounts), strict=True)],
            recoded=[_joined(parts, order) for parts in zip(*(a.recoded for a in accounts), strict=True)],
            nulled={
                column: _joined([each.nulled[column] for each in accounts], order)
                for column in (accounts[0].nulled if accounts else ())
            },
            merge=_merges_joined(merges, order) if merges else None,
        )


def _total(counters: Iterable[Counter[str]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for each in counters:
        total.update(each)
    return total


def _joined(parts: Sequence[Count], order: Mapping[str, int]) -> Count:
    examples = Examples.merged([part.examples for part in parts], order)
    return replace(parts[0], unmatched=sum(part.unmatched for part in parts), examples=examples)


def _merges_joined(parts: Sequence[MergeCount], order: Mapping[str, int]) -> MergeCount:
    examples = Examples.merged([part.unmatched_examples for part in parts], order)
    return replace(parts[0], unmatched=sum(part.unmatched for part in parts), unmatched_examples=examples)
