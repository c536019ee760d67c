"""A step that is killed or whose disk is full in the middle of its work: nothing half-made is left, and the next run goes on."""

from __future__ import annotations

import pytest

from .builders import STEPS, kill_in

AT_WORK = {
    "preprocess": "steps/preprocess/.staging-*/features",
    "audit": "steps/preprocess.audit/.staging-*/report",
    "validate": "steps/preprocess.validate/.staging-*/report",
    "train": "steps/train/.staging-*/model/model.onnx*",
    "evaluate": "steps/evaluate/.staging-*/report",
    "register": "registry/mlflow.db",
}
"""What stands in the store while a step works: the kill comes as soon as it does."""


def before(step: str) -> list[str]:
    """The steps that had finished when this one began."""
    return list(STEPS)[: list(STEPS).index(step)]


@pytest.mark.parametrize("step", STEPS)
def test_a_run_goes_on_after_a_kill_and_a_full_disk_in_the_middle_of_a_step(again, step, full_disk_at):
    again.forget(step)

    killed = kill_in(again, step, lambda: any(again.store.glob(AT_WORK[step])))
    assert killed.status == 1
    assert (
        f"error: step {step}: The step's process was killed by signal SIGKILL without saying why"
        in killed.err
    )
    assert_only_this_step_failed(again, step)

    disk = full_disk_at(again.store / "steps" / STEPS[step])
    if disk:
        full = again.run(wrap=disk)
        assert full.status == 1
        assert f"error: step {step}: " in full.err
        assert "the disk is full. Free some space and run again: finished steps are reused" in full.err
        assert_only_this_step_failed(again, step)

    done = again.run()
    assert done.status == 0, done.out + done.err
    assert again.states[step] == "done"
    assert {again.states[name] for name in before(step)} <= {"reused"}
    assert set(again.states.values()) <= {"done", "reused"}
    assert again.half_made() == []
    versions = again.type("models", "list", "--store", again.store).out
    assert len(versions.splitlines()) == 2, versions  # the heading and one version
    if not disk:
        pytest.skip("the kill was tried, the full disk not: this machine lets nobody mount a file system")


def assert_only_this_step_failed(place, step: str) -> None:
    """The record says so, and the step left nothing that could be taken for a result."""
    assert place.record.outcome == "failed"
    assert place.states[step] == "failed"
    assert {place.states[name] for name in before(step)} <= {"reused"}
    assert list((place.store / "steps" / STEPS[step]).glob("*")) == []
