"""Runs the pipeline on SageMaker: deploys it where it changed, starts it, and shows its steps until it has ended."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from orchestration.environment import Environment, in_region, read_environment, read_images
from orchestration.executions import (
    Deployed,
    Execution,
    StepExecution,
    duration,
    failure_lines,
    for_make,
    refusal,
)
from orchestration.runs import RunRecord, State, StepRecord
from sluice.aws import FAULT, THROTTLED, UNREACHABLE
from sluice.contract import AwsError, InputError, SluiceError, storage
from sluice.contract.execution import read_result
from sluice.job import record_uri

if TYPE_CHECKING:
    from rich.console import Console

    from orchestration.launch import Launched
    from orchestration.start import Request

POLL_SECONDS = 10.0
PATIENCE = 30
"""So many looks in a row may fail by throttling, a fault or the network before waiting is given up."""
PASSING = {what for what, _ in (THROTTLED, UNREACHABLE, FAULT)}
DONE, FAILED, REFUSED, INTERRUPTED = 0, 1, 3, 130
STATES = {
    "Starting": State.RUNNING,
    "Executing": State.RUNNING,
    "Stopping": State.RUNNING,
    "Succeeded": State.DONE,
    "Failed": State.FAILED,
    "Stopped": State.INTERRUPTED,
}


def run(request: Request, console: Console) -> int:
    """Deploy, start and wait.

    Returns:
        0; 1 if the execution failed or was stopped; 3 if a gate refused; 130 after Ctrl-C, the execution goes on then.

    Raises:
        SluiceError: the recipe, the data or the environment is wrong, lint refuses the pipeline, or AWS does.
    """
    from rich.console import Console

    from orchestration.deploy import upsert
    from orchestration.launch import Order, launch

    # what AWS says may hold brackets, and is not ours to colour
    plain = Console(file=console.file, highlight=False, markup=False, emoji=False, soft_wrap=True)
    if request.environment is None:
        raise InputError(
            "no environment is named",
            where="--runner sagemaker",
            allowed="--environment and an environment file",
            next_step="Make one with: make infra",
        )
    environment = read_environment(request.environment)
    upsert(environment, read_images(request.images), plain)
    order = Order(
        environment,
        request.images,
        request.recipe,
        request.data,
        request.rows,
        request.previous,
        request.thresholds,
    )
    launched = launch(order, plain)
    if launched.execution is None:
        return REFUSED if launched.refused else DONE
    return watch(Deployed(environment), launched, plain)


def watch(deployed: Deployed, launched: Launched, console: Console, every: float = POLL_SECONDS) -> int:
    """Show an execution's steps until it has ended.

    Returns:
        0; 1 if it failed or was stopped; 3 if a gate refused; 130 after Ctrl-C, the execution goes on then.

    Raises:
        AwsError: AWS refuses to tell, or can't be reached any more; the execution goes on.
    """
    assert launched.execution is not None
    identity = launched.execution.identity
    try:
        execution, steps = _until_ended(deployed, launched, console, every)
    except KeyboardInterrupt:
        console.print(f"\nexecution {identity} goes on. {_how_to_go_on(deployed, identity)}")
        return INTERRUPTED
    except AwsError:
        console.print(
            f"execution {identity} goes on, only watching it has ended. {_how_to_go_on(deployed, identity)}"
        )
        raise
    for line in failure_lines(deployed, execution, steps):
        console.print(line)
    took = duration(time.time() - execution.started.timestamp())
    console.print(f"execution {identity}: {execution.status} after {took}")
    if refusal(steps):
        return REFUSED
    if execution.status != "Succeeded":
        return FAILED
    unrun = sorted(set(launched.missing) - {step.name for step in steps})
    if unrun:
        console.print(
            f"but it did not run {', '.join(unrun)}, for which it was started. "
            f"Remove {deployed.environment.store}/executions, which makes the next start a whole one"
        )
        return FAILED
    for line in _registered(deployed.environment, identity, steps):
        console.print(line)
    return DONE


def _registered(environment: Environment, execution: str, steps: list[StepExecution]) -> Iterator[str]:
    """The version that the execution registered, and how a person decides on it; nothing if that can't be read."""
    for step in steps:
        try:
            with in_region(environment):
                record = json.loads(storage.read_bytes(record_uri(environment.store, execution, step.name)))
                result = read_result(record["result"])
        except (FileNotFoundError, SluiceError):
            continue  # a gate, or a step whose results this user may not read
        said = result.metrics if result else {}
        if {"group", "version"} <= said.keys():
            name, registry = f"{said['group']} {said['version']}", environment.model_registry
            yield f"model {said['group']} version {said['version']}, {said.get('status')}"
            yield f"approve: python -m orchestration models approve {name} --registry {registry}"


def _until_ended(
    deployed: Deployed, launched: Launched, console: Console, every: float
) -> tuple[Execution, list[StepExecution]]:
    from orchestration.display import Display
    from orchestration.pipeline import build

    assert launched.execution is not None
    record = RunRecord.start(launched.execution.name, {}, list(build().steps))
    display, failed = Display(console), 0
    with display.showing():
        while True:
            try:
                execution = deployed.find(launched.execution.identity)
                steps = deployed.steps_with_progress(execution)
                failed = 0
            except AwsError as error:
                failed += 1
                if error.what not in PASSING or failed > PATIENCE:
                    raise
            else:
                _fill(record, {step.name: step for step in steps}, launched.reused, execution.ended)
                display.update(record)
                if execution.ended:
                    return execution, steps
            time.sleep(every)


def _fill(
    record: RunRecord, steps: Mapping[str, StepExecution], reused: Mapping[str, float], ended: bool
) -> None:
    """Copy what SageMaker says of the steps into the record that the display shows."""
    for name in record.steps:
        step = steps.get(name)
        if name in reused:
            record.steps[name] = StepRecord(state=State.REUSED, seconds=reused[name])
        elif step is not None:
            record.steps[name] = StepRecord(
                state=STATES.get(step.status, State.RUNNING), seconds=step.seconds, message=_message(step)
            )
        elif ended:
            record.steps[name] = StepRecord(state=State.SKIPPED)


def _message(step: StepExecution) -> str:
    if step.status == "Failed":
        return step.reason
    if step.percent is not None:
        return f"{step.percent}% {step.message}"
    return step.status.lower()


def _how_to_go_on(deployed: Deployed, identity: str) -> str:
    told = for_make(deployed.environment, identity)
    return f"See it: make status {told}  Stop it: make stop {told}"
