"""What is wrong with a recipe's expectations, by great-expectations' own registry: names, arguments, and what can't fail.

great-expectations drops an expectation with an unknown name silently, and a suite without expectations passes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, get_args

from components.preprocess.validate.engine import great_expectations
from sluice.recipe import Expectation
from sluice.recipe.mistakes import Mistake, Path, closest, listed
from sluice.recipe.model import Split

RUNTIME = {"batch_id", "library_metadata"}
"""Arguments that great-expectations fills in itself."""


def check_expectations(expectations: Sequence[Expectation]) -> list[str]:
    """Every mistake as one line each; empty if great-expectations can be asked. Imports it, which takes 3 to 5 seconds."""
    return [str(mistake) for mistake in expectation_mistakes(expectations)]


def expectation_mistakes(expectations: Sequence[Expectation]) -> list[Mistake]:
    """Every mistake, with its path in the recipe."""
    found = [*_tables_not_asked(expectations)]
    for position, expectation in enumerate(expectations):
        found += _mistakes(expectation, ("expectations", position))
    return found


def _tables_not_asked(expectations: Sequence[Expectation]) -> Iterator[Mistake]:
    asked = {table for expectation in expectations for table in expectation.tables}
    for table in get_args(Split):
        if table not in asked:
            what = f"nothing is asked of the table {table}, and a suite without expectations passes"
            yield Mistake(("expectations",), what, "at least one for each table")


def _mistakes(expectation: Expectation, path: Path) -> Iterator[Mistake]:
    great_expectations()
    from great_expectations.expectations import registry

    known = [
        name for name in registry.list_registered_expectation_implementations() if name.startswith("expect_")
    ]
    if expectation.type not in known:
        what = f"{expectation.type!r} is not an expectation of great-expectations"
        yield Mistake((*path, "type"), what, meant=closest(expectation.type, known))
        return
    implementation = registry.get_expectation_impl(expectation.type)
    unknown = [*_unknown_arguments(expectation, path, _arguments(implementation))]
    yield from unknown
    if unknown:
        return
    refused = [*_refused_values(expectation, path, implementation)]
    yield from refused
    yield from _never_fails(expectation, path, _arguments(implementation))
    if not refused:
        yield from _never_holds(expectation, path, implementation)
        yield from _no_patterns(expectation, path)


def _arguments(implementation: Any) -> list[str]:
    """An expectation's own arguments, without those that every expectation has for other purposes."""
    from great_expectations.expectations.expectation import Expectation as Base

    return [name for name in implementation.__fields__ if name not in Base.__fields__ and name not in RUNTIME]


def _unknown_arguments(expectation: Expectation, path: Path, known: list[str]) -> Iterator[Mistake]:
    for name in expectation.kwargs:
        if name not in known:
            what = f"{expectation.type} has no such argument"
            yield Mistake((*path, "kwargs", name), what, listed(known), closest(name, known))


def _refused_values(expectation: Expectation, path: Path, implementation: Any) -> Iterator[Mistake]:
    """What great-expectations itself says when it is given the arguments; of several objections to one, the first."""
    from great_expectations.compatibility.pydantic import ValidationError

    if '"$PARAMETER"' in json.dumps(expectation.kwargs):
        yield Mistake((*path, "kwargs"), "$PARAMETER is not filled in here", "the value itself")
        return
    try:
        implementation(**expectation.kwargs)
    except ValidationError as error:
        problems = {problem["loc"][0]: problem["msg"] for problem in reversed(error.errors())}
    else:
        return
    about_one = {name: text for name, text in problems.items() if name != "__root__"}
    for name, text in (about_one or problems).items():
        where = (*path, "kwargs") if name == "__root__" else (*path, "kwargs", name)
        yield Mistake(where, f"{expectation.type}: {text}")


def _never_fails(expectation: Expectation, path: Path, known: list[str]) -> Iterator[Mistake]:
    """What great-expectations takes although it holds for any data, or for none."""
    given = expectation.kwargs
    if given.get("mostly") == 0:
        yield Mistake(
            (*path, "kwargs", "mostly"), f"{expectation.type} for no value at all can't fail", "more than 0"
        )
    if given.get("value_set") == []:
        yield Mistake((*path, "kwargs", "value_set"), "is empty", "one value or more")
    bounds = {"min_value", "max_value"}
    if bounds <= set(known) and all(given.get(bound) is None for bound in bounds | {"threshold"}):
        what = f"{expectation.type} without bounds can't fail"
        yield Mistake((*path, "kwargs"), what, "min_value, max_value or both")


def _never_holds(expectation: Expectation, path: Path, implementation: Any) -> Iterator[Mistake]:
    """Bounds between which there is nothing."""
    asked = implementation(
        **expectation.kwargs
    )  # whose bounds are numbers or times, however they are written
    low, high = getattr(asked, "min_value", None), getattr(asked, "max_value", None)
    if low is None or type(low) is not type(high):
        return
    strict = bool(getattr(asked, "strict_min", False) or getattr(asked, "strict_max", False))
    if low > high or (strict and low == high):
        what = f"{expectation.type} can't hold: nothing is between {low} and {high}"
        yield Mistake(
            (*path, "kwargs", "min_value"), what, "less than max_value" if strict else "at most max_value"
        )


def _no_patterns(expectation: Expectation, path: Path) -> Iterator[Mistake]:
    """Regular expressions that can't be asked."""
    given = expectation.kwargs
    patterns: list[tuple[Path, Any]] = [(("regex",), given.get("regex"))]
    patterns += [(("regex_list", i), pattern) for i, pattern in enumerate(given.get("regex_list") or [])]
    for place, pattern in patterns:
        try:
            re.compile(pattern or "")
        except re.error as error:
            yield Mistake((*path, "kwargs", *place), f"{pattern!r} is no regular expression: {error}")
