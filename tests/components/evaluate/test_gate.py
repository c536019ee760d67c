"""What the metric gate answers, word for word, and that it fails closed."""

from __future__ import annotations

from math import inf, nan

import pytest

from components.evaluate.gate import Evidence, Threshold, judge, parse_thresholds, thresholds_of
from sluice.contract import InputError
from sluice.recipe import Gates, LinearBaseline

GOOD = {
    "loss": 0.5,
    "accuracy": 0.8,
    "macro_f1": 0.75,
    "weighted_f1": 0.8,
    "top_3_accuracy": 0.9,
    "top_5_accuracy": 0.95,
}


def answers(gates=None, *, thresholds="", rows=100, unscored=0, linear=0.6, without=(), **metrics):
    """The sentences of the rules that passed and of those that refused."""
    gates = gates or Gates()
    measured = {name: value for name, value in {**GOOD, **metrics}.items() if name not in without}
    rules = judge(gates, thresholds_of(gates, thresholds), Evidence(rows, unscored, measured, linear))
    assert rules
    return [r.sentence for r in rules if r.passed], [r.sentence for r in rules if not r.passed]


def refusals(*args, **kwargs):
    """The reasons alone."""
    return answers(*args, **kwargs)[1]


def asks(**at_least):
    """A recipe's gates."""
    return Gates(at_least=at_least)


BEATS = "macro_f1 is 0.7500, the linear baseline's is 0.6000, and the recipe asks for more than that: the model is 0.1500 above it."


def test_a_model_that_is_good_enough_passes_and_each_sentence_says_by_how_much():
    gates = Gates(at_least={"macro_f1": 0.7}, at_most={"loss": 1.25})
    assert answers(gates) == (
        [
            "macro_f1 is 0.7500; the recipe asks for at least 0.7: 0.0500 to spare.",
            "loss is 0.5000; the recipe asks for at most 1.25: 0.7500 to spare.",
            BEATS,
        ],
        [],
    )


def test_a_value_equal_to_its_threshold_passes():
    passed, refused = answers(asks(accuracy=0.8))
    assert passed[0] == "accuracy is 0.8000; the recipe asks for at least 0.8: exactly that."
    assert refused == []


def test_a_metric_below_its_threshold_refuses_with_the_difference():
    assert refusals(asks(accuracy=0.9)) == [
        "accuracy is 0.8000; the recipe asks for at least 0.9: 0.1000 too low."
    ]


def test_a_difference_too_small_for_four_digits_is_still_told():
    told = "accuracy is 0.9000; the recipe asks for at least 0.9: 1e-07 too low."
    assert refusals(asks(accuracy=0.9), accuracy=0.8999999) == [told]


def test_a_loss_above_its_threshold_refuses():
    told = "loss is 0.5000; the recipe asks for at most 0.4: 0.1000 too high."
    assert refusals(Gates(at_most={"loss": 0.4})) == [told]


def test_every_reason_is_told_not_only_the_first():
    assert len(refusals(asks(accuracy=0.9, macro_f1=0.9), linear=0.99)) == 3


@pytest.mark.parametrize(("value", "told"), [(nan, "not a number"), (inf, "infinite"), (-inf, "infinite")])
def test_a_metric_that_is_not_finite_refuses(value, told):
    reasons = refusals(asks(accuracy=0.7), accuracy=value)
    assert reasons == [f"accuracy is {told}, and the recipe asks for at least 0.7."]


def test_an_infinitely_small_loss_refuses():
    told = "loss is infinite, and the recipe asks for at most 1."
    assert refusals(Gates(at_most={"loss": 1}), loss=-inf) == [told]


def test_a_missing_metric_refuses():
    told = "accuracy is missing, and the recipe asks for at least 0.7."
    assert refusals(asks(accuracy=0.7), without=["accuracy"]) == [told]


def test_a_metric_that_is_not_finite_refuses_even_where_nothing_is_asked_of_it():
    assert refusals(loss=inf) == ["loss is infinite: a metric that can't be measured refuses."]


def test_no_rows_refuse_and_nothing_else_is_said():
    assert answers(asks(accuracy=0), rows=0) == ([], ["The test table has no rows: nothing was measured."])


def test_rows_without_scores_refuse_and_nothing_else_is_said():
    told = "The model gave no finite scores for 2 of 100 test rows: nothing else counts."
    assert answers(asks(accuracy=0), unscored=2) == ([], [told])


def test_a_model_worse_than_the_linear_baseline_refuses():
    told = (
        "macro_f1 is 0.7500, the linear baseline's is 0.7600, and the recipe asks for more than that:"
        " the model is 0.0100 below it."
    )
    assert refusals(linear=0.76) == [told]


def test_a_model_that_only_equals_the_linear_baseline_does_not_beat_it():
    assert refusals(linear=0.75)[0].endswith("asks for more than that: the model is equal to it.")


def test_a_model_that_beats_the_linear_baseline_by_less_than_the_margin_refuses():
    told = (
        "macro_f1 is 0.7500, the linear baseline's is 0.7300, and the recipe asks for more than 0.05 above it:"
        " the model is 0.0200 above it."
    )
    assert refusals(Gates(linear_baseline=LinearBaseline(margin=0.05)), linear=0.73) == [told]


@pytest.mark.parametrize(("linear", "told"), [(None, "missing"), (nan, "not a number"), (inf, "infinite")])
def test_without_a_linear_baseline_to_compare_with_the_gate_refuses(linear, told):
    reason = f"macro_f1 is 0.7500, but the linear baseline's is {told}: there is nothing to compare with."
    assert refusals(linear=linear) == [reason]


@pytest.mark.parametrize("linear", [0.9, None])
def test_a_waived_comparison_passes_and_is_shown_with_its_reason(linear):
    gates = Gates(linear_baseline=LinearBaseline(waived_because="the texts are far too few."))
    passed, refused = answers(gates, linear=linear)
    assert refused == []
    assert "0.9000" in passed[0] or "missing" in passed[0]
    assert passed[0].endswith("The recipe waives this comparison: the texts are far too few.")


def test_a_waived_comparison_does_not_open_the_gate_for_a_model_without_a_macro_f1():
    gates = Gates(linear_baseline=LinearBaseline(waived_because="too few"))
    assert refusals(gates, macro_f1=nan) == [
        "macro_f1 is not a number: a metric that can't be measured refuses."
    ]


def test_a_pipeline_parameter_takes_the_place_of_the_recipes_threshold_and_says_so():
    told = "accuracy is 0.8000; the pipeline parameter asks for at least 0.95: 0.1500 too low."
    assert refusals(asks(accuracy=0.1), thresholds="accuracy=0.95") == [told]
    assert refusals(asks(accuracy=0.95), thresholds="accuracy=0.1") == []


def test_a_pipeline_parameter_leaves_the_recipes_other_thresholds_alone():
    asked = thresholds_of(asks(accuracy=0.5, macro_f1=0.6), "macro_f1=0.7")
    assert asked == {
        "accuracy": Threshold("at least", 0.5, "recipe"),
        "macro_f1": Threshold("at least", 0.7, "pipeline parameter"),
    }


def test_thresholds_are_read_with_blanks_and_a_trailing_comma():
    assert parse_thresholds(" macro_f1 = 0.7 , loss=1.5,") == {
        "macro_f1": Threshold("at least", 0.7, "pipeline parameter"),
        "loss": Threshold("at most", 1.5, "pipeline parameter"),
    }


def test_no_thresholds_ask_nothing():
    assert parse_thresholds("") == {}


KNOWN = "accuracy, macro_f1, weighted_f1, top_3_accuracy, top_5_accuracy, loss"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("macro_f=0.7", f"no such metric (did you mean macro_f1?). Got: 'macro_f'. Allowed: {KNOWN}."),
        ("speed=1", f"no such metric. Got: 'speed'. Allowed: {KNOWN}."),
        (
            "accuracy=high",
            "the threshold of accuracy is not a number. Got: 'accuracy=high'. Allowed: such as accuracy=0.7.",
        ),
        (
            "accuracy=",
            "the threshold of accuracy is not a number. Got: 'accuracy='. Allowed: such as accuracy=0.7.",
        ),
        ("accuracy=nan", "the threshold of accuracy is out of range. Got: 'accuracy=nan'. Allowed: 0 to 1."),
        ("accuracy=70", "the threshold of accuracy is out of range. Got: 'accuracy=70'. Allowed: 0 to 1."),
        ("loss=inf", "the threshold of loss is out of range. Got: 'loss=inf'. Allowed: a number above 0."),
        ("loss=nan", "the threshold of loss is out of range. Got: 'loss=nan'. Allowed: a number above 0."),
        (
            "accuracy",
            "a threshold is metric=number. Got: 'accuracy'. Allowed: such as macro_f1=0.7,accuracy=0.6.",
        ),
        ("loss=1,loss=2", "loss is given twice. Got: 'loss=1,loss=2'. Allowed: each metric once."),
    ],
)
def test_a_wrong_threshold_is_refused_with_what_is_allowed(text, message):
    with pytest.raises(InputError) as refused:
        parse_thresholds(text)
    assert str(refused.value) == f"evaluate --thresholds: {message}"
