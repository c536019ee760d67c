"""The command line of every component, derived from its signature: `python -m components.<name> …`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from sluice.contract import progress, storage
from sluice.contract.component import Component, Metrics
from sluice.contract.errors import InputError, SluiceError
from sluice.contract.execution import Call, run
from sluice.contract.home import ensure_home

HOLDING = ("local", "docker")
"""The runners that hold a step's standard input open for as long as they live, by SLUICE_RUNNER."""
GRACE_SECONDS = 10
"""How long an interrupted component may take to clean up."""


def main(function: Callable[..., Metrics], argv: Sequence[str] | None = None) -> int:
    """Run a component from the command line and print its result as JSON.

    Returns:
        The exit status: 0, or 1 after printing the family's error.
    """
    ensure_home()
    component = Component.of(function)
    options = vars(_parser(component).parse_args(argv))
    if options.pop("schema"):
        print(json.dumps(component.json_schema(), indent=2))
        return 0
    signal.signal(signal.SIGTERM, _interrupted)
    _end_with_runner()
    try:
        call = make_call(component, options)
        result = run(call)
    except BaseException as error:  # noqa: BLE001 — the process's border: everything becomes a message and a status
        return _fail(component, error)
    uris = {name: call.output_uri(name) for name in result.outputs}
    print(json.dumps({"result": call.folder, "outputs": uris, "metrics": result.metrics}))
    return 0


def make_call(component: Component, options: dict[str, Any]) -> Call:
    """The call that the command line's options ask for."""
    recipe_uri = options.pop("recipe", None)
    store = storage.to_uri(options.pop("store"))
    return Call(
        component,
        store,
        options,
        _read_recipe(recipe_uri) if recipe_uri else None,
        str(recipe_uri),
    )


def _read_recipe(location: str) -> str:
    try:
        return storage.read_bytes(storage.to_uri(location)).decode()
    except FileNotFoundError:
        raise InputError("there is no recipe", where=location, next_step="Check the path") from None
    except UnicodeDecodeError as error:
        raise InputError("the recipe is not UTF-8 text", where=location, got=str(error)) from None


def _parser(component: Component) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m components.{component.name}", description=component.summary
    )
    parser.add_argument(
        "--schema",
        action=_PrintSchema,
        nargs=0,
        default=False,
        help="print the interface as JSON",
    )
    parser.add_argument(
        "--store",
        required=True,
        metavar="URI",
        help="where results are kept: a folder or s3://…",
    )
    if component.settings:
        sections = ", ".join(component.settings[1].model_fields)
        parser.add_argument(
            "--recipe",
            required=True,
            metavar="URI",
            help=f"the recipe; read from it: {sections}",
        )
    for name, port in component.inputs.items():
        _add(
            parser,
            component,
            name,
            required=True,
            metavar="MANIFEST_URI",
            note=str(port),
        )
    for name in component.externals:
        _add(parser, component, name, required=True, metavar="URI")
    for name, parameter in component.parameters.items():
        _add(parser, component, name, required=parameter.required, metavar="VALUE")
    return parser


def _add(
    parser: argparse.ArgumentParser,
    component: Component,
    name: str,
    *,
    required: bool,
    metavar: str,
    note: str = "",
) -> None:
    text = component.descriptions.get(name, "").replace("%", "%%")
    parser.add_argument(
        f"--{name.replace('_', '-')}",
        required=required,
        default=argparse.SUPPRESS,
        metavar=metavar,
        help=f"{text} ({note})" if note else text,
    )


class _PrintSchema(argparse.Action):
    """`--schema` alone is a whole command line: nothing else is required then."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, *_: object) -> None:
        for action in parser._actions:
            action.required = False
        namespace.schema = True


def _fail(component: Component, error: BaseException) -> int:
    """Print what went wrong, for people and for the runner; a defect shows its traceback as well."""
    if isinstance(error, KeyboardInterrupt | SystemExit):
        message = "interrupted"
    elif isinstance(error, SluiceError):
        message = error.message
    else:
        traceback.print_exception(error)
        message = f"{component.name}: unexpected {type(error).__name__}: {error}"
    if os.environ.get("SLUICE_RUNNER"):
        progress.emit({"failure": message, "type": type(error).__name__})
    print(f"error: {message}", file=sys.stderr, flush=True)
    return 1


def _interrupted(number: int, _frame: FrameType | None) -> None:
    """SIGTERM leaves through the `finally`s, so that the staging folder goes with the process."""
    raise KeyboardInterrupt


def _end_with_runner() -> None:
    """End this process when its runner is gone, even if that was killed: it holds our standard input open."""
    if os.environ.get("SLUICE_RUNNER") not in HOLDING:
        return

    def watch() -> None:
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)  # through the `finally`s, as when a runner asks for it
        time.sleep(GRACE_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
