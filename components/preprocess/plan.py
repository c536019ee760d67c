"""What becomes of each row that can be read: a split, or the rule that drops it; decided when all rows are counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from components.preprocess.census import (
    Census,
    parts_by_chance,
    sample_hashes,
    shares_of,
    units_of,
)
from components.preprocess.splitting import SPLIT_COUNT, TEST, Dealing, Hashes, Parts, deal, draw
from sluice.contract import InputError
from sluice.recipe.parts import PreprocessSettings


class Fate(IntEnum):
    """A row's split, or the rule that drops it. The splits come first, numbered as `splitting` numbers them."""

    TRAINING = 0
    VALIDATION = 1
    TEST = 2
    NOT_SAMPLED = 3
    NULL_LABEL = 4
    NO_TIME = 5
    RARE_CLASS = 6
    LABEL_NOT_IN_TRAINING = 7


SPLITS = (Fate.TRAINING, Fate.VALIDATION, Fate.TEST)

SHOWN_CLASSES = 5


@dataclass(frozen=True)
class Assigned:
    """Units whose part is not left to their hash: sorted, each with its part."""

    units: Hashes = field(default_factory=lambda: np.empty(0, np.uint64))
    parts: Parts = field(default_factory=lambda: np.empty(0, np.int8))

    @classmethod
    def of(cls, units: Hashes, parts: Parts) -> Assigned:
        """Each unit once."""
        once, first = np.unique(units, return_index=True)
        return cls(once, parts[first])

    def override(self, units: Hashes, parts: Parts) -> Parts:
        """The parts, with those of the assigned units in their places."""
        if not len(self.units):
            return parts
        place = np.minimum(np.searchsorted(self.units, units), len(self.units) - 1)
        overridden: Parts = np.where(self.units[place] == units, self.parts[place], parts)
        return overridden


@dataclass(frozen=True)
class Plan:
    """Says what becomes of any row by its place, group, label and time alone."""

    settings: PreprocessSettings
    sample_limit: int | None
    """The largest hash of a sampled row; none if all rows are taken."""
    classes: tuple[str, ...]
    """The classes that are left."""
    unlearnable: tuple[str, ...]
    """The classes that are absent from training."""
    assigned: Assigned
    """Splits that are not left to chance."""
    folds: Assigned
    """Folds that are not left to chance."""

    def fates(self, rows: pa.RecordBatch) -> NDArray[np.int8]:
        """Each row's `Fate`.

        Args:
            rows: rows of a spool.
        """
        columns, split = self.settings.columns, self.settings.split
        labels = rows.column(columns.label)
        fates = np.full(len(rows), Fate.RARE_CLASS, np.int8)
        fates[_is_in(labels, self.unlearnable)] = Fate.LABEL_NOT_IN_TRAINING
        kept = _is_in(labels, self.classes)
        if split.by_time and columns.time:
            untimed = rows.column(columns.time).is_null().to_numpy(zero_copy_only=False)
            fates[untimed] = Fate.NO_TIME
            kept &= ~untimed
        fates[labels.is_null().to_numpy(zero_copy_only=False)] = Fate.NULL_LABEL
        left = rows.filter(pa.array(kept))
        fates[kept] = self.assigned.override(units_of(left), parts_by_chance(left, self.settings))
        if self.sample_limit is not None:
            fates[sample_hashes(rows, split.seed) > np.uint64(self.sample_limit)] = Fate.NOT_SAMPLED
        return fates

    def folds_of(self, rows: pa.RecordBatch, fates: NDArray[np.int8]) -> pa.Array:
        """Each kept row's fold; null for test rows.

        Args:
            rows: rows of a spool.
            fates: their splits.
        """
        units, count = units_of(rows), self.settings.split.folds or 1
        drawn = draw(units, np.full(count, 1 / count), self.settings.split.seed, "fold")
        return pa.array(self.folds.override(units, drawn), mask=fates == TEST)


@dataclass(frozen=True)
class Outcome:
    """What the plan comes to."""

    rows: int
    """Rows that the tables will have together."""
    rules: Mapping[str, int]
    """Rows dropped by each rule."""
    classes: Mapping[str, int]
    """Classes removed as too rare or as absent from training, and their rows."""


def decide(census: Census) -> tuple[Plan, Outcome]:
    """Decide on every row, and learn from the training rows that were undecided.

    Args:
        census: all rows, counted; its `learning` is complete afterwards.

    Raises:
        InputError: nothing is left to learn from, or a split is empty.
    """
    settings = census.settings
    census.close()
    _require_labels(census)
    minimum = settings.rare_classes.minimum_rows
    rare = {name: rows for name, rows in census.classes.items() if rows < minimum}
    left = sorted(census.classes.keys() - rare)
    _require_classes(left, rare, census)
    assigned, folds = _assign(census, left)
    unlearnable = {name: census.classes[name] for name in left if not census.settled[name][Fate.TRAINING]}
    classes = tuple(name for name in left if name not in unlearnable)
    removed = dict(sorted({**rare, **unlearnable}.items()))
    _require_classes(classes, removed, census)
    parts = sum((census.settled[name] for name in classes), np.zeros(SPLIT_COUNT, np.int64))
    _require_splits(parts, classes, census)
    plan = Plan(
        settings,
        census.sample.limit if census.sample else None,
        classes,
        tuple(unlearnable),
        assigned,
        folds,
    )
    rules = {
        Fate.NOT_SAMPLED: max(census.sample.seen - census.sample.wanted, 0) if census.sample else 0,
        Fate.NULL_LABEL: census.null_labels,
        Fate.NO_TIME: census.no_times,
        Fate.RARE_CLASS: sum(rare.values()),
        Fate.LABEL_NOT_IN_TRAINING: sum(unlearnable.values()),
    }
    dropped = {rule.name.lower(): rows for rule, rows in rules.items()}
    return plan, Outcome(int(parts.sum()), dropped, removed)


def _assign(census: Census, classes: Sequence[str]) -> tuple[Assigned, Assigned]:
    """Decide on the rows that waited, and learn from them; the splits and folds that are not left to chance."""
    settings = census.settings
    rows = census.waiting(classes)
    units, parts = units_of(rows), _parts(census, rows)
    census.learn(rows, parts)
    folds = Assigned()
    if settings.split.folds and census.small:
        folds = Assigned.of(
            units[parts != TEST], _dealt_folds(rows.filter(pa.array(parts != TEST)), settings)
        )
    return Assigned.of(units, parts), folds


def _parts(census: Census, rows: pa.RecordBatch) -> Parts:
    """The splits of all rows that waited."""
    settings, split = census.settings, census.settings.split
    grouped = settings.columns.group is not None
    by_chance = split.by_time or (not census.small and (grouped or not split.stratify))
    if by_chance:
        return parts_by_chance(rows, settings)
    how = Dealing(split.seed, "split", split.stratify, grouped, trains=True)
    return deal(units_of(rows), _codes(rows, settings), shares_of(settings), how)


def _dealt_folds(rows: pa.RecordBatch, settings: PreprocessSettings) -> Parts:
    split, count = settings.split, settings.split.folds or 1
    how = Dealing(split.seed, "fold", split.stratify, settings.columns.group is not None, trains=False)
    return deal(units_of(rows), _codes(rows, settings), np.full(count, 1 / count), how)


def _codes(rows: pa.RecordBatch, settings: PreprocessSettings) -> NDArray[np.int32]:
    """The rows' classes as the places of their names in alphabetical order."""
    labels = rows.column(settings.columns.label)
    order = pa.array(sorted(pc.unique(labels).to_pylist()), pa.string())
    codes: NDArray[np.int32] = pc.index_in(labels, value_set=order).to_numpy()
    return codes


def _is_in(labels: pa.Array, names: Sequence[str]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (
        pc.is_in(labels, pa.array(names, pa.string())).to_numpy(zero_copy_only=False).copy()
    )
    return found


def _require_labels(census: Census) -> None:
    if not census.classes:
        untimed = f", {census.no_times:,} without a time" if census.no_times else ""
        raise InputError(
            "the label is null in every row",
            where=f"column {census.settings.columns.label}",
            got=f"{census.null_labels:,} rows without a label{untimed}",
            allowed="a label in most rows",
            next_step="Correct columns.label in the recipe, the pattern or list that makes it, or the data",
        )


def _require_classes(classes: Sequence[str], removed: Mapping[str, int], census: Census) -> None:
    if len(classes) > 1:
        return
    settings = census.settings
    raise InputError(
        "the label has a single class" if classes else "no class of the label is left",
        where=f"column {settings.columns.label}",
        got=(f"only {classes[0]!r}" if classes else "none") + _told(removed),
        allowed=f"two classes or more, each with at least {settings.rare_classes.minimum_rows} rows",
        next_step="Correct columns.label or rare_classes.minimum_rows in the recipe, "
        f"or {_give_more_rows(census)}",
    )


def _told(removed: Mapping[str, int]) -> str:
    shown = ", ".join(f"{name!r} ({rows})" for name, rows in sorted(removed.items())[:SHOWN_CLASSES])
    more = f" and {len(removed) - SHOWN_CLASSES:,} more" if len(removed) > SHOWN_CLASSES else ""
    return f"; too rare: {shown}{more}" if removed else ""


def _give_more_rows(census: Census) -> str:
    sampled = census.sample and census.sample.seen > census.sample.wanted
    return "give more rows: --rows asked for a sample" if sampled else "give more rows"


def _require_splits(parts: NDArray[np.int64], classes: Sequence[str], census: Census) -> None:
    empty = [fate.name.lower() for fate in SPLITS if not parts[fate]]
    if not empty:
        return
    split = census.settings.split
    how = f"{_in_groups(classes, census)} for the shares {split.train}, {split.validation}, {split.test}"
    if split.by_time:
        days = f"from {census.times[0]:%Y-%m-%d} to {census.times[1]:%Y-%m-%d}"
        parted = f"validation from {split.by_time.validation_from} and test from {split.by_time.test_from}"
        how = f", {days}, with {parted}"
    raise InputError(
        f"the {' and the '.join(empty)} split {'is' if len(empty) == 1 else 'are'} empty",
        where="split",
        got=f"{parts.sum():,} rows{how}",
        allowed="at least one row, or one whole group, in each split",
        next_step=f"Change the recipe's split, or {_give_more_rows(census)}",
    )


def _in_groups(classes: Sequence[str], census: Census) -> str:
    """How many groups there are is known of a small table, whose rows all waited."""
    group = census.settings.columns.group
    if not group:
        return ""
    if not census.small:
        return f" in groups of {group}"
    groups = len(np.unique(units_of(census.waiting(classes))))
    return f" in {groups:,} group{'' if groups == 1 else 's'} of {group}"
