"""A component that does nothing once another has, to see what running a chain costs."""

from __future__ import annotations

from sluice.contract import Metrics, Output, Report


def relay(before: Report, after: Output[Report], value: str = "1") -> Metrics:
    """Do nothing, after the one before."""
    return Metrics()
