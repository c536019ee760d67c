"""What the metrics mean: counts that grow batch by batch, and the numbers that are computed from them."""

from __future__ import annotations

from math import nan
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]

TOPS = (3, 5)


class PerClass(NamedTuple):
    """One array per measure, each with one value per class."""

    support: Array
    """Rows of the class."""
    predicted: Array
    """Rows predicted to be of the class."""
    precision: Array
    recall: Array
    f1: Array


class Answers(NamedTuple):
    """One predictor's answers for some rows."""

    predicted: Array
    """int64 [rows]; the index of the predicted class, -1 for an unscored row."""
    confidence: Array
    """float64 [rows]; the predicted class's probability, NaN for an unscored row."""


class Scores:
    """How well one predictor does on the rows that it was shown.

    Definitions, the same for the model and the baselines:

    - loss is the mean cross-entropy in nats;
    - a row's prediction is the class of its highest logit, the first of them if several are equally high; top-3 and
      top-5 accuracy break ties in the same way;
    - precision, recall and F1 of a class are 0 where their denominator is 0;
    - macro F1 is the plain mean of F1 over the classes that occur among the rows or were predicted for one of them
      (scikit-learn's convention): a class that does not occur but is predicted counts as 0, one that neither occurs
      nor is predicted does not count;
    - weighted F1 is the mean of F1 weighted by the classes' rows.

    A row whose logits hold a NaN or a positive infinity, or nothing above minus infinity, is unscored. With an
    unscored row, or without any row, every metric is NaN.
    """

    def __init__(self, classes: int) -> None:
        self.confusion = np.zeros((classes, classes), np.int64)
        """[true, predicted] rows."""
        self.unscored = 0
        self._loss = 0.0
        self._hits = dict.fromkeys(TOPS, 0)

    @property
    def rows(self) -> int:
        """The rows seen so far."""
        return int(self.confusion.sum()) + self.unscored

    def add(self, logits: Array, truth: Array) -> Answers:
        """Count some rows.

        Args:
            logits: [rows, classes].
            truth: integer [rows]; the index of each row's class.

        Returns:
            Each row's prediction.
        """
        log_probabilities = log_softmax(logits)
        scored = ~np.isnan(log_probabilities).any(axis=1)
        self.unscored += int((~scored).sum())
        own, kept, true = logits[scored], log_probabilities[scored], truth[scored]
        rows, predicted, ranks = np.arange(len(true)), own.argmax(axis=1), ranks_of(own, true)
        self._loss -= float(kept[rows, true].sum())
        np.add.at(self.confusion, (true, predicted), 1)
        for top in TOPS:
            self._hits[top] += int((ranks < top).sum())
        answers = Answers(np.full(len(truth), -1), np.full(len(truth), nan))
        answers.predicted[scored], answers.confidence[scored] = predicted, np.exp(kept[rows, predicted])
        return answers

    def metrics(self) -> dict[str, float]:
        """The headline numbers by name."""
        if self.unscored or not self.rows:
            return dict.fromkeys(METRICS, nan)
        by_class, rows = self.per_class(), self.rows
        counted = (by_class.support + by_class.predicted) > 0
        values = (
            self._loss / rows,
            float(np.trace(self.confusion)) / rows,
            float(by_class.f1[counted].mean()),
            float(by_class.f1 @ by_class.support) / rows,
            *(self._hits[top] / rows for top in TOPS),
        )
        return dict(zip(METRICS, values, strict=True))

    def per_class(self) -> PerClass:
        """Precision, recall, F1 and support of each class."""
        right = np.diag(self.confusion)
        support, predicted = self.confusion.sum(axis=1), self.confusion.sum(axis=0)
        return PerClass(
            support,
            predicted,
            _share(right, predicted),
            _share(right, support),
            _share(2 * right, support + predicted),
        )


METRICS = ("loss", "accuracy", "macro_f1", "weighted_f1", *(f"top_{top}_accuracy" for top in TOPS))


def log_softmax(logits: Array) -> Array:
    """The logarithms of the probabilities, float64 [rows, classes]; a logit of minus infinity is a probability of 0."""
    wide = np.asarray(logits, np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        shifted = wide - wide.max(axis=1, keepdims=True)
        return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def ranks_of(logits: Array, classes: Array) -> Array:
    """How many classes stand before the given one of each row: those with a higher logit, or an equal one and first."""
    own = logits[np.arange(len(classes)), classes][:, None]
    first = np.arange(logits.shape[1]) < classes[:, None]
    return np.asarray(((logits > own) | ((logits == own) & first)).sum(axis=1))


def _share(part: Array, whole: Array) -> Array:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
