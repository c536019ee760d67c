"""Mistakes in a recipe's expectations, found before any row is read."""

import pytest

from components.preprocess.validate.expectations import check_expectations, expectation_mistakes
from sluice.contract import RecipeError
from sluice.recipe import Expectation, ValidateSettings


def mistakes(kind: str, **kwargs) -> list[str]:
    return check_expectations([Expectation(type=kind, kwargs=kwargs)])


def test_sound_expectations_have_no_mistakes():
    assert mistakes("expect_column_values_to_be_between", column="weight", min_value=0, mostly=0.9) == []
    assert mistakes("expect_column_mean_to_be_between", column="weight", max_value=0) == []


def test_a_misspelt_type_is_told_with_its_place_and_what_was_meant():
    assert mistakes("expect_column_values_to_not_be_nul", column="fruit") == [
        "expectations[0].type: 'expect_column_values_to_not_be_nul' is not an expectation of great-expectations; "
        "did you mean 'expect_column_values_to_not_be_null'?"
    ]


def test_an_unknown_argument_is_told_with_those_there_are():
    assert mistakes("expect_column_values_to_not_be_null", column="fruit", mosty=0.9) == [
        "expectations[0].kwargs.mosty: expect_column_values_to_not_be_null has no such argument; "
        "allowed: column, mostly, row_condition, condition_parser; did you mean 'mostly'?"
    ]


@pytest.mark.parametrize("argument", ["result_format", "catch_exceptions", "severity", "meta", "batch_id"])
def test_what_the_gate_decides_itself_is_no_argument(argument):
    assert len(mistakes("expect_column_values_to_not_be_null", column="fruit", **{argument: "COMPLETE"})) == 1


def test_a_missing_argument_is_told():
    assert mistakes("expect_column_values_to_be_in_set", column="fruit") == [
        "expectations[0].kwargs.value_set: expect_column_values_to_be_in_set: field required"
    ]


def test_a_value_that_great_expectations_refuses_is_told_once():
    assert mistakes("expect_column_values_to_be_between", column="weight", min_value="low") == [
        "expectations[0].kwargs.min_value: expect_column_values_to_be_between: value is not a valid float"
    ]


def test_an_expectation_that_can_not_fail_is_refused():
    assert mistakes("expect_table_row_count_to_be_between") == [
        "expectations[0].kwargs: expect_table_row_count_to_be_between without bounds can't fail; "
        "allowed: min_value, max_value or both"
    ]
    assert mistakes("expect_column_values_to_not_be_null", column="fruit", mostly=0) == [
        "expectations[0].kwargs.mostly: expect_column_values_to_not_be_null for no value at all can't fail; "
        "allowed: more than 0"
    ]
    assert mistakes("expect_column_distinct_values_to_contain_set", column="fruit", value_set=[]) == [
        "expectations[0].kwargs.value_set: is empty; allowed: one value or more"
    ]


def test_bounds_between_which_there_is_nothing_are_refused():
    kind = "expect_column_values_to_be_between"
    assert mistakes(kind, column="weight", min_value=5, max_value=1) == [
        f"expectations[0].kwargs.min_value: {kind} can't hold: nothing is between 5.0 and 1.0; "
        "allowed: at most max_value"
    ]
    assert mistakes(
        "expect_column_max_to_be_between", column="sent", min_value="2021-01-01", max_value="2020-01-01"
    )
    assert mistakes("expect_table_row_count_to_be_between", min_value=9, max_value=8)  # its own objection
    assert mistakes(kind, column="weight", min_value=1, max_value=1) == []
    assert mistakes(kind, column="weight", min_value=1, max_value=1, strict_min=True) == [
        f"expectations[0].kwargs.min_value: {kind} can't hold: nothing is between 1.0 and 1.0; "
        "allowed: less than max_value"
    ]


def test_a_regular_expression_that_is_none_is_refused():
    assert mistakes("expect_column_values_to_match_regex", column="fruit", regex="[a") == [
        "expectations[0].kwargs.regex: '[a' is no regular expression: unterminated character set at position 0"
    ]
    kind = "expect_column_values_to_match_regex_list"
    assert mistakes(kind, column="fruit", regex_list=["a+", "(b"]) == [
        "expectations[0].kwargs.regex_list[1]: '(b' is no regular expression: "
        "missing ), unterminated subpattern at position 0"
    ]
    assert mistakes(kind, column="fruit", regex_list=["a+", "b"]) == []


def test_a_suite_parameter_is_refused_because_nothing_fills_it_in():
    assert mistakes(
        "expect_column_max_to_be_between", column="weight", max_value={"$PARAMETER": "limit"}
    ) == ["expectations[0].kwargs: $PARAMETER is not filled in here; allowed: the value itself"]


def test_every_mistake_is_told_at_once():
    told = check_expectations(
        [
            Expectation(type="expect_the_best"),
            Expectation(type="expect_column_to_exist", kwargs={"column": "fruit"}),
            Expectation(type="expect_column_to_exist", kwargs={"colum": "fruit", "index": 1}),
        ]
    )
    assert [line.split(":")[0] for line in told] == [
        "expectations[0].type",
        "expectations[2].kwargs.colum",
        "expectations[2].kwargs.index",
    ]


def test_a_table_that_nothing_is_asked_of_is_told():
    only_train = Expectation(
        type="expect_column_to_exist", kwargs={"column": "fruit"}, tables=("train", "test")
    )
    assert check_expectations([only_train]) == [
        "expectations: nothing is asked of the table validation, and a suite without expectations passes; "
        "allowed: at least one for each table"
    ]


def test_a_mistake_carries_its_path_so_that_its_line_can_be_looked_up():
    (mistake,) = expectation_mistakes([Expectation(type="expect_the_best")])
    assert mistake.path == ("expectations", 0, "type")


def test_a_misspelt_type_closes_the_gate_before_anything_is_written(gate):
    gate.expectations = (*gate.expectations, Expectation(type="expect_column_values_to_not_be_nul"))
    with pytest.raises(
        RecipeError, match=r"1 mistake in the recipe\n  expectations\[1\]\.type: .* did you mean"
    ):
        gate.run()
    assert not list(gate.report.iterdir())


def test_an_empty_suite_closes_the_gate(gate):
    empty = ValidateSettings.model_construct(**{**dict(gate.settings()), "expectations": ()})
    gate.settings = lambda: empty
    with pytest.raises(RecipeError, match="nothing is asked of the table train"):
        gate.run()
