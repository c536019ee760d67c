"""What was found of everything that was asked, each with the sentence that a user reads when it doesn't hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.preprocess.validate import words
from components.preprocess.validate.engine import exceptions_in
from sluice.recipe import Expectation


@dataclass(frozen=True)
class Finding:
    """The answer to one thing asked of one table."""

    table: str
    """The table, or what else it is about: `all tables`, `account`, `quarantine`."""
    check: str
    """The expectation's type, or what Sluice's own check asks, in words."""
    passed: bool
    observed: str
    """What was found, in a few words."""
    reason: str = ""
    """Why it doesn't hold, one sentence; empty if it does."""
    position: int | None = None
    """The expectation's position in the recipe; none for Sluice's own checks."""
    warning: bool = False
    """Whether its severity is `warning`."""
    evaluated: bool = True
    """Whether there is an answer at all."""

    @property
    def refuses(self) -> bool:
        """Whether it closes the gate. A warning that could not be evaluated does: nobody knows what it would say."""
        return not self.passed and (not self.warning or not self.evaluated)

    @property
    def warns(self) -> bool:
        """Whether it is reported and lets the data pass."""
        return not self.passed and not self.refuses


def findings_of(table: str, asked: Mapping[int, Expectation], result: Mapping[str, Any]) -> list[Finding]:
    """One finding for each expectation that was asked, whatever great-expectations gave back.

    Args:
        table: the table's name.
        asked: the expectations by their position in the recipe.
        result: great-expectations' result for the table.
    """
    answers = {one["expectation_config"]["meta"]["position"]: one for one in result["results"]}
    return [_finding(table, position, e, answers.get(position)) for position, e in asked.items()]


def _finding(table: str, position: int, asked: Expectation, answer: Mapping[str, Any] | None) -> Finding:
    warning = asked.severity == "warning"
    problem = "great-expectations gave no answer" if answer is None else "; ".join(exceptions_in(answer))
    if answer is None or problem:
        reason = f"{words.subject(table, asked)}: {words.call(asked)} could not be evaluated: {problem}"
        return Finding(table, asked.type, False, "not evaluated", reason, position, warning, evaluated=False)
    passed = answer["success"] is True
    reason = "" if passed else words.failure(table, asked, answer["result"])
    return Finding(table, asked.type, passed, words.observed(answer["result"]), reason, position, warning)
