"""What the gates wrote: a report's verdict, and the numbers beside it. A verdict that can't be read is a refusal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NoReturn

from sluice.contract import RegistryError, Report

EVALUATION = "evaluation.json"
"""The metric gate's verdict in evaluate's report."""
VALIDATION = "validation.json"
"""The data gate's verdict in validate's report."""


def require_passed(report: Report, file: str) -> None:
    """Check a report's verdict.

    Raises:
        RegistryError: it does not say that everything passed.
    """
    verdict = _read(report, file).get("verdict")
    if not isinstance(verdict, dict) or verdict.get("passed") is not True:
        reasons = (verdict.get("reasons") if isinstance(verdict, dict) else None) or [f"verdict {verdict}"]
        raise RegistryError(
            "the verdict is not passed, and a refused model is not registered or approved",
            where=f"{report.uri}, {file}",
            got="; ".join(map(str, reasons)),
            allowed="a verdict with passed: true",
            next_step="Make a model that passes, or change the recipe's gates",
        )


def metrics_of(evaluation: Report) -> dict[str, float]:
    """Every single number of an evaluation: `macro_f1`, `baselines.linear.macro_f1`. Tables stay in the report."""
    document = _read(evaluation, EVALUATION)
    return dict(_numbers(document | document.pop("metrics", {}), ""))


def _numbers(value: Any, path: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _numbers(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, float(value)


def _read(report: Report, file: str) -> dict[str, Any]:
    try:
        document = json.loads((report.folder / file).read_bytes(), parse_constant=_refuse_constant)
    except (OSError, ValueError) as error:
        raise RegistryError(
            "the verdict can't be read, which counts as a refusal",
            where=f"{report.uri}, {file}",
            got=f"{error}",
            next_step="Run the step that writes it again",
        ) from None
    if not isinstance(document, dict):
        raise RegistryError(
            "the verdict is not a JSON object, which counts as a refusal",
            where=f"{report.uri}, {file}",
            got=type(document).__name__,
        )
    return document


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
