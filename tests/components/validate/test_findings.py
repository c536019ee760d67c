"""What great-expectations gives back, taken at its word only if every question has its answer."""

from components.preprocess.validate.component import verdict
from components.preprocess.validate.findings import findings_of
from sluice.recipe import Expectation

ASKED = {
    0: Expectation(type="expect_column_values_to_not_be_null", kwargs={"column": "fruit"}),
    4: Expectation(
        type="expect_column_max_to_be_between",
        kwargs={"column": "weight", "max_value": 1},
        severity="warning",
    ),
}
EVALUATED = {"raised_exception": False, "exception_message": None}


def answer(position, success=True, exceptions=EVALUATED, **result):
    """One of great-expectations' results."""
    config = {"meta": {"position": position}}
    return {"expectation_config": config, "success": success, "exception_info": exceptions, "result": result}


def gate(*answers):
    return verdict(findings_of("training", ASKED, {"results": answers, "success": True}))


def test_the_gate_opens_when_every_expectation_holds():
    told = gate(answer(4), answer(0))
    assert told.passed
    assert told.reasons == ()
    assert (told.expectations_asked, told.expectations_evaluated) == (2, 2)


def test_an_expectation_without_an_answer_closes_the_gate():
    told = gate(answer(4))
    assert not told.passed
    assert told.reasons == (
        "training: fruit: expect_column_values_to_not_be_null() could not be evaluated: "
        "great-expectations gave no answer",
    )
    assert (told.expectations_asked, told.expectations_evaluated) == (2, 1)


def test_an_exception_inside_a_result_closes_the_gate_even_where_success_is_claimed():
    raised = {"metric 7": {"raised_exception": True, "exception_message": "no such provider"}}
    told = gate(answer(0, exceptions=raised), answer(4))
    assert told.reasons == (
        "training: fruit: expect_column_values_to_not_be_null() could not be evaluated: no such provider",
    )
    assert told.expectations_evaluated == 1


def test_a_warning_is_counted_and_lets_the_data_pass():
    told = gate(answer(0), answer(4, success=False, observed_value=3))
    assert told.passed
    assert (told.failures, told.warnings) == (0, 1)


def test_a_warning_that_could_not_be_evaluated_closes_the_gate():
    raised = {"raised_exception": True, "exception_message": "no such column"}
    told = gate(answer(0), answer(4, success=False, exceptions=raised))
    assert told.reasons == (
        "training: weight: expect_column_max_to_be_between(max_value=1) could not be evaluated: no such column",
    )
    assert (told.failures, told.warnings) == (1, 0)


def test_a_success_that_is_not_true_is_none():
    assert not gate(answer(0, success=None, element_count=1, unexpected_count=0), answer(4)).passed


def test_nothing_asked_closes_the_gate():
    told = verdict(findings_of("training", {}, {"results": [], "success": True}))
    assert not told.passed
    assert told.reasons == ("no expectation was asked of the tables",)
