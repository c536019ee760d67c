"""Why an expectation doesn't hold, in the sentence that a user reads."""

import pytest

from components.preprocess.validate.words import failure
from sluice.recipe import Expectation


def values(unexpected, of=100, nulls=0, examples=()):
    """great-expectations' result for an expectation of each value."""
    counts = {"element_count": of, "unexpected_count": unexpected, "missing_count": nulls}
    return {**counts, "partial_unexpected_list": list(examples)}


SENTENCES = {
    "training: weight: 31 of 16,000 values outside 0..1,000,000 (e.g. -5, 2.5e+06)": (
        Expectation(
            type="expect_column_values_to_be_between",
            kwargs={"column": "weight", "min_value": 0, "max_value": 1e6},
        ),
        values(31, of=16_004, nulls=4, examples=[-5.0, -5.0, 2_500_000.5]),
    ),
    "training: weight: 3 of 100 values below 0 (e.g. -1); at most 2.00% may be": (
        Expectation(
            type="expect_column_values_to_be_between",
            kwargs={"column": "weight", "min_value": 0, "mostly": 0.98},
        ),
        values(3, examples=[-1]),
    ),
    "training: fruit: 2 of 100 values null": (
        Expectation(type="expect_column_values_to_not_be_null", kwargs={"column": "fruit"}),
        values(2, examples=[None, None]),
    ),
    'training: fruit: 1 of 100 values not among ["apple", "pear"] (e.g. plum)': (
        Expectation(
            type="expect_column_values_to_be_in_set",
            kwargs={"column": "fruit", "value_set": ["apple", "pear"]},
        ),
        values(1, examples=["plum"]),
    ),
    "training: note: 4 of 100 values of a length above 250 (e.g. aaa)": (
        Expectation(
            type="expect_column_value_lengths_to_be_between", kwargs={"column": "note", "max_value": 250}
        ),
        values(4, examples=["aaa"]),
    ),
    "training: code: 4 of 90 values not matching ^[0-9]+$ (e.g. x1), where weight > 0": (
        Expectation(
            type="expect_column_values_to_match_regex",
            kwargs={"column": "code", "regex": "^[0-9]+$", "row_condition": "weight > 0"},
        ),
        values(4, of=90, examples=["x1"]),
    ),
    "training: a and b: 7 of 100 values failing expect_column_pair_values_to_be_equal() (e.g. [1, 2])": (
        Expectation(type="expect_column_pair_values_to_be_equal", kwargs={"column_A": "a", "column_B": "b"}),
        values(7, examples=[[1, 2], [1, 2]]),
    ),
    "training: row count 12, below 100": (
        Expectation(type="expect_table_row_count_to_be_between", kwargs={"min_value": 100}),
        {"observed_value": 12},
    ),
    "training: column count 6, not 5": (
        Expectation(type="expect_table_column_count_to_equal", kwargs={"value": 5}),
        {"observed_value": 6},
    ),
    "training: weight: mean 17.25, outside 0..5": (
        Expectation(
            type="expect_column_mean_to_be_between",
            kwargs={"column": "weight", "min_value": 0, "max_value": 5},
        ),
        {"observed_value": 17.25},
    ),
    "training: fruit: 2 values missing (e.g. fig, plum)": (
        Expectation(
            type="expect_column_distinct_values_to_contain_set",
            kwargs={"column": "fruit", "value_set": ["fig", "plum"]},
        ),
        {"observed_value": None, "missing_count": 2, "partial_missing_list": ["fig", "plum"]},
    ),
    'training: fruit: 1 distinct value not among ["fig"] (e.g. plum)': (
        Expectation(
            type="expect_column_distinct_values_to_be_in_set",
            kwargs={"column": "fruit", "value_set": ["fig"]},
        ),
        {"observed_value": None, "unexpected_count": 1, "partial_unexpected_list": ["plum"]},
    ),
    "training: fig: there is no such column": (
        Expectation(type="expect_column_to_exist", kwargs={"column": "fig"}),
        {},
    ),
    'training: expect_table_columns_to_match_set(column_set=["a"]) doesn\'t hold: found {"missing": ["a"]}': (
        Expectation(type="expect_table_columns_to_match_set", kwargs={"column_set": ["a"]}),
        {"observed_value": ["b"], "details": {"mismatched": {"missing": ["a"]}}},
    ),
}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_failure_says_where_how_many_and_for_example_which(sentence):
    assert failure("training", *SENTENCES[sentence]) == sentence


def test_a_long_value_is_cut():
    asked, result = SENTENCES["training: note: 4 of 100 values of a length above 250 (e.g. aaa)"]
    told = failure("training", asked, {**result, "partial_unexpected_list": ["a" * 1000]})
    assert told.endswith("aaa…)")
    assert len(told) < 250
