"""The one function that every `@step` runs. Short strings go in, small strict JSON comes out, and it fails closed."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from sluice.contract import Call, Component, InputError, Result, SluiceError, Verdict, storage
from sluice.contract.execution import run
from sluice.job.status import telling

NOT_GIVEN = "default"
"""What a pipeline parameter says for: as if it were not there. SageMaker has no parameter without a value."""

FAILURE = Path("/opt/ml/output/failure")
"""Where a job writes why it failed; the service shows its first 1,024 characters."""
LONGEST = 1024


def run_step(component: str, recipe: str, *given: str) -> dict[str, Any]:
    """Run a component in a job, or find its finished result.

    Whatever goes wrong ends the process at once with status 1: the SDK's own entry point would take a failure that it
    can't report for a success.

    Args:
        component: the component's name.
        recipe: the recipe's URI.
        given: a parameter's name and its URI or plain value as text, in turn. The SDK takes no arbitrary keywords.

    Returns:
        `outputs` (manifest URIs by name), `result` (the result's folder), and for a verdict `passed` and `reasons` (one
        text).
    """
    try:
        with telling(os.environ):
            call = make_call(component, recipe, dict(zip(given[::2], given[1::2], strict=True)), os.environ)
            said = _strict(answer(call, run(call)))
            _record(said, os.environ)
            return said
    except BaseException as error:  # noqa: BLE001 — the job's border: everything becomes a message and a status
        _fail(component, error)


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


def _record(said: Mapping[str, Any], environment: Mapping[str, str]) -> None:
    """Leave the record: only an execution that had exactly a result may lend it to a later one."""
    if {"SLUICE_EXECUTION", "SLUICE_STEP"} <= environment.keys():
        store = storage.to_uri(environment["SLUICE_STORE"])
        uri = record_uri(store, environment["SLUICE_EXECUTION"], environment["SLUICE_STEP"])
        storage.write_bytes(uri, json.dumps({"result": said["result"]}).encode())


def _fail(component: str, error: BaseException) -> NoReturn:
    traceback.print_exception(error)
    message = (
        error.message if isinstance(error, SluiceError) else f"unexpected {type(error).__name__}: {error}"
    )
    told = _spoken_of(component, message)
    print(f"error: {told}", file=sys.stderr)
    try:
        FAILURE.parent.mkdir(parents=True, exist_ok=True)
        FAILURE.write_text(told[:LONGEST])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)


def _spoken_of(component: str, message: str) -> str:
    """The message, with the component's name in front unless it begins with that."""
    return message if message.startswith((f"{component}:", f"{component} ")) else f"{component}: {message}"
