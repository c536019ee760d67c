"""Counts of training rows are the same however the rows are parted, ordered and merged."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.features import Learning, numbers
from sluice.features.numbers import NumberCounts, Scale

from .builders import COLUMNS, rows

NUMBERS = st.lists(
    st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, -0.0, 1.5]), max_size=60
)
thorough = settings(deadline=None, derandomize=True, max_examples=200)


def counts(*parts):
    counted = NumberCounts()
    for part in parts:
        counted.take(np.array(part, np.float64))
    return counted


def same(one, other):
    return all(
        np.array_equal(mine, others) for mine, others in zip(one.sorted(), other.sorted(), strict=True)
    )


@thorough
@given(found=NUMBERS, cut=st.integers(0, 60), exact=st.sampled_from([3, 20, 1000]), seed=st.integers(0, 9))
def test_numbers_are_counted_alike_in_any_parts_and_order(found, cut, exact, seed):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numbers, "EXACT_NUMBERS", exact)
        whole, merged = counts(found), counts(found[cut:])
        merged.merge(counts(found[:cut]))
        turned = counts(*np.random.default_rng(seed).permutation(found)[:, None])
        assert same(whole, merged)
        assert same(whole, turned)
        assert whole.sorted()[1].sum() == len(found)


def test_the_scale_is_the_one_of_all_numbers():
    found = np.random.default_rng(1).normal(50, 20, 5000).round(1)
    scale = Scale.fit("weight", counts(found[:1234], found[1234:]), 1.5)
    first, third = np.percentile(found, [25, 75])
    assert (scale.low, scale.high) == pytest.approx(
        (first - 1.5 * (third - first), third + 1.5 * (third - first))
    )
    clipped = np.clip(found, scale.low, scale.high)
    assert (scale.mean, scale.deviation) == pytest.approx((clipped.mean(), clipped.std()))


def test_more_different_numbers_than_are_kept_cost_one_part_in_eight_thousand_at_most(monkeypatch):
    monkeypatch.setattr(numbers, "EXACT_NUMBERS", 1000)
    found = np.random.default_rng(2).lognormal(6, 3, 100_000)
    values, times = counts(*np.array_split(found, 7)).sorted()
    assert len(values) < 100_000
    assert times.sum() == 100_000
    for share in (0.01, 0.25, 0.5, 0.75, 0.99):
        assert numbers._quantile(values, times, share) == pytest.approx(
            np.quantile(found, share), rel=1 / 4096
        )


def test_the_largest_numbers_do_not_become_infinite(monkeypatch):
    monkeypatch.setattr(numbers, "EXACT_NUMBERS", 1)
    values, _ = counts([np.finfo(np.float64).max, -np.finfo(np.float64).max, 1.0]).sorted()
    assert np.isfinite(values).all()


def test_labels_categories_and_numbers_are_learned_alike_in_parts():
    found = [
        {"kind": kind, "colour": c, "town": t} for kind, c, t in zip("abcab", "xxyzx", "ttuvv", strict=True)
    ]
    whole = Learning.of([rows(*found)], COLUMNS)
    parts = Learning.of([rows(*found[3:])], COLUMNS)
    parts.merge(Learning.of([rows(row) for row in found[:3]], COLUMNS))
    assert parts.labels == whole.labels == ("a", "b", "c")
    assert parts.vocabularies(2) == whole.vocabularies(2)
    assert parts.scales(1.5) == whole.scales(1.5)
