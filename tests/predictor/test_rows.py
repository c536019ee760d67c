"""Rows are stored without padding and padded only as far as their neighbours need."""

import numpy as np
import pyarrow as pa

from sluice.predictor import EncodedRows, ModelDescription, RowEncoder


def three_rows(columns=2):
    tokens = np.array([5, 6, 7, 8, 5, 9], np.int32)
    return EncodedRows(
        tokens,
        np.array([3, 1, 2]),
        np.arange(3 * columns).reshape(3, columns),
        np.ones((3, columns), np.float32),
        1,
    )


def test_rows_are_padded_to_the_longest_of_them():
    fed = three_rows().feed(np.array([2, 0]))
    assert fed["input_ids"].tolist() == [[5, 9, 1], [5, 6, 7]]
    assert fed["attention_mask"].tolist() == [[1, 1, 0], [1, 1, 1]]
    assert fed["categories"].tolist() == [[4, 5], [0, 1]]


def test_short_rows_by_themselves_stay_short():
    assert three_rows().feed(np.array([1]))["input_ids"].tolist() == [[8]]


def test_a_model_without_other_columns_is_fed_text_alone():
    assert list(three_rows(columns=0).feed(np.array([0]))) == ["input_ids", "attention_mask"]


def test_parts_become_one():
    rows = EncodedRows.concatenate([three_rows(), three_rows()])
    assert len(rows) == 6
    assert rows.feed(np.array([5]))["input_ids"].tolist() == [[5, 9]]


def test_the_first_rows_are_rows_too():
    assert three_rows().head(2).feed(np.array([1, 0]))["input_ids"].tolist() == [[8, 1, 1], [5, 6, 7]]


def test_long_texts_are_cut_and_still_end_as_the_backbone_expects(folder):
    encoder = RowEncoder.open(ModelDescription.read(folder), folder)
    numbers = ("weight_scaled", "weight_missing")
    categories = ("colour_encoded", "country_encoded", "town_encoded")
    texts = ["box " * 40, "box"]
    batch = pa.record_batch(
        {"combined_text": texts}
        | {name: pa.array([0, 0], pa.int32()) for name in categories}
        | {name: pa.array([0, 0], pa.float32()) for name in numbers}
    )
    fed = encoder.encode(batch).feed(np.array([0, 1]))["input_ids"]
    first, last = fed[1][0], fed[1][2]
    assert fed.shape == (2, 16)
    assert (fed[0][0], fed[0][-1]) == (first, last)
