"""Walks the graph on this machine: what can run is reused or started, independent steps side by side, until all have ended."""

from __future__ import annotations

import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from orchestration.graph import Graph, OutputOf, PipelineParameter, Step
from orchestration.runs import RunRecord, State, StepRecord
from sluice.contract import Call, Component, Result, SluiceError, StepFailed, progress, storage

GRACE_SECONDS = 10
"""How long a stopped step may take to clean up before it is killed."""

Listener = Callable[[RunRecord], None]
"""Called whenever something about the run changed."""


class Job(Protocol):
    """What was started for one step: a process, a container."""

    def lines(self) -> Iterator[str]:
        """What it writes, line by line, until it has ended."""
        ...

    def fault(self) -> str:
        """After the last line: how it ended, as what follows "the step's process"; empty if it says that all went well."""
        ...

    def stop(self) -> None:
        """Ask it to end."""
        ...

    def kill(self) -> None:
        """End it and its children, if it is still there."""
        ...

    def clear(self) -> None:
        """Remove what it had begun to write, once it has ended."""
        ...


class Launcher(Protocol):
    """Starts steps in one way: as processes, as containers."""

    noun: str
    """What it starts, for messages."""
    changeable: str
    """What may be the reason if a step made something else than was asked for, for messages."""

    def image_of(self, component: Component) -> str | None:
        """The content digest of the image that a component will run in, if it will."""
        ...

    def launch(self, run: str, step: str, call: Call) -> Job:
        """Start a step of a run.

        Raises:
            SluiceError: it can't be started.
        """
        ...

    def tidy(self, run: str) -> None:
        """Remove what is left of a run that has ended, however it did."""
        ...


@dataclass(frozen=True)
class Event:
    """A line that a step wrote, or its end (`line` is None)."""

    step: str
    line: str | None


@dataclass
class Running:
    """A step at work."""

    call: Call
    job: Job
    started: float
    failure: str = ""
    fault: str = "was lost: its runner has a defect"
    ended: threading.Event = field(default_factory=threading.Event)


@dataclass
class Runner:
    """One run of a graph.

    Attributes:
        graph: what to run.
        store: the URI of the store.
        recipe: the recipe's text.
        recipe_uri: where a copy of that text stands, for the components to read.
        arguments: the pipeline parameters' values.
        record: the run's record; saved at each change.
        listener: told of each change.
        launcher: starts the steps.
    """

    graph: Graph
    store: str
    recipe: str
    recipe_uri: str
    arguments: Mapping[str, Any]
    record: RunRecord
    listener: Listener
    launcher: Launcher
    _running: dict[str, Running] = field(default_factory=dict)
    _events: queue.Queue[Event] = field(default_factory=queue.Queue)

    def run(self) -> RunRecord:
        """Run every step whose gates open; returns the finished record.

        An interruption (Ctrl-C, SIGTERM, a closed terminal) stops every step, leaves no staging folder, and is recorded.

        Raises:
            StepFailed: a step failed. Steps that were running beside it were allowed to finish.
        """
        with signals_interrupt():
            try:
                self._run_steps()
            except KeyboardInterrupt:
                self._interrupt()
                raise
            except BaseException:
                self._stop_all()
                self._finish("failed")
                raise
            finally:
                self.launcher.tidy(self.record.id)
        return self.record

    def _run_steps(self) -> None:
        self._changed()
        while self._start_ready() or self._running:
            if self._running:
                self._handle(self._events.get())
        self._finish(self._outcome())
        for name, step in self.record.steps.items():
            if step.state is State.FAILED:
                raise StepFailed(step.message or "the step ended without a result", where=f"step {name}")

    def _start_ready(self) -> bool:
        """Start or reuse what can run now; whether anything was."""
        started = False
        for step in self.graph.steps.values():
            record = self.record.steps[step.name]
            if record.state is not State.WAITING:
                continue
            if self._is_shut(step) or self._any_failed():
                record.state, started = State.SKIPPED, True
            elif self._is_ready(step):
                self._start(step, record)
                started = True
        if started:
            self._changed()
        return started

    def _is_ready(self, step: Step) -> bool:
        needed = [*step.needs, *(self.graph.gates[gate].verdict for gate in self._gates(step.gate))]
        return all(self.record.steps[name].finished for name in needed)

    def _is_shut(self, step: Step) -> bool:
        """Whether a gate before the step has refused, or a step it needs will never run."""
        refused = any(self._refused(gate) for gate in self._gates(step.gate))
        return refused or any(self.record.steps[name].state is State.SKIPPED for name in step.needs)

    def _refused(self, gate: str) -> bool:
        verdict = self.record.steps[self.graph.gates[gate].verdict]
        return verdict.finished and verdict.metrics.get("passed") is not True

    def _gates(self, gate: str | None) -> Iterator[str]:
        while gate is not None:
            yield gate
            gate = self.graph.gates[gate].gate

    def _any_failed(self) -> bool:
        return any(record.state is State.FAILED for record in self.record.steps.values())

    def _start(self, step: Step, record: StepRecord) -> None:
        call = self._call(step)
        try:
            record.fingerprint = call.fingerprint
            record.folder = call.folder
            if result := call.finished():
                self._take(record, result, State.REUSED)
                record.seconds = result.seconds
            else:
                self._launch(step.name, call)
                record.state = State.RUNNING
        except SluiceError as error:
            record.state, record.message = State.FAILED, error.message

    def _call(self, step: Step) -> Call:
        arguments = {name: self._value(argument) for name, argument in step.arguments.items()}
        given = {name: value for name, value in arguments.items() if value is not None}
        image = self.launcher.image_of(step.component)
        return Call(step.component, self.store, given, self.recipe, self.recipe_uri, image)

    def _value(self, argument: Any) -> Any:
        if isinstance(argument, PipelineParameter):
            return self.arguments.get(argument.name, argument.default)
        if isinstance(argument, OutputOf):
            folder = self.record.steps[argument.step].folder
            assert folder is not None
            return storage.join(folder, argument.output, "manifest.json")
        return argument

    def _launch(self, step: str, call: Call) -> None:
        log = self.log_path(step)
        log.parent.mkdir(parents=True, exist_ok=True)
        running = Running(call, self.launcher.launch(self.record.id, step, call), time.monotonic())
        self._running[step] = running
        threading.Thread(target=self._follow, args=(step, running, log), daemon=True).start()

    def _follow(self, step: str, running: Running, log: Path) -> None:
        """Copy what a step writes to its log, line by line, and tell the main thread of its end, whatever happens here."""
        try:
            self._copy(step, running, log)
            running.fault = running.job.fault()
        except OSError as error:  # a full disk: nobody would read what the step goes on to write
            running.failure = storage.storage_error(error, log).message
            running.job.kill()
            running.fault = running.job.fault() or "was stopped"
        finally:
            running.ended.set()
            self._events.put(Event(step, None))

    def _copy(self, step: str, running: Running, log: Path) -> None:
        with log.open("w", buffering=1) as out:
            for line in running.job.lines():
                out.write(line)
                if line.startswith(progress.PREFIX):
                    self._events.put(Event(step, line))

    def log_path(self, step: str) -> Path:
        """Where a step's log is written: beside the run's record, or on this machine for a store on S3."""
        folder = self.record.folder(storage.on_this_machine(self.store))
        return storage.local_path(folder) / "logs" / f"{step}.log"

    def _handle(self, event: Event) -> None:
        if event.line is None:
            self._ended(event.step)
            return
        said = progress.parse(event.line) or {}
        if "failure" in said:
            self._running[event.step].failure = str(said["failure"])
        if "progress" in said:
            self.record.steps[event.step].message = _with_percent(said)
            self.listener(self.record)

    def _ended(self, name: str) -> None:
        running = self._running.pop(name)
        record = self.record.steps[name]
        record.seconds = time.monotonic() - running.started
        result = None if running.fault else running.call.finished()
        if result:
            self._take(record, result, State.DONE)
        else:
            running.job.clear()
            record.state = State.FAILED
            record.message = running.failure or self._unexplained(name, running.fault)
        self._changed()

    def _unexplained(self, step: str, fault: str) -> str:
        other = f"finished, but not what was asked for: {self.launcher.changeable}. Run again"
        return f"The step's {self.launcher.noun} {fault or other}. Its log: {self.log_path(step)}"

    def _take(self, record: StepRecord, result: Result, state: State) -> None:
        record.state, record.metrics, record.message = state, result.metrics, ""

    def _outcome(self) -> str:
        if self._any_failed():
            return "failed"
        return next((f"refused by {gate}" for gate in self.graph.gates if self._refused(gate)), "done")

    def _interrupt(self) -> None:
        self._stop_all()
        for record in self.record.steps.values():
            if record.state in (State.RUNNING, State.WAITING):
                record.state = State.INTERRUPTED if record.state is State.RUNNING else State.SKIPPED
        self._finish("interrupted")

    def _stop_all(self) -> None:
        """Ask every step to end, kill what doesn't, and clear what they had begun to write."""
        for running in self._running.values():
            running.job.stop()
        deadline = time.monotonic() + GRACE_SECONDS
        for running in self._running.values():
            running.ended.wait(max(0.0, deadline - time.monotonic()))
            running.job.kill()
            running.ended.wait(GRACE_SECONDS)
            running.job.clear()
        self._running.clear()

    def _finish(self, outcome: str) -> None:
        self.record.outcome = outcome
        self.record.finished = datetime.now(UTC)
        self._changed()

    def _changed(self) -> None:
        self.record.save(self.store)
        self.listener(self.record)


def _with_percent(said: dict[str, Any]) -> str:
    fraction = said.get("fraction")
    return str(said["progress"]) if fraction is None else f"{fraction:.0%} {said['progress']}"


@contextmanager
def signals_interrupt() -> Iterator[list[int]]:
    """SIGTERM means the same as Ctrl-C while a run is on, and so does a terminal that is closed.

    Yields:
        the signals that came, for a caller whose library swallows the interruption.
    """
    heard: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        heard.append(number)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield heard
        return
    heeded = [
        n for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is not signal.SIG_IGN
    ]  # nohup
    before = {number: signal.signal(number, interrupt) for number in heeded}
    try:
        yield heard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
