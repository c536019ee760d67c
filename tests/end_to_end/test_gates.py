"""What a person sees when a gate refuses: exit status 3, nothing made behind it, the same reasons everywhere."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .builders import csv_text, parcel, parcels

REFUSED = 3


def read_verdict(place) -> dict[str, Any]:
    """The verdict that stands in validate's report."""
    return json.loads((place.folder("validate") / "report" / "validation.json").read_text())["verdict"]


def assert_data_refused(place, done, reason: str) -> None:
    """The data gate refused for this one reason, on screen, in the report and in the run's record; nothing was trained."""
    assert done.status == REFUSED, done.out + done.err
    assert "◇ data-gate: refused. The data was refused. Nothing was trained." in done.out
    assert f"\n    {reason}\n" in done.out
    assert "◇ metric-gate: not reached" in done.out
    assert read_verdict(place)["reasons"] == [reason]
    assert place.record.steps["validate"].metrics["reasons"] == [reason]
    assert place.record.outcome == "refused by data-gate"
    assert [place.states[name] for name in ("train", "evaluate", "register")] == ["skipped"] * 3
    assert sorted(folder.name for folder in (place.store / "steps").iterdir()) == [
        "preprocess",
        "preprocess.audit",
        "preprocess.validate",
    ]
    assert place.type("models", "list", "--store", place.store).out.startswith("No model is registered in ")


def test_data_that_fails_an_expectation_is_refused_and_nothing_is_trained(place):
    place.write_recipe(
        expectations=[
            {"type": "expect_column_values_to_be_between", "kwargs": {"column": "weight", "max_value": 44}}
        ]
    )
    rows = parcels()
    rows[89]["Weight"] = 44  # else two rows are beyond the range, and they may be in two tables
    rows[88]["Weight"] = 99
    place.put(rows)
    done = place.run()
    table = next(name for name in ("training", "validation", "test") if 88 in place.rows(name, "row_id"))
    size = {"training": 54, "validation": 18, "test": 18}[table]
    assert_data_refused(place, done, f"{table}: weight: 1 of {size} values above 44 (e.g. 99)")


def test_more_unreadable_rows_than_the_recipe_allows_are_refused_and_every_row_is_accounted_for(place):
    broken = b'p-91,"small round bag\np-92,short\np-93,small \xff box,red,1,box\np-94,sack,red,inf,sack\np-95,sack,red,NaN,sack\n'
    place.put(csv_text([*parcels(), parcel(90, Kind="crate")]).encode() + broken)
    done = place.run()
    quarantine = place.folder("preprocess") / "quarantine"
    reason = place.record.steps["validate"].metrics["reasons"][0]
    assert reason.startswith(
        "quarantine: 5 of 96 rows could not be read, 5.208%; at most 5.000% may be (data.quarantine_limit). "
        "First: parcels.csv line 93: "
    )
    assert f"All of them: {quarantine.as_uri()}" in reason
    assert "data.csv.encoding" in reason  # one row of a hundred with a wrong byte may mean another encoding
    assert_data_refused(place, done, reason)

    assert place.rows("quarantine", "line") == [93, 94, 95, 96, 97]
    account = place.record.steps["preprocess"].metrics
    kept = sum(account[f"{name}_rows"] for name in ("training", "validation", "test"))
    assert (account["rows_read"], kept, account["rows_quarantined"]) == (96, 90, 5)
    assert {rule: rows for rule, rows in account["dropped"].items() if rows} == {"rare_class": 1}
    assert account["removed_classes"] == {"crate": 1}  # a class with one row


@pytest.mark.parametrize("by", ["recipe", "parameter"])
def test_a_model_below_a_threshold_is_refused_and_nothing_is_registered(again, by):
    again.forget("register")
    if by == "recipe":
        again.write_recipe(gates={"at_least": {"accuracy": 0.9}})
        done = again.run()
    else:
        done = again.run("--thresholds", "accuracy=0.9")
    assert done.status == REFUSED, done.out + done.err
    evaluated = again.record.steps["evaluate"]
    (reason,) = evaluated.metrics["reasons"]
    accuracy = evaluated.metrics["accuracy"]
    asked = {"recipe": "the recipe asks for", "parameter": "asks for"}[by]
    assert reason.startswith(f"accuracy is {accuracy:.4f}; ")
    assert f"{asked} at least 0.9" in reason
    assert "◇ metric-gate: refused. The model was refused. Nothing was registered." in done.out
    assert f"\n    {reason}\n" in done.out
    report = json.loads((again.folder("evaluate") / "report" / "evaluation.json").read_text())
    assert reason in json.dumps(report, ensure_ascii=False)
    assert again.record.outcome == "refused by metric-gate"
    assert again.states["train"] == "reused"
    assert again.states["register"] == "skipped"
    assert not (again.store / "steps" / "register").exists()
    assert "approve " not in done.out
    assert again.type("models", "list", "--store", again.store).out.startswith("No model is registered in ")
