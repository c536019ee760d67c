"""The metrics mean what scikit-learn means by them, however the rows arrive."""

from __future__ import annotations

from math import inf, isnan, log, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from components.evaluate.scores import METRICS, Scores


def scored(logits, truth) -> Scores:
    logits = np.array(logits, np.float32)
    scores = Scores(logits.shape[1])
    scores.add(logits, np.array(truth))
    return scores


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 120),
    classes=st.integers(2, 12),
    batch=st.integers(1, 50),
)
def test_every_metric_is_scikit_learns(seed, rows, classes, batch):
    numbers = np.random.default_rng(seed)
    truth = numbers.integers(0, numbers.integers(1, classes + 1), rows)
    logits = (2 * numbers.normal(size=(rows, classes))).astype(np.float32)
    logits[np.arange(rows), truth] += 1
    scores = Scores(classes)
    for start in range(0, rows, batch):
        scores.add(logits[start : start + batch], truth[start : start + batch])

    predicted, known = logits.argmax(axis=1), np.arange(classes)
    odds = np.exp(logits.astype(np.float64))
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    expected = {
        "loss": sk.log_loss(truth, probabilities, labels=known),
        "accuracy": sk.accuracy_score(truth, predicted),
        "macro_f1": sk.f1_score(truth, predicted, average="macro", zero_division=0),
        "weighted_f1": sk.f1_score(truth, predicted, average="weighted", zero_division=0),
        "top_3_accuracy": 1.0 if classes <= 3 else sk.top_k_accuracy_score(truth, logits, k=3, labels=known),
        "top_5_accuracy": 1.0 if classes <= 5 else sk.top_k_accuracy_score(truth, logits, k=5, labels=known),
    }
    assert scores.metrics() == pytest.approx(expected)
    assert (scores.confusion == sk.confusion_matrix(truth, predicted, labels=known)).all()
    by_class = sk.precision_recall_fscore_support(truth, predicted, labels=known, zero_division=0)
    found = scores.per_class()
    for mine, theirs in zip((found.precision, found.recall, found.f1, found.support), by_class, strict=True):
        assert mine == pytest.approx(theirs)


def test_a_class_that_neither_occurs_nor_is_predicted_does_not_count_in_macro_f1():
    assert scored([[9, 0, 0], [0, 9, 0]], [0, 1]).metrics()["macro_f1"] == 1


def test_a_class_that_is_predicted_but_does_not_occur_counts_as_nothing_in_macro_f1():
    assert scored([[9, 0, 0], [0, 0, 9]], [0, 0]).metrics()["macro_f1"] == pytest.approx((2 / 3 + 0) / 2)


def test_of_equally_high_logits_the_first_class_is_the_prediction_and_stands_first_in_the_ranking():
    first, fourth = scored([[0, 0, 0, 0]], [0]), scored([[0, 0, 0, 0]], [3])
    assert first.metrics()["accuracy"] == 1
    assert (fourth.metrics()["accuracy"], fourth.metrics()["top_3_accuracy"]) == (0, 0)
    assert fourth.metrics()["top_5_accuracy"] == 1


def test_an_impossible_class_has_an_infinite_loss_and_nothing_else_is_infinite():
    metrics = scored([[0, -inf]], [1]).metrics()
    assert metrics.pop("loss") == inf
    assert set(metrics.values()) == {0.0, 1.0}


def test_huge_logits_do_not_overflow():
    assert scored([[3e38, 0], [-3e38, -3e38]], [0, 0]).metrics()["loss"] == pytest.approx(log(2) / 2)


@pytest.mark.parametrize(
    "row", [[nan, 0.0], [inf, 0.0], [-inf, -inf]], ids=["NaN", "infinity", "nothing possible"]
)
def test_one_row_without_finite_scores_makes_every_metric_nan(row):
    scores = scored([[1, 0], row], [0, 0])
    assert (scores.rows, scores.unscored) == (2, 1)
    assert list(scores.metrics()) == list(METRICS)
    assert all(isnan(value) for value in scores.metrics().values())


def test_an_unscored_row_has_no_prediction():
    answers = Scores(2).add(np.array([[nan, 0], [0, 5]]), np.array([0, 1]))
    assert answers.predicted.tolist() == [-1, 1]
    assert isnan(answers.confidence[0])
    assert answers.confidence[1] == pytest.approx(0.9933071)


def test_without_rows_every_metric_is_nan():
    assert all(isnan(value) for value in scored(np.zeros((0, 3)), np.zeros(0, int)).metrics().values())
