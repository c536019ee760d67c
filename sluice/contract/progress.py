"""How a component says what it is doing: one line per report, which runners read and people can too."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

PREFIX = "@sluice "
"""What starts a line that a runner reads."""

listeners: list[Callable[[str, float | None], None]] = []
"""Called with every report's message and fraction."""


def report(message: str, fraction: float | None = None) -> None:
    """Say what the component is doing now.

    Args:
        message: a few words.
        fraction: how much of the component's work is done, 0 to 1.
    """
    for listener in listeners:
        listener(message, fraction)
    if os.environ.get("SLUICE_RUNNER"):
        emit({"progress": message, "fraction": fraction})
    else:
        done = "" if fraction is None else f"{fraction:4.0%} "
        print(f"{done}{message}", file=sys.stderr, flush=True)


def emit(event: dict[str, Any]) -> None:
    """Write one event for the runner."""
    print(PREFIX + json.dumps(event), flush=True)


def parse(line: str) -> dict[str, Any] | None:
    """The event in a line of a component's output; None for any other line."""
    if not line.startswith(PREFIX):
        return None
    try:
        event = json.loads(line.removeprefix(PREFIX))
    except ValueError:
        return None
    return event if isinstance(event, dict) else None
