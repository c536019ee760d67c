"""`why` says for each step what made it run again, or that nothing did."""

from __future__ import annotations

import pytest

from orchestration.runs import RunRecord, State, StepRecord
from orchestration.why import explain
from sluice.contract import Fingerprint, InputError


def fingerprint(**parts) -> Fingerprint:
    """A step's fingerprint; what isn't said is as always."""
    same = {
        "component": "train",
        "code": {"components/train/component.py": "aa", "sluice/old.py": "cc"},
        "settings": {"training": {"epochs": 3, "seed": 17}},
        "parameters": {"rows": None},
        "inputs": {"training": "11", "features": "22"},
    }
    return Fingerprint.model_validate(same | parts)


def run(store, number: int, recipe: str = "parcels", **steps: StepRecord) -> RunRecord:
    """A finished run's record, kept in the store; the number orders them."""
    record = RunRecord.start(recipe, {}, [])
    record = record.model_copy(update={"id": f"20260101-00000{number}-abcd", "outcome": "done"})
    record.steps.update(steps)
    record.save(store.as_uri())
    return record


def step(state: State = State.DONE, **parts) -> StepRecord:
    return StepRecord(state=state, fingerprint=fingerprint(**parts))


def test_a_reused_step_depends_on_nothing_that_changed(tmp_path):
    run(tmp_path, 1, train=step())
    second = run(tmp_path, 2, train=step(State.REUSED))
    assert explain(tmp_path.as_uri()) == [
        f"run {second.id} of parcels: done",
        "train: reused, nothing it depends on changed",
    ]


def test_every_part_of_the_fingerprint_that_changed_is_named(tmp_path):
    first = run(tmp_path, 1, train=step())
    run(
        tmp_path,
        2,
        train=step(
            code={"components/train/component.py": "bb", "sluice/new.py": "dd"},
            settings={"training": {"epochs": 5, "seed": 17}},
            parameters={"rows": 200},
            inputs={"training": "33", "features": "22"},
        ),
    )
    assert explain(tmp_path.as_uri())[1:] == [
        f"train: done, because since run {first.id}",
        "    code: components/train/component.py changed",
        "    code: sluice/new.py added",
        "    code: sluice/old.py removed",
        "    recipe: training.epochs 3 → 5",
        "    parameter: rows None → 200",
        "    input: training changed",
    ]


def test_a_result_that_was_removed_is_told_as_gone(tmp_path):
    first = run(tmp_path, 1, train=step())
    run(tmp_path, 2, train=step())
    assert explain(tmp_path.as_uri())[1:] == [
        f"train: done, nothing changed since run {first.id}, but its result was gone"
    ]


@pytest.mark.parametrize("state", [State.FAILED, State.INTERRUPTED])
def test_a_step_that_was_not_finished_before_says_how_it_ended(tmp_path, state):
    first = run(tmp_path, 1, train=step(state))
    run(tmp_path, 2, train=step())
    assert explain(tmp_path.as_uri())[1:] == [
        f"train: done, nothing changed since run {first.id}, which had not finished it ({state})"
    ]


def test_the_first_run_of_a_recipe_has_nothing_to_be_compared_with(tmp_path):
    run(tmp_path, 1, recipe="crates", train=step())
    run(tmp_path, 2, train=step())
    assert explain(tmp_path.as_uri())[1:] == ["train: done, no earlier run of this recipe has it"]


def test_a_step_that_was_never_started_says_so_and_is_looked_past(tmp_path):
    first = run(tmp_path, 1, train=step())
    skipped = run(tmp_path, 2, train=StepRecord(state=State.SKIPPED))
    run(tmp_path, 3, train=step(parameters={"rows": 5}))
    assert explain(tmp_path.as_uri(), skipped.id)[1:] == ["train: skipped, it was never started"]
    assert explain(tmp_path.as_uri())[1] == f"train: done, because since run {first.id}"


def test_one_run_and_one_step_can_be_asked_for(tmp_path):
    first = run(tmp_path, 1, train=step(), evaluate=step())
    run(tmp_path, 2, train=step())
    assert explain(tmp_path.as_uri(), first.id, "evaluate") == [
        f"run {first.id} of parcels: done",
        "evaluate: done, no earlier run of this recipe has it",
    ]


def test_a_store_without_runs_says_how_to_start_one(tmp_path):
    with pytest.raises(InputError, match=r"no run yet\. Start one: python -m orchestration run RECIPE\."):
        explain(tmp_path.as_uri())


def test_an_unknown_run_is_answered_with_the_latest_ones(tmp_path):
    ids = [run(tmp_path, number, train=step()).id for number in range(1, 8)]
    with pytest.raises(InputError) as caught:
        explain(tmp_path.as_uri(), "yesterday")
    assert f"no such run. Got: yesterday. Allowed: {', '.join(ids[-5:])}." in str(caught.value)


def test_an_unknown_step_is_answered_with_those_of_the_run(tmp_path):
    run(tmp_path, 1, train=step(), evaluate=step())
    with pytest.raises(InputError, match=r"no such step\. Got: trian\. Allowed: train, evaluate\."):
        explain(tmp_path.as_uri(), step="trian")


def test_a_record_that_another_version_wrote_is_no_reason_to_stop(tmp_path):
    run(tmp_path, 1, train=step(State.REUSED))
    (tmp_path / "runs/20260101-000009-ffff").mkdir()
    (tmp_path / "runs/20260101-000009-ffff/run.json").write_text('{"other": 1}')
    assert explain(tmp_path.as_uri())[1:] == ["train: reused, nothing it depends on changed"]
