"""Batches hold each row once, rows of similar length, and never a row alone."""

import numpy as np
import pytest

from components.train.rows import encode, shuffled_batches
from sluice.contract import TrainingFailed
from tests.builders.parcels import parcels


def batches(rows, size, seed=1):
    lengths = np.random.default_rng(0).integers(3, 60, rows)
    return lengths, shuffled_batches(lengths, size, np.random.default_rng(seed))


@pytest.mark.parametrize("rows", [2, 7, 8, 9, 64, 401, 3_203])
def test_an_epoch_has_each_row_once(rows):
    _, found = batches(rows, 8)
    assert sorted(np.concatenate(found)) == list(range(rows))


@pytest.mark.parametrize("rows", [9, 17, 401])
def test_a_single_row_left_over_joins_another_batch(rows):
    _, found = batches(rows, 8)
    assert {len(batch) for batch in found} <= {8, 9}


def test_batches_hold_rows_of_similar_length():
    lengths, found = batches(3_200, 8)
    padded = sum(len(batch) * lengths[batch].max() for batch in found)
    assert padded < 1.05 * lengths.sum()


def test_short_and_long_rows_take_turns():
    lengths, found = batches(3_200, 8)
    half = len(found) // 2
    first, second = (np.mean(lengths[np.concatenate(part)]) for part in (found[:half], found[half:]))
    assert first == pytest.approx(second, rel=0.1)


def test_the_order_is_the_seeds():
    assert all(np.array_equal(a, b) for a, b in zip(batches(99, 8)[1], batches(99, 8)[1], strict=True))
    assert not np.array_equal(np.concatenate(batches(99, 8)[1]), np.concatenate(batches(99, 8, seed=2)[1]))


def test_a_table_of_one_row_trains_nothing(tmp_path):
    table = parcels(tmp_path, validation=1).validation
    with pytest.raises(TrainingFailed) as error:
        encode(table, None, None, "kind_encoded")
    assert "too few rows to train a model with. Got: 1 rows. Allowed: 2 rows or more." in error.value.message
    assert "(split in the recipe)" in error.value.message
