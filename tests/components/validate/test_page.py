"""The gate's page as a browser without a network shows it to a person."""

from __future__ import annotations

from sluice.recipe import Expectation
from tests.browser import asks_outside, open_page


def test_the_page_shows_verdict_reasons_and_audit_without_a_network(gate):
    gate.rows["training"][1]["weight"] = -5.0
    gate.rows["test"][0]["household"] = "<b>house 2</b>"
    gate.measures = {"label_conflict_rows": 0.125, "best_accuracy": 0.475, "psi_to_previous": None}
    gate.expectations = (
        *gate.expectations,
        Expectation(type="expect_column_values_to_be_between", kwargs={"column": "weight", "min_value": 0}),
        Expectation(
            type="expect_column_values_to_be_between",
            kwargs={"column": "label_conflict_rows", "max_value": 0.1},
            tables=("audit",),
        ),
        Expectation(
            type="expect_column_max_to_be_between",
            kwargs={"column": "best_accuracy", "min_value": 0.5},
            tables=("audit",),
            severity="warning",
        ),
    )
    told = gate.run()
    assert asks_outside(gate.page) == []
    page = open_page(gate.report / "index.html")
    assert "Data gate: closed" in page.text
    assert "Nothing may be trained on this data." in page.text
    for reason in told.reasons:
        assert reason in page.text
    assert told.reasons == (
        "training: weight: 1 of 8 values below 0 (e.g. -5)",
        "audit: label_conflict_rows: 0.125, above 0.1",
    )
    assert "audit: best_accuracy: max 0.475, below 0.5" in page.text
    assert "psi to previous" in page.text
    assert "not measured nothing" in page.text
    assert "By great-expectations: training all rows at once, validation all rows at once" in page.text
    assert page.inks > 20


def test_the_page_of_an_open_gate_says_so(gate):
    gate.run()
    page = open_page(gate.report / "index.html")
    assert "Data gate: open" in page.text
    assert "Why it is closed" not in page.text
