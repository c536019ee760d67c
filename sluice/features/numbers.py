"""How numbers are clipped and standardised, learned on the training rows."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sluice.contract import Strict

EXACT_NUMBERS = 1 << 17
"""Different numbers that are counted without rounding."""
DROPPED_BITS = 40
"""The bits of a double's fraction, of 52, that rounding drops."""


class Scale(Strict):
    """One numeric column: clipped to its fences, then brought to mean 0 and deviation 1 on the training rows."""

    column: str
    low: float | None
    """The lower fence; none leaves the numbers as they are."""
    high: float | None
    """The upper fence."""
    mean: float
    """Of the clipped training numbers."""
    deviation: float
    """Of the clipped training numbers; 1 where they are all the same."""

    @classmethod
    def fit(cls, column: str, counts: NumberCounts, clip_iqr: float | None) -> Self:
        """Learn from the training rows' numbers.

        Args:
            column: the column.
            counts: how often each number occurs, missing ones left out; may be empty.
            clip_iqr: how many inter-quartile ranges the fences are outside the quartiles; none for no fences.
        """
        values, times = counts.sorted()
        low, high = _fences(values, times, clip_iqr)
        clipped = values if low is None else np.clip(values, low, high)
        mean, deviation = _moments(clipped, times)
        return cls(column=column, low=low, high=high, mean=mean, deviation=deviation)

    def apply(self, numbers: Any) -> tuple[Any, Any]:
        """A float64 column as its scaled numbers, 0 where missing, and its missing flags, 1 where missing; float32.

        NaN and infinity count as missing.
        """
        values = numbers.to_numpy(zero_copy_only=False)
        missing = ~np.isfinite(values)
        clipped = values if self.low is None else np.clip(values, self.low, self.high)
        scaled = np.divide(clipped - self.mean, self.deviation, out=np.zeros_like(values), where=~missing)
        return pa.array(scaled, pa.float32()), pa.array(missing.astype(np.float32))


class NumberCounts:
    """How often each number occurs, in memory that doesn't grow with the rows; taken and merged in any order.

    Up to `EXACT_NUMBERS` different numbers are counted as they are. From there on numbers are rounded to 13 significant
    bits, one part in 8,192, of which no more than some hundred thousand are met in practice.
    """

    def __init__(self) -> None:
        self._values = np.empty(0)
        self._times = np.empty(0, np.int64)
        self._rounded = False
        self._pending: list[NDArray[np.float64]] = []

    def take(self, numbers: NDArray[np.float64]) -> None:
        """Count finite numbers."""
        self._pending.append(numbers + 0.0)  # which makes a negative zero the other one
        if sum(map(len, self._pending)) > EXACT_NUMBERS:
            self._count()

    def merge(self, other: NumberCounts) -> None:
        """Add what another one counted."""
        self._add(*other.sorted(), rounded=other._rounded)

    def sorted(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The different numbers in ascending order, and how often each occurs."""
        self._count()
        return self._values, self._times

    def _count(self) -> None:
        if self._pending:
            numbers = np.concatenate(self._pending)
            self._pending = []
            self._add(*np.unique(numbers, return_counts=True), rounded=False)

    def _add(self, values: NDArray[np.float64], times: NDArray[np.int64], *, rounded: bool) -> None:
        self._values, self._times = _together(
            np.concatenate([self._values, values]), np.concatenate([self._times, times])
        )
        if rounded or self._rounded or len(self._values) > EXACT_NUMBERS:
            self._rounded = True
            self._values, self._times = _together(_rounded(self._values), self._times)


def _together(values: NDArray[np.float64], times: NDArray[np.int64]) -> tuple[Any, Any]:
    different, place = np.unique(values, return_inverse=True)
    summed = np.zeros(len(different), np.int64)
    np.add.at(summed, place, times)
    return different, summed


def _rounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nearest numbers with 13 significant bits; the largest of all are cut off instead of becoming infinite."""
    bits = values.view(np.uint64)
    kept = np.uint64(~((1 << DROPPED_BITS) - 1) & (2**64 - 1))
    near = ((bits + np.uint64(1 << (DROPPED_BITS - 1))) & kept).view(np.float64)
    result: NDArray[np.float64] = np.where(np.isfinite(near), near, (bits & kept).view(np.float64))
    return result


def _fences(
    values: NDArray[np.float64], times: NDArray[np.int64], clip_iqr: float | None
) -> tuple[float | None, float | None]:
    if clip_iqr is None or not len(values):
        return None, None
    first, third = _quantile(values, times, 0.25), _quantile(values, times, 0.75)
    reach = clip_iqr * (third - first)
    if not reach > 0:
        return None, None  # half the numbers are the same: fences there would flatten all others
    return first - reach, third + reach


def _quantile(values: NDArray[np.float64], times: NDArray[np.int64], share: float) -> float:
    """The quantile of all numbers, between two of them on the straight line."""
    ends = np.cumsum(times)
    place = share * (int(ends[-1]) - 1)
    below, above = values[
        np.searchsorted(ends, [int(place), min(int(place) + 1, ends[-1] - 1)], side="right")
    ]
    return float(below + (place - int(place)) * (above - below))


def _moments(values: NDArray[np.float64], times: NDArray[np.int64]) -> tuple[float, float]:
    if not len(values):
        return 0.0, 1.0
    if values.min() == values.max():
        return float(values[0]), 1.0  # rounding would make the deviation tiny, not zero
    rows = int(times.sum())
    mean = float((values * times).sum() / rows)
    return mean, float(np.sqrt(((values - mean) ** 2 * times).sum() / rows))
