"""The local runner: real processes, reuse, gates, failures, interruption."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from textwrap import dedent

import pytest

from orchestration.graph import Graph
from orchestration.runners.local import Processes
from orchestration.runners.walk import Runner, signals_interrupt
from orchestration.runs import RunRecord, State, load_runs
from orchestration.why import explain
from sluice.contract import StepFailed, read_result

pytestmark = pytest.mark.usefixtures("importable")


def emit_and_total(**emit):
    """A graph of two steps, the second behind a gate that reads the first."""
    graph = Graph("small")
    emitted = graph.step("emit", **({"count": graph.parameter("count", "how many", int, 3)} | emit))
    with graph.gate("small-gate", emitted, refusal="The numbers were refused. Nothing was added up"):
        graph.step("total", values=emitted["values"])
    return graph


def run(graph, store: Path, listener=lambda record: None, **arguments) -> RunRecord:
    record = RunRecord.start("small", arguments, list(graph.steps))
    return Runner(graph, store.as_uri(), "", "file:///none", arguments, record, listener, Processes()).run()


def test_steps_run_in_order_and_hand_on_what_they_made(tmp_path):
    record = run(emit_and_total(), tmp_path, count=4)
    assert record.outcome == "done"
    assert [step.state for step in record.steps.values()] == [State.DONE, State.DONE]
    assert record.steps["total"].metrics == {"total": 6.0}


def test_an_unchanged_second_run_reuses_every_step_and_starts_no_process(tmp_path, monkeypatch):
    run(emit_and_total(), tmp_path)
    monkeypatch.setattr(subprocess, "Popen", None)
    record = run(emit_and_total(), tmp_path)
    assert {step.state for step in record.steps.values()} == {State.REUSED}


def test_a_changed_parameter_runs_what_depends_on_it_and_why_says_so(tmp_path):
    first = run(emit_and_total(), tmp_path, count=3)
    time.sleep(1.1)  # run ids sort by the second
    run(emit_and_total(), tmp_path, count=5)
    lines = explain(tmp_path.as_uri())
    assert f"emit: done, because since run {first.id}" in lines
    assert "    parameter: count 3 → 5" in lines
    assert "    input: values changed" in lines


def test_a_refused_gate_skips_what_stands_behind_it_and_keeps_the_reasons(tmp_path):
    record = run(emit_and_total(passed=False), tmp_path)
    assert record.outcome == "refused by small-gate"
    assert record.steps["total"].state is State.SKIPPED
    assert record.steps["emit"].metrics["reasons"] == ["3 is more than 2"]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("error", r"step broken: line 3: the number is odd. Got: 7. Allowed: even numbers. Double it"),
        ("defect", r"step broken: broken: unexpected ZeroDivisionError: division by zero"),
        (
            "kill",
            r"step broken: The step's process was killed by signal SIGKILL without saying why .* Its log: ",
        ),
    ],
)
def test_a_failed_step_ends_the_run_with_its_reason_and_leaves_nothing(tmp_path, how, message):
    graph = Graph("small")
    graph.step("broken", values=graph.step("emit", count=1)["values"], how=how)
    with pytest.raises(StepFailed, match=message):
        run(graph, tmp_path)
    assert list((tmp_path / "steps" / "broken").iterdir()) == []
    assert load_runs(tmp_path.as_uri())[-1].outcome == "failed"


def test_a_run_goes_on_where_a_failed_one_stopped(tmp_path):
    graph = Graph("small")
    graph.step("broken", values=graph.step("emit", count=1)["values"], how="kill")
    with pytest.raises(StepFailed):
        run(graph, tmp_path)
    record = run(emit_and_total(count=1), tmp_path)
    assert record.steps["emit"].state is State.REUSED
    assert record.steps["total"].state is State.DONE


def test_progress_reaches_the_listener_while_the_step_works(tmp_path):
    seen = []
    run(emit_and_total(), tmp_path, lambda record: seen.append(record.steps["total"].message))
    assert "50% adding" in seen


def test_a_step_writes_its_log_beside_the_run(tmp_path):
    graph = Graph("small")
    graph.step("broken", values=graph.step("emit", count=1)["values"], how="defect")
    with pytest.raises(StepFailed):
        run(graph, tmp_path)
    (log,) = tmp_path.glob("runs/*/logs/broken.log")
    assert "ZeroDivisionError: division by zero" in log.read_text()


def test_a_log_that_can_not_be_written_ends_the_step_and_says_why(tmp_path):
    graph = emit_and_total()
    record = RunRecord.start("small", {}, list(graph.steps))
    log = tmp_path / "runs" / record.id / "logs" / "emit.log"
    log.mkdir(parents=True)
    runner = Runner(graph, tmp_path.as_uri(), "", "file:///none", {}, record, lambda _: None, Processes())
    with pytest.raises(StepFailed, match=rf"step emit: {log}: the store can't be read or written"):
        runner.run()
    assert wait_until(lambda: not processes_of(tmp_path))
    assert list((tmp_path / "steps").glob("*/.staging*")) == []


SCRIPT = """
    import os, sys
    from pathlib import Path
    from orchestration.graph import Graph
    from orchestration.runners.local import Processes
    from orchestration.runners.walk import Runner
    from orchestration.runs import RunRecord

    graph = Graph("slow")
    emitted = graph.step("emit", count=3)
    graph.step("total", values=emitted["values"], seconds=60.0)
    store = Path(sys.argv[1]).as_uri()
    record = RunRecord.start("slow", {}, list(graph.steps))
    def say(record):
        if "adding" in record.steps["total"].message: os.write(1, b"adding\\n")
    Runner(graph, store, "", "file:///none", {}, record, say, Processes()).run()
"""


def heed_signals() -> None:
    """Whatever started the tests may ignore signals, as a shell's background job or nohup does; children inherit that."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def start_slow_run(store: Path) -> subprocess.Popen:
    """A run in a process of its own that is inside its second step for a minute."""
    process = subprocess.Popen(
        [sys.executable, "-c", dedent(SCRIPT), str(store)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=heed_signals,
    )
    with process.stdout as said:
        assert said.readline() == "adding\n"
    return process


def processes_of(store: Path) -> list[int]:
    """Every living component process that works on this store."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes()
        except OSError:
            continue
        if b"components." in command and store.as_uri().encode() in command:
            found.append(int(entry.parent.name))
    return found


def wait_until(condition, seconds=15.0):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    return condition()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_leaves_no_process_and_no_half_artifact(tmp_path, number):
    process = start_slow_run(tmp_path)
    assert processes_of(tmp_path)
    process.send_signal(number)
    process.wait(20)
    assert processes_of(tmp_path) == []
    assert list((tmp_path / "steps" / "total").iterdir()) == []
    (record,) = load_runs(tmp_path.as_uri())
    assert record.outcome == "interrupted"
    assert record.steps["total"].state is State.INTERRUPTED


def test_a_killed_runner_takes_its_steps_with_it(tmp_path):
    process = start_slow_run(tmp_path)
    process.kill()
    process.wait()
    assert wait_until(lambda: not processes_of(tmp_path))
    assert list((tmp_path / "steps" / "total").iterdir()) == []


def test_a_killed_step_leaves_a_folder_that_no_reader_sees_and_the_next_run_removes(tmp_path):
    process = start_slow_run(tmp_path)
    for pid in processes_of(tmp_path):
        os.kill(pid, signal.SIGKILL)
    process.wait(20)
    dead = tmp_path / "steps" / "emit" / f".staging-{os.uname().nodename}-{2**22 + 1}-abcdef01"
    (dead / "values").mkdir(parents=True)
    assert read_result(dead.as_uri()) is None
    (result,) = [folder for folder in (tmp_path / "steps" / "emit").iterdir() if folder != dead]
    (result / "result.json").unlink()
    run(emit_and_total(count=3), tmp_path)
    assert not dead.exists()


def test_two_runs_side_by_side_agree_on_one_result(tmp_path):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", dedent(SCRIPT).replace("60.0", "0.5"), str(tmp_path)],
            stdout=subprocess.DEVNULL,
        )
        for _ in range(3)
    ]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert len(list((tmp_path / "steps" / "total").iterdir())) == 1


def test_data_that_changes_while_a_step_works_is_named(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "file").write_text("as it was when the step was started")
    graph = Graph("small")
    graph.step("look", raw=raw.as_uri())

    def change(record):
        if record.steps["look"].state is State.RUNNING:
            (raw / "file").write_text("as the step's process finds it")

    with pytest.raises(StepFailed, match=r"changed while it worked\. Run again"):
        run(graph, tmp_path / "store", change)
    assert run(graph, tmp_path / "store").outcome == "done"


def test_an_interruption_that_a_library_swallowed_is_known_afterwards():
    with signals_interrupt() as heard:
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
            pytest.fail("nothing was interrupted")
        assert heard == [signal.SIGTERM]
