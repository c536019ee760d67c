"""The scores are scikit-learn's, without scikit-learn."""

import warnings

import numpy as np
import pytest

from components.train.scores import accuracy, macro_f1


@pytest.mark.parametrize("seed", range(5))
def test_macro_f1_is_what_scikit_learn_says(seed):
    from sklearn.metrics import f1_score

    random = np.random.default_rng(seed)
    truth, predicted = random.integers(0, 6, 40), random.integers(2, 9, 40)
    with warnings.catch_warnings(action="ignore"):
        assert macro_f1(truth, predicted) == pytest.approx(f1_score(truth, predicted, average="macro"))


def test_a_class_that_is_neither_true_nor_predicted_does_not_count():
    assert macro_f1(np.array([0, 3]), np.array([0, 3])) == 1.0


def test_every_class_counts_the_same_however_rare():
    truth, predicted = np.array([0] * 98 + [1, 1]), np.zeros(100, int)
    assert accuracy(truth, predicted) == pytest.approx(0.98)
    assert macro_f1(truth, predicted) == pytest.approx((2 * 98 / 198 + 0) / 2)
