"""The one function that every `@step` runs. Short strings go in, small strict JSON comes out, and it fails closed.

A processing job runs the same through `python -m sluice.job`.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from sluice.contract import MANIFEST, Call, Component, InputError, Result, SluiceError, Verdict, storage
from sluice.contract.execution import run
from sluice.job.status import telling

NOT_GIVEN = "default"
"""What a pipeline parameter says for: as if it were not there. SageMaker has no parameter without a value."""

FAILURES = (Path("/opt/ml/output/failure"), Path("/opt/ml/output/message"))
"""Where a training job, and a processing job, writes why it failed; the service shows its first 1,024 characters."""
LONGEST = 1024
RECORDS = Path("/opt/ml/processing/records")
"""Where a processing job leaves its record; SageMaker puts it among the execution's records when the job has ended."""


def run_step(component: str, recipe: str, *given: str) -> dict[str, Any]:
    """Run a component in a job, or find its finished result.

    Whatever goes wrong ends the process at once with status 1: the SDK's own entry point would take a failure that it
    can't report for a success.

    Args:
        component: the component's name.
        recipe: the recipe's URI.
        given: a parameter's name and its URI or plain value as text, in turn. The SDK takes no arbitrary keywords.
            After the name may stand where to look the URI up: `tables=preprocess/training` with a folder of records
            is what the step `preprocess` left there as its output `training`.

    Returns:
        `outputs` (manifest URIs by name), `result` (the result's folder), and for a verdict `passed` and `reasons` (one
        text).
    """
    with failing_closed(component), telling(os.environ):
        said, record = work(component, recipe, *given)
        if {"SLUICE_EXECUTION", "SLUICE_STEP"} <= os.environ.keys():
            store = storage.to_uri(os.environ["SLUICE_STORE"])
            uri = record_uri(store, os.environ["SLUICE_EXECUTION"], os.environ["SLUICE_STEP"])
            storage.write_bytes(uri, record)
        return said


def work(component: str, recipe: str, *given: str) -> tuple[dict[str, Any], bytes]:
    """Run a component, or find its finished result.

    Returns:
        what the pipeline is told of it, and the record: only an execution that had exactly a result may lend it to a
        later one.
    """
    pairs = zip(given[::2], given[1::2], strict=True)
    call = make_call(component, recipe, dict(looked_up(name, value) for name, value in pairs), os.environ)
    said = _strict(answer(call, run(call)))
    return said, json.dumps({"result": said["result"]}).encode()


def looked_up(name: str, value: str) -> tuple[str, str]:
    """A parameter's name and value; one that was given as a step's output is looked up in that step's record.

    Raises:
        InputError: the step left no record there.
    """
    name, is_output, place = name.partition("=")
    if not is_output:
        return name, value
    step, _, output = place.partition("/")
    uri = storage.join(value, f"{step}.json")
    try:
        result = json.loads(storage.read_bytes(uri))["result"]
    except FileNotFoundError:
        raise InputError(
            "the step before left no record of its result",
            where=uri,
            next_step=f"Look at its log: make logs STEP={step}",
        ) from None
    return name, storage.join(result, output, MANIFEST)


def make_call(component: str, recipe: str, given: Mapping[str, str], environment: Mapping[str, str]) -> Call:
    """The call that a job is asked for.

    Raises:
        InputError: the store or the recipe isn't there.
    """
    if "SLUICE_STORE" not in environment:
        raise InputError(
            "the job doesn't know its store",
            where=component,
            allowed="SLUICE_STORE in the job's environment",
            next_step="Compile the pipeline again with this Sluice",
        )
    loaded = Component.load(component)
    arguments = {name: value for name, value in given.items() if value != NOT_GIVEN}
    text = None
    if loaded.settings:
        try:
            text = storage.read_bytes(storage.to_uri(recipe)).decode()
        except FileNotFoundError:
            raise InputError(
                "there is no recipe", where=recipe, next_step="Start it with: make start RECIPE=…"
            ) from None
    return Call(loaded, storage.to_uri(environment["SLUICE_STORE"]), arguments, text, recipe)


def answer(call: Call, result: Result) -> dict[str, Any]:
    """What the pipeline is told of a result."""
    said: dict[str, Any] = {
        "outputs": {name: call.output_uri(name) for name in result.outputs},
        "result": call.folder,
    }
    if issubclass(call.component.metrics, Verdict):
        said["passed"] = result.metrics.get("passed") is True
        said["reasons"] = "; ".join(result.metrics.get("reasons") or ["All that was asked holds."])[:LONGEST]
    return said


def _strict(said: dict[str, Any]) -> dict[str, Any]:
    """The same, through JSON: what is no finite builtin is refused here, and not by the step that reads it."""
    plain: dict[str, Any] = json.loads(json.dumps(said, allow_nan=False))
    return plain


def record_uri(store: str, execution: str, step: str) -> str:
    """Where a step of an execution leaves which result it ended with: `{"result": <the result's folder>}`."""
    return storage.join(store, "executions", execution, f"{step}.json")


@contextmanager
def failing_closed(component: str) -> Iterator[None]:
    """Whatever is raised inside ends this process at once with status 1, and its message is where the service looks."""
    try:
        yield
    except BaseException as error:  # noqa: BLE001 — the job's border: everything becomes a message and a status
        _fail(component, error)


def _fail(component: str, error: BaseException) -> NoReturn:
    traceback.print_exception(error)
    message = (
        error.message if isinstance(error, SluiceError) else f"unexpected {type(error).__name__}: {error}"
    )
    told = _spoken_of(component, message)
    print(f"error: {told}", file=sys.stderr)
    try:
        for place in FAILURES:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(told[:LONGEST])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)


def _spoken_of(component: str, message: str) -> str:
    """The message, with the component's name in front unless it begins with that."""
    return message if message.startswith((f"{component}:", f"{component} ")) else f"{component}: {message}"
