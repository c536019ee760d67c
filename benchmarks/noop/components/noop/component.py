"""A component that does nothing, to see what running one costs."""

from __future__ import annotations

from sluice.contract import Metrics, Output, Report


def noop(after: Output[Report], value: str = "1") -> Metrics:
    """Do nothing, first in the chain."""
    return Metrics()
