"""Says why a step ran again: which part of its fingerprint changed since the last run of the same recipe."""

from __future__ import annotations

from orchestration.runs import RunRecord, State, StepRecord, load_runs
from sluice.contract import InputError


def explain(store: str, run_id: str | None = None, step: str | None = None) -> list[str]:
    """One block of lines per step of a run, the latest by default.

    Raises:
        InputError: there is no such run or step.
    """
    runs = load_runs(store)
    chosen = _choose(runs, run_id, store)
    if step is not None and step not in chosen.steps:
        raise InputError("no such step", where=f"run {chosen.id}", got=step, allowed=", ".join(chosen.steps))
    earlier = [run for run in runs if run.id < chosen.id and run.recipe == chosen.recipe]
    names = [step] if step else list(chosen.steps)
    return [f"run {chosen.id} of {chosen.recipe}: {chosen.outcome}"] + [
        line for name in names for line in _explain_step(name, chosen.steps[name], earlier)
    ]


def _choose(runs: list[RunRecord], run_id: str | None, store: str) -> RunRecord:
    if not runs:
        raise InputError("no run yet", where=store, next_step="Start one: python -m orchestration run RECIPE")
    for run in reversed(runs):
        if run_id in (None, run.id):
            return run
    shown = ", ".join(run.id for run in runs[-5:])
    raise InputError("no such run", where=store, got=run_id, allowed=shown)


def _explain_step(name: str, record: StepRecord, earlier: list[RunRecord]) -> list[str]:
    if record.state is State.REUSED:
        return [f"{name}: reused, nothing it depends on changed"]
    if record.fingerprint is None:
        return [f"{name}: {record.state}, it was never started"]
    for run in reversed(earlier):
        before = run.steps.get(name)
        if before and before.fingerprint:
            return _compare(name, record, before, run.id)
    return [f"{name}: {record.state}, no earlier run of this recipe has it"]


def _compare(name: str, record: StepRecord, before: StepRecord, run_id: str) -> list[str]:
    assert record.fingerprint
    assert before.fingerprint
    changes = record.fingerprint.changes_since(before.fingerprint)
    if changes:
        return [
            f"{name}: {record.state}, because since run {run_id}",
            *(f"    {change}" for change in changes),
        ]
    if before.finished:
        return [f"{name}: {record.state}, nothing changed since run {run_id}, but its result was gone"]
    return [
        f"{name}: {record.state}, nothing changed since run {run_id}, which had not finished it ({before.state})"
    ]
