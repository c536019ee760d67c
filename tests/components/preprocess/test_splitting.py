"""Whatever the rows: each is in one split, groups stay whole, shares hold, and the order of rows makes no difference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.preprocess.splitting import (
    TEST,
    TRAINING,
    VALIDATION,
    Dealing,
    allocate,
    by_time,
    deal,
    draw,
    seeded,
)
from sluice.recipe.model import TimeSplit

ROWS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 12)), min_size=1, max_size=150)
"""Each row's label and group."""
SHARES = st.sampled_from(
    [(0.8, 0.1, 0.1), (0.6, 0.2, 0.2), (0.34, 0.33, 0.33), (0.1, 0.45, 0.45), (0.98, 0.01, 0.01)]
)

thorough = settings(deadline=None, derandomize=True, max_examples=200)


def split(ids, labels, groups, how):
    shares, seed, stratify = how
    units = np.asarray(ids, np.int64).view(np.uint64) if groups is None else groups
    dealing = Dealing(seed, "split", stratify, groups is not None, trains=True)
    return deal(units, labels, np.array(shares), dealing)


def how(shares=(0.8, 0.1, 0.1), seed=3, stratify=True):
    return shares, seed, stratify


def columns(rows):
    labels, groups = zip(*rows, strict=True)
    return np.arange(len(rows)), np.array(labels, np.int32), np.array(groups, np.uint64)


@thorough
@given(rows=ROWS, shares=SHARES, seed=st.integers(), stratify=st.booleans(), grouped=st.booleans())
def test_each_row_is_in_exactly_one_split_and_order_makes_no_difference(
    rows, shares, seed, stratify, grouped
):
    ids, labels, groups = columns(rows)
    settings = how(shares, seed, stratify)
    parts = split(ids, labels, groups if grouped else None, settings)
    assert len(parts) == len(rows)
    assert set(parts.tolist()) <= {TRAINING, VALIDATION, TEST}
    turned = np.random.default_rng(0).permutation(len(rows))
    again = split(ids[turned], labels[turned], groups[turned] if grouped else None, settings)
    assert (again == parts[turned]).all()


@thorough
@given(rows=ROWS, shares=SHARES, seed=st.integers())
def test_each_class_has_its_shares_to_one_row_and_a_training_row(rows, shares, seed):
    ids, labels, _ = columns(rows)
    parts = split(ids, labels, None, how(shares, seed))
    for label in set(labels.tolist()):
        mine = parts[labels == label]
        for part, share in enumerate(shares):
            assert abs((mine == part).sum() - len(mine) * share) <= 1 + 1e-9
        assert len(mine) == 1 or (mine == TRAINING).any()


@thorough
@given(rows=ROWS, shares=SHARES, seed=st.integers(), stratify=st.booleans())
def test_no_group_is_parted(rows, shares, seed, stratify):
    ids, labels, groups = columns(rows)
    parts = split(ids, labels, groups, how(shares, seed, stratify))
    for group in set(groups.tolist()):
        assert len(set(parts[groups == group].tolist())) == 1


@thorough
@given(rows=ROWS, shares=SHARES, seed=st.integers())
def test_unstratified_each_class_still_has_a_training_row(rows, shares, seed):
    ids, labels, _ = columns(rows)
    parts = split(ids, labels, None, how(shares, seed, stratify=False))
    assert set(labels[parts == TRAINING].tolist()) == set(labels.tolist())


@thorough
@given(rows=ROWS, folds=st.integers(2, 7), seed=st.integers(), stratify=st.booleans())
def test_folds_are_equal_to_one_row_in_each_class(rows, folds, seed, stratify):
    ids, labels, _ = columns(rows)
    dealing = Dealing(seed, "fold", stratify, grouped=False, trains=False)
    parts = deal(ids.view(np.uint64), labels, np.full(folds, 1 / folds), dealing)
    for mine in [parts[labels == label] for label in set(labels.tolist())] if stratify else [parts]:
        counts = np.bincount(mine, minlength=folds)
        assert counts.max() - counts.min() <= (2 if stratify else 1)


def test_drawn_parts_come_near_the_shares_and_depend_on_nothing_but_the_unit():
    units = np.arange(100_000, dtype=np.uint64)
    shares = np.array([0.8, 0.1, 0.1])
    parts = draw(units, shares, 3, "split")
    assert np.bincount(parts) / 100_000 == pytest.approx(shares, abs=0.005)
    assert (draw(units[5000:5100], shares, 3, "split") == parts[5000:5100]).all()
    assert 0.5 < (draw(units, shares, 4, "split") == parts).mean() < 0.9


def test_time_parts_the_past_from_what_came_after():
    days = np.array(
        ["2020-12-31T23:59:59", "2021-01-01", "2021-01-31", "2021-02-01", "2030-01-01"], "datetime64[s]"
    )
    parts = by_time(days.astype(np.int64), TimeSplit(validation_from="2021-01-01", test_from="2021-02-01"))
    assert parts.tolist() == [TRAINING, VALIDATION, VALIDATION, TEST, TEST]


def test_what_rounding_does_to_small_classes_is_made_good_by_the_next_ones():
    counts = allocate(np.full(100, 5), np.array([0.8, 0.1, 0.1]))
    assert counts.sum(axis=0).tolist() == [400, 50, 50]


def test_shares_that_binary_numbers_miss_by_a_hair_are_exact():
    assert allocate(np.array([10]), np.array([0.7, 0.2, 0.1])).tolist() == [[7, 2, 1]]


@pytest.mark.parametrize("stratify", [True, False])
@pytest.mark.parametrize("grouped", [True, False])
def test_another_seed_parts_otherwise(stratify, grouped):
    ids, labels = np.arange(300), np.repeat(np.arange(3, dtype=np.int32), 100)
    groups = (ids // 2).astype(np.uint64) if grouped else None
    first, second = (split(ids, labels, groups, how(seed=seed, stratify=stratify)) for seed in (1, 2))
    assert 0.5 < (first == second).mean() < 0.9


def test_whole_groups_come_near_the_shares_in_each_class():
    ids = np.arange(4000)
    groups = (ids // 4).astype(np.uint64)
    labels = (groups % 3).astype(np.int32)
    parts = split(ids, labels, groups, how())
    for label in range(3):
        mine = np.bincount(parts[labels == label], minlength=3) / (labels == label).sum()
        assert mine == pytest.approx([0.8, 0.1, 0.1], abs=0.01)


def test_a_group_as_large_as_a_quarter_of_all_rows_goes_to_training():
    groups = np.r_[np.zeros(250), np.arange(1, 751)].astype(np.uint64)
    parts = split(np.arange(1000), np.zeros(1000, np.int32), groups, how())
    assert parts[0] == TRAINING
    assert np.bincount(parts).tolist() == [800, 100, 100]


def test_the_same_value_has_another_hash_for_another_purpose():
    values = np.arange(1000, dtype=np.uint64)
    hashes = {seeded(values, seed, purpose).tobytes() for seed in (1, 2) for purpose in ("sample", "split")}
    assert len(hashes) == 4
    assert len(np.unique(seeded(values, 1, "split"))) == 1000


def test_large_groups_are_in_every_split_not_only_in_training():
    sizes = np.tile([1, 1, 1, 1, 16], 400)
    groups = np.repeat(np.arange(len(sizes)), sizes).astype(np.uint64)
    ids, labels = np.arange(len(groups)), np.zeros(len(groups), np.int32)
    parts = split(ids, labels, groups, how())
    large = np.repeat(sizes, sizes) == 16
    shares = [large[parts == part].mean() for part in (TRAINING, VALIDATION, TEST)]
    assert shares == pytest.approx([0.8, 0.8, 0.8], abs=0.1)


def test_a_group_far_larger_than_a_split_goes_to_training():
    groups = np.repeat([0, *range(1, 61)], [40, *[1] * 60]).astype(np.uint64)
    for seed in range(20):
        parts = split(np.arange(100), np.zeros(100, np.int32), groups, how(seed=seed))
        assert set(parts[groups == 0].tolist()) == {TRAINING}


def test_nine_equal_groups_fill_every_split():
    groups = np.repeat(np.arange(9), 10).astype(np.uint64)
    for seed in range(20):
        parts = split(np.arange(90), np.zeros(90, np.int32), groups, how(seed=seed))
        assert np.bincount(parts, minlength=3).tolist() == [70, 10, 10]
