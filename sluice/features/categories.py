"""The index of each category, learned on the training rows; a level of a hierarchy is known by its parents' path."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc

from sluice.contract import Strict

UNKNOWN = 0
"""The index of what is null, wasn't seen in training, or was seen there too rarely."""

Path = tuple[str, ...]


class Vocabulary(Strict):
    """The values of one column. A plain category is a path of one column."""

    columns: tuple[str, ...]
    """The column, after its parents from the top down."""
    paths: tuple[Path, ...]
    """The known values, each after its parents, sorted; the first has index 1."""

    @classmethod
    def fit(cls, columns: Sequence[str], counts: Mapping[Path, int], minimum_count: int) -> Self:
        """Learn the values that were counted often enough."""
        paths = sorted(path for path, count in counts.items() if count >= minimum_count)
        return cls(columns=tuple(columns), paths=tuple(paths))

    @property
    def column(self) -> str:
        """The column whose values these are."""
        return self.columns[-1]

    @property
    def cardinality(self) -> int:
        """How many indices there are, unknown included."""
        return len(self.paths) + 1

    def encode(self, values: Sequence[Any]) -> Any:
        """The index of each row's value, int32.

        Args:
            values: one string array for each of ``columns``.
        """
        found = pc.index_in(path_keys(values), value_set=self._keys)
        return pc.add(pc.fill_null(found, UNKNOWN - 1), pa.scalar(1, pa.int32()))

    @cached_property
    def _keys(self) -> Any:
        levels = zip(*self.paths, strict=True) if self.paths else [()] * len(self.columns)
        return path_keys([pa.array(level, pa.string()) for level in levels])


class PathCounter:
    """Counts the paths of a hierarchy, batch by batch."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = tuple(columns)
        self._leaves: Counter[tuple[str | None, ...]] = Counter()

    def count(self, rows: pa.RecordBatch) -> None:
        """Take some training rows; all columns are strings."""
        table = pa.table(
            [rows.column(name) for name in self.columns], list(map(str, range(len(self.columns))))
        )
        grouped = table.group_by(table.column_names).aggregate([([], "count_all")])
        *levels, counts = (grouped.column(name).to_pylist() for name in [*table.column_names, "count_all"])
        for path, count in zip(zip(*levels, strict=True), counts, strict=True):
            self._leaves[path] += count

    def merge(self, other: PathCounter) -> None:
        """Add what another one counted."""
        self._leaves.update(other._leaves)

    def fit(self, minimum_count: int) -> list[Vocabulary]:
        """The vocabulary of each level, from the top down."""
        depths = range(1, len(self.columns) + 1)
        return [Vocabulary.fit(self.columns[:d], self._counts(d), minimum_count) for d in depths]

    def _counts(self, depth: int) -> Counter[Path]:
        counts: Counter[Path] = Counter()
        for leaf, count in self._leaves.items():
            path = _without_nulls(leaf[:depth])
            if path:
                counts[path] += count
        return counts


def _without_nulls(path: Iterable[str | None]) -> Path | None:
    known = tuple(path)
    return None if None in known else known  # type: ignore[return-value]


def path_keys(levels: Sequence[Any]) -> Any:
    """One string per row that only rows with the same path share; null where a level is.

    Each value goes after its length, so no value can look like two.
    """
    parts = [part for level in levels for part in (pc.binary_length(level).cast(pa.string()), level)]
    return pc.binary_join_element_wise(*parts, ":")
