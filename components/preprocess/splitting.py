"""How rows are parted: by seeded hashes of their places and groups, so that batches and machines make no difference.

A unit is what is never parted: a row, known by its place, or a group, known by its hash. `deal` parts all units of a
table exactly; `draw` parts any of them on its own, and comes as near to the shares as many draws do.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sluice.recipe.model import TimeSplit

SPLIT_COUNT = 3
TRAINING, VALIDATION, TEST = range(SPLIT_COUNT)

Parts = NDArray[np.int8]
"""Each row's split or fold."""
Hashes = NDArray[np.uint64]
Shares = NDArray[np.float64]


def seeded(values: Hashes, seed: int, purpose: str) -> Hashes:
    """A hash of each value, another one for each seed and purpose; different values never share one."""
    key = hashlib.blake2b(f"{purpose} {seed}".encode(), digest_size=8).digest()
    return _mix(_mix(values) ^ np.frombuffer(key, "<u8")[0])


def draw(units: Hashes, shares: Shares, seed: int, purpose: str) -> Parts:
    """Part units without knowing any other: each by its hash alone."""
    edges = [min(round(edge * 2**64), 2**64 - 1) for edge in np.cumsum(shares)[:-1].tolist()]
    drawn = np.searchsorted(np.array(edges, np.uint64), seeded(units, seed, purpose), side="right")
    return drawn.astype(np.int8)


def by_time(seconds: NDArray[np.int64], days: TimeSplit) -> Parts:
    """Part rows by when they happened.

    Args:
        seconds: since 1970, as the files say it.
        days: the first days of validation and of test.
    """
    edges = np.array([days.validation_from, days.test_from], "datetime64[s]").astype(np.int64)
    return np.searchsorted(edges, seconds, side="right").astype(np.int8)


def deal(units: Hashes, labels: NDArray[np.int32], shares: Shares, how: Dealing) -> Parts:
    """Part all rows of a table.

    Without groups each class has its share of each part, exact to one row; unstratified, that goes for all rows
    together. Where the first part is the training rows, each class of two rows or more has one there. With groups,
    whole groups are dealt to the part that lacks most rows, class by class of their most frequent label, whatever their
    size; only a group more than twice as large as a part is to be goes to the first.

    Args:
        units: each row's unit.
        labels: the rows' classes, 0 and up.
        shares: the parts' shares, which add up to one.
        how: everything else.
    """
    if how.grouped:
        return _deal_groups(labels, units, shares, how)
    strata = labels if how.stratify else np.zeros_like(labels)
    hashes = seeded(units, how.seed, how.purpose)
    parts = _deal_rows(strata, hashes, shares, how.trains)
    if how.trains and not how.stratify:
        return _with_each_class_in_training(parts, labels, hashes)
    return parts


@dataclass(frozen=True)
class Dealing:
    """How rows are dealt."""

    seed: int
    purpose: str
    """What for; another hash for each purpose."""
    stratify: bool
    """Whether each class is to have its share of each part."""
    grouped: bool
    """Whether rows of one unit stay together."""
    trains: bool
    """Whether the first part is what is learned from, so that no class may lack there."""


def _deal_rows(strata: NDArray[np.int32], hashes: Hashes, shares: Shares, trains: bool) -> Parts:
    sizes = np.unique(strata, return_counts=True)[1]
    counts = allocate(sizes, shares, trains)
    parts = np.empty(len(strata), np.int8)
    parts[np.lexsort((hashes, strata))] = np.repeat(
        np.tile(np.arange(len(shares)), len(sizes)), counts.ravel()
    )
    return parts


def allocate(sizes: NDArray[np.int64], shares: Shares, trains: bool = True) -> NDArray[np.int64]:
    """How many rows of each class go to each part: [classes, parts].

    Each count is its share rounded up or down; what rounding does to one class, the next ones make good, so the
    parts' totals are right too. Where the first part trains, a class with two rows or more gets a row there.
    """
    owed = np.zeros(len(shares))
    counts = np.empty((len(sizes), len(shares)), np.int64)
    for row, size in enumerate(sizes):
        exact = size * shares
        whole = np.floor(exact + 1e-9).astype(np.int64)
        owed += exact - whole
        whole[np.argsort(-owed, kind="stable")[: size - whole.sum()]] += 1
        if trains and size > 1 and not whole[TRAINING]:
            whole[np.argmax(whole - exact)] -= 1
            whole[TRAINING] += 1
        owed -= whole - np.floor(exact + 1e-9)
        counts[row] = whole
    return counts


def _with_each_class_in_training(parts: Parts, labels: NDArray[np.int32], hashes: Hashes) -> Parts:
    for label in np.setdiff1d(labels, labels[parts == TRAINING]):
        rows = np.flatnonzero(labels == label)
        parts[rows[np.argmin(hashes[rows])]] = TRAINING
    return parts


def _deal_groups(labels: NDArray[np.int32], groups: Hashes, shares: Shares, how: Dealing) -> Parts:
    units, unit_of_row, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    strata = _most_frequent(labels, unit_of_row) if how.stratify else np.zeros(len(units), np.int64)
    order = np.lexsort((seeded(units, how.seed, how.purpose), strata))
    # Where a unit goes must not depend on its size, or large groups would all end up in training and the other splits
    # would hold small ones only. The exception: a unit more than twice as large as the split is to be.
    room = (2 * shares * len(labels)).tolist()
    owed = (shares * sizes.mean()).tolist()
    parts = np.empty(len(units), np.int8)
    for unit, size in zip(order.tolist(), sizes[order].tolist(), strict=True):
        part = max(
            range(len(room)), key=lambda split: (size <= room[split] or split == TRAINING, owed[split])
        )
        owed = [owe + size * share for owe, share in zip(owed, shares.tolist(), strict=True)]
        owed[part] -= size
        parts[unit] = part
    return parts[unit_of_row]


def _most_frequent(labels: NDArray[np.int32], unit_of_row: NDArray[np.intp]) -> NDArray[np.int64]:
    """Each unit's most frequent label; the first of them in a tie."""
    classes = int(labels.max(initial=0)) + 1
    pairs, counts = np.unique(unit_of_row * classes + labels, return_counts=True)
    units, label = np.divmod(pairs, classes)
    best = np.lexsort((label, -counts, units))
    first = np.unique(units[best], return_index=True)[1]
    found: NDArray[np.int64] = label[best][first]
    return found


def _mix(values: Hashes) -> Hashes:
    """SplitMix64's output function: one to one."""
    mixed = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result: Hashes = mixed ^ (mixed >> np.uint64(31))
    return result
