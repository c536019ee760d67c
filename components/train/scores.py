"""The two scores that epochs are compared by."""

from __future__ import annotations

import numpy as np

from sluice.predictor.rows import Array


def accuracy(truth: Array, predicted: Array) -> float:
    """The share of rows predicted right; int64 [rows] both."""
    return float(np.mean(truth == predicted))


def macro_f1(truth: Array, predicted: Array) -> float:
    """The mean F1 over every class that is true or predicted somewhere, each counting the same; int64 [rows] both."""
    classes = int(max(truth.max(), predicted.max())) + 1
    right = np.bincount(truth[truth == predicted], minlength=classes)
    seen = np.bincount(truth, minlength=classes) + np.bincount(predicted, minlength=classes)
    occurring = seen > 0
    return float(np.mean(2 * right[occurring] / seen[occurring]))
