"""What the training rows say about labels, categories and numbers, counted so that it can be learned from in parts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc

from sluice.features.categories import PathCounter, Vocabulary
from sluice.features.numbers import NumberCounts, Scale
from sluice.recipe.model import Columns


class Learning:
    """Counts of training rows. In whatever order and parts they are taken and merged, the counts are the same."""

    def __init__(self, columns: Columns) -> None:
        self._label = columns.label
        self._labels: set[str] = set()
        self._paths = [PathCounter([name]) for name in columns.categorical]
        self._paths += [PathCounter(levels) for levels in columns.hierarchical.values()]
        self._numbers = {name: NumberCounts() for name in columns.numeric}

    @classmethod
    def of(cls, rows: Iterable[pa.RecordBatch], columns: Columns) -> Self:
        """Count rows that are at hand."""
        learning = cls(columns)
        for batch in rows:
            learning.take(batch)
        return learning

    def take(self, rows: pa.RecordBatch) -> None:
        """Count some training rows: label, categories and levels as strings, numbers as float64."""
        self._labels.update(pc.unique(rows.column(self._label)).to_pylist())
        for counter in self._paths:
            counter.count(rows)
        for name, counts in self._numbers.items():
            counts.take(rows.column(name).drop_null().to_numpy())

    def merge(self, other: Learning) -> None:
        """Add what was counted elsewhere, for the same recipe."""
        self._labels |= other._labels
        for mine, others in zip(self._paths, other._paths, strict=True):
            mine.merge(others)
        for name, counts in self._numbers.items():
            counts.merge(other._numbers[name])

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, sorted."""
        return tuple(sorted(self._labels))

    def vocabularies(self, minimum_count: int) -> tuple[Vocabulary, ...]:
        """One per category and per level of a hierarchy, in the recipe's order."""
        return tuple(v for counter in self._paths for v in counter.fit(minimum_count))

    def scales(self, clip_iqr: float | None) -> tuple[Scale, ...]:
        """One per numeric column, in the recipe's order."""
        return tuple(Scale.fit(name, counts, clip_iqr) for name, counts in self._numbers.items())


def learned_columns(columns: Columns) -> list[str]:
    """The columns that learning looks at."""
    named = [columns.label, *columns.categorical, *columns.numeric]
    named += [level for levels in columns.hierarchical.values() for level in levels]
    return list(dict.fromkeys(named))
