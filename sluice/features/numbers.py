"""How numbers are clipped and standardised, learned on the training rows."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sluice.contract import Strict


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
    def fit(cls, column: str, numbers: NDArray[np.float64], clip_iqr: float | None) -> Self:
        """Learn from the training rows' numbers, missing ones left out.

        Args:
            column: the column.
            numbers: float64, finite; may be empty.
            clip_iqr: how many inter-quartile ranges the fences are outside the quartiles; none for no fences.
        """
        low, high = _fences(numbers, clip_iqr)
        clipped = numbers if low is None else np.clip(numbers, low, high)
        mean, deviation = _moments(clipped)
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


def _fences(numbers: NDArray[np.float64], clip_iqr: float | None) -> tuple[float | None, float | None]:
    if clip_iqr is None or not len(numbers):
        return None, None
    first, third = np.percentile(numbers, [25, 75])
    reach = clip_iqr * (third - first)
    if not reach > 0:
        return None, None  # half the numbers are the same: fences there would flatten all others
    return float(first - reach), float(third + reach)


def _moments(numbers: NDArray[np.float64]) -> tuple[float, float]:
    if not len(numbers):
        return 0.0, 1.0
    if numbers.min() == numbers.max():
        return float(numbers[0]), 1.0  # rounding would make the deviation tiny, not zero
    return float(numbers.mean()), float(numbers.std())
