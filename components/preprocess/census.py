"""What pass one learns of the rows, in parts that merge: how many there are of each class, and what training rows say.

Where a row goes is known at once in a large table: its hash says it. In a small table, and for small classes, chance
would part the rows too roughly; there rows wait, undecided, until all are counted. So memory is bounded by what
"small" means, and whatever the parts and their order, the census is the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from components.preprocess.splitting import (
    SPLIT_COUNT,
    TRAINING,
    Hashes,
    Parts,
    Shares,
    by_time,
    draw,
    seeded,
)
from components.preprocess.spool import GROUP, PLACE
from sluice.features import Learning
from sluice.features.learning import learned_columns
from sluice.recipe.parts import PreprocessSettings

SMALL_TABLE = 262_144
"""Up to so many rows a table is parted exactly."""
SMALL_CLASS = 256
"""Up to so many rows a class is parted exactly, however large the table."""
STEP = 131_072
"""New rows that may wait before those that need not are settled."""


class Census:
    """The rows of the raw files, or of some of them, counted for one recipe."""

    def __init__(self, settings: PreprocessSettings, rows: int | None = None) -> None:
        """Begin to count.

        Args:
            settings: the recipe's part.
            rows: how many rows to sample; all, if not given.
        """
        self.settings = settings
        self.sample = Sample(rows, settings.split.seed) if rows else None
        self.classes: Counter[str] = Counter()
        """Rows of each class."""
        self.null_labels = 0
        self.no_times = 0
        self.times: list[datetime] = []
        """The least and the greatest time seen, where rows are parted by their time."""
        self.learning = Learning(settings.columns)
        """What the settled training rows say."""
        self.settled: dict[str, NDArray[np.int64]] = {}
        """The settled rows of each class in each split."""
        self._waiting: list[pa.RecordBatch] = []
        self._looked_through = 0

    def take(self, rows: pa.RecordBatch) -> None:
        """Count some rows of a spool."""
        if self.sample:
            self.sample.take(rows)
        else:
            self._count(rows)

    def merge(self, other: Census) -> None:
        """Add what was counted elsewhere, for the same recipe."""
        if self.sample and other.sample:
            self.sample.merge(other.sample)
        self.classes.update(other.classes)
        self.null_labels += other.null_labels
        self.no_times += other.no_times
        self._see_times(other.times)
        self.learning.merge(other.learning)
        for label, parts in other.settled.items():
            self.settled[label] = self.settled.get(label, 0) + parts
        self._waiting += other._waiting
        self._settle()

    def close(self) -> None:
        """All rows have been taken and merged: count those that were sampled."""
        if self.sample:
            for batch in self.sample.rows():
                self._count(batch)
        self._settle()

    @property
    def small(self) -> bool:
        """Whether all rows are parted exactly."""
        return self.classes.total() <= SMALL_TABLE

    def waiting(self, classes: Sequence[str]) -> pa.RecordBatch:
        """The rows of these classes that are undecided."""
        table = pa.Table.from_batches(self._waiting)
        wanted = pc.is_in(table[self.settings.columns.label], pa.array(classes, pa.string()))
        return _one_batch(table.filter(wanted))

    def _count(self, rows: pa.RecordBatch) -> None:
        settings = self.settings
        rows = rows.select(_counted(settings, rows.schema.names))
        rows, missing = _without_nulls(rows, settings.columns.label)
        self.null_labels += missing
        if settings.split.by_time and settings.columns.time:
            rows, missing = _without_nulls(rows, settings.columns.time)
            self.no_times += missing
            self._see_times(pc.min_max(rows.column(settings.columns.time)).as_py().values())
        for one in pc.value_counts(rows.column(settings.columns.label)).to_pylist():
            self.classes[one["values"]] += one["counts"]
        self._waiting.append(rows)
        if sum(map(len, self._waiting)) >= self._looked_through + STEP:
            self._settle()

    def _see_times(self, times: Iterable[datetime | None]) -> None:
        known = [*self.times, *(time for time in times if time is not None)]
        self.times = [min(known), max(known)] if known else []

    def _settle(self) -> None:
        """Decide on the rows that need not wait."""
        if self.small or not self._waiting:
            return
        label = self.settings.columns.label
        least = max(SMALL_CLASS, self.settings.rare_classes.minimum_rows)
        large = pa.array([name for name, count in self.classes.items() if count > least], pa.string())
        table = pa.Table.from_batches(self._waiting)
        decided = pc.is_in(table[label], large)
        self._waiting = [_one_batch(table.filter(pc.invert(decided)))]
        self._looked_through = len(self._waiting[0])
        rows = _one_batch(table.filter(decided))
        self.learn(rows, parts_by_chance(rows, self.settings))

    def learn(self, rows: pa.RecordBatch, parts: Parts) -> None:
        """Learn from rows whose splits are decided."""
        self.learning.take(rows.filter(pa.array(parts == TRAINING)))
        encoded = rows.column(self.settings.columns.label).dictionary_encode()
        labels = encoded.dictionary.to_pylist()
        counts = np.bincount(
            encoded.indices.to_numpy() * SPLIT_COUNT + parts, minlength=SPLIT_COUNT * len(labels)
        )
        for name, found in zip(labels, counts.reshape(-1, SPLIT_COUNT), strict=True):
            self.settled[name] = self.settled.get(name, 0) + found


class Sample:
    """The rows with the smallest hashes of all, exactly as many as were asked for if there are so many."""

    def __init__(self, rows: int, seed: int) -> None:
        self.wanted, self.seed = rows, seed
        self.seen = 0
        """Rows there are to choose from."""
        self._kept: list[pa.RecordBatch] = []

    def take(self, rows: pa.RecordBatch) -> None:
        """Take some rows, and keep those that may be among the smallest."""
        self.seen += len(rows)
        self._kept.append(rows)
        if sum(map(len, self._kept)) > 2 * self.wanted + STEP:
            self._prune()

    def merge(self, other: Sample) -> None:
        """Add what was sampled elsewhere."""
        self.seen += other.seen
        self._kept += other._kept
        self._prune()

    @property
    def limit(self) -> int:
        """The largest hash of a sampled row."""
        hashes = self._hashes()
        return (
            int(np.partition(hashes, self.wanted - 1)[self.wanted - 1])
            if len(hashes) >= self.wanted
            else 2**64 - 1
        )

    def rows(self) -> list[pa.RecordBatch]:
        """The sampled rows."""
        self._prune()
        return self._kept

    def _hashes(self) -> Hashes:
        return np.concatenate(
            [np.empty(0, np.uint64), *(sample_hashes(rows, self.seed) for rows in self._kept)]
        )

    def _prune(self) -> None:
        limit = np.uint64(self.limit)
        self._kept = [rows.filter(pa.array(sample_hashes(rows, self.seed) <= limit)) for rows in self._kept]


def sample_hashes(rows: pa.RecordBatch, seed: int) -> Hashes:
    """The hashes that rows are sampled by."""
    return seeded(rows.column(PLACE).to_numpy().view(np.uint64), seed, "sample")


def units_of(rows: pa.RecordBatch) -> Hashes:
    """What is never parted: each row's group, or its place."""
    if GROUP in rows.schema.names:
        groups: Hashes = rows.column(GROUP).to_numpy()
        return groups
    places: Hashes = rows.column(PLACE).to_numpy().view(np.uint64)
    return places


def shares_of(settings: PreprocessSettings) -> Shares:
    """The splits' shares."""
    return np.array([settings.split.train, settings.split.validation, settings.split.test])


def parts_by_chance(rows: pa.RecordBatch, settings: PreprocessSettings) -> Parts:
    """Each row's split by its time or its hash, whatever the other rows are."""
    if settings.split.by_time and settings.columns.time:
        return by_time(rows.column(settings.columns.time).cast(pa.int64()).to_numpy(), settings.split.by_time)
    return draw(units_of(rows), shares_of(settings), settings.split.seed, "split")


def _counted(settings: PreprocessSettings, there: list[str]) -> list[str]:
    named = [*learned_columns(settings.columns), PLACE]
    named += [GROUP] if GROUP in there else []
    named += [settings.columns.time] if settings.split.by_time and settings.columns.time else []
    return list(dict.fromkeys(named))


def _without_nulls(rows: pa.RecordBatch, column: str) -> tuple[pa.RecordBatch, int]:
    missing = rows.column(column).null_count
    return (rows.filter(rows.column(column).is_valid()) if missing else rows), missing


def _one_batch(table: pa.Table) -> pa.RecordBatch:
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], table.schema)
