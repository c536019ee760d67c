"""Starts each step as a process of this machine, through its component's command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sluice.contract import Call, Component
from sluice.contract.execution import clear_staging


class Processes:
    """Steps as processes, in the environment that this one runs in."""

    noun = "process"
    changeable = "its code, recipe or data changed while it worked"

    def image_of(self, component: Component) -> str | None:
        """The image that we run in, if we do: a process runs the checkout's own code."""
        return os.environ.get("SLUICE_IMAGE_CONTENT")

    def launch(self, run: str, step: str, call: Call) -> Process:
        """Start a step's process."""
        process = subprocess.Popen(
            command_line(call),
            stdin=subprocess.PIPE,  # never written to: its end tells the process that we are gone
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=_environment(call.component.checkout),
            start_new_session=True,  # so that Ctrl-C reaches it through us alone, and its children with it
        )
        return Process(call, process)

    def tidy(self, run: str) -> None:
        """A process leaves nothing behind."""


@dataclass(frozen=True)
class Process:
    """A step's process."""

    call: Call
    process: subprocess.Popen[str]

    def lines(self) -> Iterator[str]:
        """What it writes, line by line, until it has ended."""
        assert self.process.stdout is not None
        yield from self.process.stdout

    def fault(self) -> str:
        """How it ended, as what follows "the step's process"; empty if its status is 0."""
        with self.process:  # its standard input is closed when it has ended, not before
            return ending(self.process.wait())

    def stop(self) -> None:
        """Ask it and its children to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it and its children."""
        self._signal(signal.SIGKILL)

    def clear(self) -> None:
        """Remove its staging folder."""
        clear_staging(self.call)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


def command_line(call: Call) -> list[str]:
    """The component's command line for a call."""
    return [sys.executable, "-m", f"components.{call.component.name}", *options(call)]


def options(call: Call) -> list[str]:
    """What follows the component's name on its command line."""
    words = ["--store", call.store]
    if call.component.settings:
        words += ["--recipe", call.recipe_uri]
    return words + [f"--{name.replace('_', '-')}={value}" for name, value in call.arguments.items()]


def ending(status: int) -> str:
    """What an exit status says, as what follows "the step's process"; a signal's number is negative."""
    if status < 0:
        name = signal.Signals(-status).name
        return f"was killed by signal {name} without saying why (SIGKILL: often for lack of memory)"
    return f"ended with status {status} without saying why" if status else ""


def _environment(checkout: Path) -> dict[str, str]:
    path = os.pathsep.join(
        dict.fromkeys([str(checkout), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))])
    )
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "SLUICE_RUNNER": "local"}
