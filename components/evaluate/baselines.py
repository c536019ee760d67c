"""The two predictors that a model is always measured beside: the class shares, and a linear model of words and columns."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from components.evaluate.rows import labelled_batches
from components.evaluate.scores import Array
from sluice.contract import Table

if TYPE_CHECKING:
    from components.evaluate.measure import Predict
    from sluice.features import FittedFeatures

Sparse = Any
"""A scipy.sparse.csr_matrix; scipy ships no types."""
BATCH = 8_192
"""Rows turned into a matrix at a time."""

WORDS = {"ngram_range": (1, 2), "sublinear_tf": True}
"""TF-IDF over lower-cased words of two letters or more and their pairs: all of them, as log(1 + count), rows scaled to length 1."""
REGRESSION = {"C": 10.0, "tol": 1e-4, "max_iter": 1_000}
"""Multinomial logistic regression by L-BFGS with an L2 penalty; no class weights, so that it is tuned for accuracy and
loss as the majority is. Short texts want a weak penalty: C = 10 beats scikit-learn's default of 1 on them."""


class Majority:
    """Gives every row the classes' shares of the training rows, so it predicts the most frequent class."""

    def __init__(self, counts: Array) -> None:
        with np.errstate(divide="ignore", invalid="ignore"):
            self._shares = np.log(counts / counts.sum())

    def logits(self, batch: pa.RecordBatch) -> Array:
        """The logarithms of the shares, float64 [rows, classes]."""
        return np.broadcast_to(self._shares, (batch.num_rows, len(self._shares)))


def fit_baselines(
    features: FittedFeatures, training: Table
) -> tuple[dict[str, Predict], dict[str, Any] | None]:
    """Both baselines, fitted on the training rows, as functions from rows to logits; and how the linear one was fitted.

    Where the training rows are of fewer than two classes there is no linear baseline.
    """
    counts = np.zeros(len(features.labels), np.int64)
    for _, truth in labelled_batches(training, features, BATCH):
        counts += np.bincount(truth, minlength=len(counts))
    majority: dict[str, Predict] = {"majority": Majority(counts).logits}
    if np.count_nonzero(counts) < 2:
        return majority, None
    linear = Linear(features, training)
    return {**majority, "linear": linear.logits}, linear.facts


class Linear:
    """TF-IDF of the text, one-hot categories and hierarchy levels, and scaled numbers → logistic regression.

    It reads the same columns in the same form as the model does. Its matrix is sparse but in memory as a whole.

    Attributes:
        facts: how it was fitted, as JSON.
    """

    def __init__(self, features: FittedFeatures, training: Table) -> None:
        """Fit it; there are at least two classes in the training rows."""
        self._features = features
        self._words = _fit_words(training, features.text_column)
        matrix, classes = self._training_matrix(training)
        self._regression, converged = _fit_regression(matrix, classes)
        self.facts = {
            "what": "TF-IDF + one-hot + scaled numbers, logistic regression (scikit-learn)",
            "tfidf": {**WORDS, "ngram_range": [1, 2]},
            "regression": {**REGRESSION, "solver": "lbfgs", "penalty": "l2", "class_weight": None},
            "training_rows": matrix.shape[0],
            "inputs": matrix.shape[1],
            "iterations": int(self._regression.n_iter_.max()),
            "converged": converged,
        }

    def logits(self, batch: pa.RecordBatch) -> Array:
        """The logits, float64 [rows, classes]; minus infinity for a class it never saw."""
        logits = np.full((batch.num_rows, len(self._features.labels)), -np.inf)
        scores = self._regression.decision_function(self._matrix(batch))
        if scores.ndim == 1:  # of two classes scikit-learn gives the second one's odds alone
            scores = np.column_stack([np.zeros(len(scores)), scores])
        logits[:, self._regression.classes_] = scores
        return logits

    def _training_matrix(self, training: Table) -> tuple[Sparse, Array]:
        from scipy.sparse import vstack

        batches = labelled_batches(training, self._features, BATCH)
        blocks, classes = zip(*((self._matrix(batch), truth) for batch, truth in batches), strict=True)
        return vstack(blocks, format="csr"), np.concatenate(classes)

    def _matrix(self, batch: pa.RecordBatch) -> Sparse:
        """The rows as [rows, words + categories + numbers], sparse float32."""
        from scipy.sparse import csr_matrix, hstack

        f = self._features
        blocks = [_one_hot(batch[name].to_numpy(), f.cardinalities[name]) for name in f.category_columns]
        blocks += [
            csr_matrix(batch[name].to_numpy().astype(np.float32)[:, None]) for name in f.number_columns
        ]
        if self._words is not None:
            blocks.insert(0, self._words.transform(batch[f.text_column].to_pylist()))
        return hstack(blocks, format="csr", dtype=np.float32)


def _fit_words(training: Table, column: str) -> Any:
    """A fitted TF-IDF; none if no text holds a word."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(**WORDS, dtype=np.float32)
    try:
        return words.fit(_texts(training, column))
    except ValueError as error:
        if "empty vocabulary" in str(error):
            return None
        raise


def _texts(training: Table, column: str) -> Iterator[str]:
    for batch in training.batches([column], BATCH):
        yield from batch[column].to_pylist()


def _fit_regression(matrix: Sparse, classes: Array) -> tuple[Any, bool]:
    """The fitted regression, and whether it came to rest within its iterations."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # told in the report, as `converged`
        regression = LogisticRegression(**REGRESSION).fit(matrix, classes)
    return regression, bool(regression.n_iter_.max() < REGRESSION["max_iter"])


def _one_hot(indices: Array, size: int) -> Sparse:
    from scipy.sparse import csr_matrix

    rows = len(indices)
    return csr_matrix((np.ones(rows, np.float32), indices, np.arange(rows + 1)), shape=(rows, size))
