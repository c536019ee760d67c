"""Numbers are clipped and standardised by what the training rows taught."""

import numpy as np
import pytest

from .builders import fitted, rows

WEIGHTS = [1.0, 2.0, 3.0, 4.0, 100.0]


def training(weights):
    return rows(*({"weight": weight} for weight in weights))


def scaled(features, *weights):
    made = features.transform(training(weights))
    return made.column("weight_scaled").to_numpy(), made.column("weight_missing").to_pylist()


def test_numbers_have_mean_0_and_deviation_1_on_the_training_rows():
    values, missing = scaled(fitted(training(WEIGHTS)), *WEIGHTS)
    assert values.mean() == pytest.approx(0, abs=1e-6)
    assert values.std() == pytest.approx(1, abs=1e-6)
    assert missing == [0] * 5


def test_outliers_are_clipped_to_the_fences():
    features = fitted(training(WEIGHTS), clip_iqr=1.5)
    (scale,) = features.learned.scales
    assert (scale.low, scale.high) == (2 - 1.5 * 2, 4 + 1.5 * 2)
    clipped = np.clip(WEIGHTS, -1, 7)
    assert (scale.mean, scale.deviation) == (pytest.approx(clipped.mean()), pytest.approx(clipped.std()))
    (high, low, far, further), _ = scaled(features, 7.0, -1.0, 1e9, -1e9)
    assert (far, further) == (high, low)


def test_the_readable_number_stays_as_it_was_read():
    made = fitted(training(WEIGHTS), clip_iqr=1.5).transform(training([1e9, None]))
    assert made.column("weight").to_pylist() == [1e9, None]


def test_a_missing_number_is_0_and_flagged():
    values, missing = scaled(fitted(training([*WEIGHTS, None])), None, 1.0, float("nan"), float("inf"))
    assert values.tolist()[0] == values.tolist()[2] == values.tolist()[3] == 0
    assert missing == [1, 0, 1, 1]


@pytest.mark.parametrize("same", [0.1, 0.0])
def test_numbers_that_are_all_the_same_stay_small(same):
    features = fitted(training([same] * 7), clip_iqr=1.5)
    assert scaled(features, same, same + 1)[0].tolist() == [0, 1]


def test_fences_that_would_flatten_everything_are_not_put_up():
    features = fitted(training([5.0] * 8 + [1.0, 9.0]), clip_iqr=1.5)
    low, middle, high = scaled(features, 1.0, 5.0, 9.0)[0].tolist()
    assert low < middle < high


def test_a_column_without_a_number_in_training_is_harmless():
    assert scaled(fitted(training([None, None]), clip_iqr=1.5), 3.0)[0].tolist() == [3.0]
