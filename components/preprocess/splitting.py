"""How rows are sampled and parted: by seeded hashes of row ids and groups, so that batches make no difference."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from sluice.recipe.model import Splitting

TRAINING, VALIDATION, TEST = range(3)

Parts = NDArray[np.int8]
"""Each row's split."""
Hashes = NDArray[np.uint64]


def seeded(values: Hashes, seed: int, purpose: str) -> Hashes:
    """A hash of each value, another one for each seed and purpose; different values never share one."""
    key = hashlib.blake2b(f"{purpose} {seed}".encode(), digest_size=8).digest()
    return _mix(_mix(values) ^ np.frombuffer(key, "<u8")[0])


def sample(row_ids: NDArray[np.int64], rows: int, seed: int) -> NDArray[np.bool_]:
    """Flags of exactly `rows` rows, or of all if there are no more."""
    chosen = np.zeros(len(row_ids), np.bool_)
    chosen[np.argsort(seeded(row_ids.view(np.uint64), seed, "sample"))[:rows]] = True
    return chosen


def split(
    row_ids: NDArray[np.int64], labels: NDArray[np.int32], groups: Hashes | None, settings: Splitting
) -> Parts:
    """Part the rows.

    Without groups each class has its share of each split, exact to one row, and at least one training row if it has
    two; unstratified, that goes for all rows together, and the training row too. With groups, whole groups are dealt
    to the split that lacks most rows, class by class of their most frequent label, whatever their size; only a group
    more than twice as large as a split is to be goes to training.

    Args:
        row_ids: int64.
        labels: the rows' classes, 0 and up.
        groups: rows with the same number stay together.
        settings: shares, seed, whether to stratify.
    """
    shares = np.array([settings.train, settings.validation, settings.test])
    if groups is not None:
        return _split_groups(labels, groups, shares, settings)
    strata = labels if settings.stratify else np.zeros_like(labels)
    hashes = seeded(row_ids.view(np.uint64), settings.seed, "split")
    parts = _split_rows(strata, hashes, shares)
    return parts if settings.stratify else _with_each_class_in_training(parts, labels, hashes)


def _split_rows(strata: NDArray[np.int32], hashes: Hashes, shares: NDArray[np.float64]) -> Parts:
    sizes = np.unique(strata, return_counts=True)[1]
    counts = allocate(sizes, shares)
    parts = np.empty(len(strata), np.int8)
    parts[np.lexsort((hashes, strata))] = np.repeat(
        np.tile(np.arange(len(shares)), len(sizes)), counts.ravel()
    )
    return parts


def allocate(sizes: NDArray[np.int64], shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """How many rows of each class go to each split: [classes, splits].

    Each count is its share rounded up or down; what rounding does to one class, the next ones make good, so the
    splits' totals are right too. A class with two rows or more gets a training row.
    """
    owed = np.zeros(len(shares))
    counts = np.empty((len(sizes), len(shares)), np.int64)
    for row, size in enumerate(sizes):
        exact = size * shares
        whole = np.floor(exact + 1e-9).astype(np.int64)
        owed += exact - whole
        whole[np.argsort(-owed, kind="stable")[: size - whole.sum()]] += 1
        if size > 1 and not whole[TRAINING]:
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


def _split_groups(
    labels: NDArray[np.int32], groups: Hashes, shares: NDArray[np.float64], settings: Splitting
) -> Parts:
    units, unit_of_row, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    strata = _most_frequent(labels, unit_of_row) if settings.stratify else np.zeros(len(units), np.int64)
    order = np.lexsort((seeded(units, settings.seed, "split"), strata))
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
