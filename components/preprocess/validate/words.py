"""How an expectation, what it observed and why it failed are put into words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sluice.recipe import Expectation

SHOWN = 3
"""Values that a sentence gives as examples."""
LONG = 160
"""Characters of a single value that are shown."""
COLUMN = ("column", "column_A", "column_B")
"""The arguments that name a column."""

AUDIT = "audit"
"""The table of one row, whose values are spoken of as measures."""

Arguments = Mapping[str, Any]


def subject(table: str, asked: Expectation) -> str:
    """What an expectation is about: `training: weight`."""
    columns = columns_named(asked)
    return ": ".join([table, " and ".join(columns)] if columns else [table])


def columns_named(asked: Expectation) -> list[str]:
    """The columns that an expectation is about."""
    columns = [asked.kwargs[key] for key in COLUMN if key in asked.kwargs]
    return [str(column) for column in [*columns, *(asked.kwargs.get("column_list") or [])]]


def call(asked: Expectation) -> str:
    """An expectation as it would be called, without the column."""
    return f"{asked.type}({arguments(asked)})"


def arguments(asked: Expectation) -> str:
    """An expectation's arguments without the column, as short text."""
    return ", ".join(f"{key}={value(item)}" for key, item in asked.kwargs.items() if key not in COLUMN)


def observed(result: Arguments) -> str:
    """What great-expectations found, in a few words."""
    if "element_count" in result and "unexpected_count" in result:
        return f"{number(result['unexpected_count'])} of {number(_judged(result))} unexpected"
    if result.get("unexpected_count") is not None:
        return f"{number(result['unexpected_count'])} unexpected"
    return value(result["observed_value"]) if result.get("observed_value") is not None else ""


def failure(table: str, asked: Expectation, result: Arguments) -> str:
    """Why an expectation doesn't hold: `training: weight: 31 of 16,000 values outside 0..1,000,000 (e.g. -5)`."""
    return f"{subject(table, asked)}: {_what(table, asked, result)}{_condition(asked)}"


def _what(table: str, asked: Expectation, result: Arguments) -> str:
    if asked.type == "expect_column_to_exist" and "column_index" not in asked.kwargs:
        return "there is no such column"
    if table == AUDIT and len(values := result.get("partial_unexpected_list") or []) == 1:
        return "not measured" if values[0] is None else f"{value(values[0])}, {_wrong(asked)}"
    if "element_count" in result:
        wrong = f"{number(result['unexpected_count'])} of {number(_judged(result))} values {_wrong(asked)}"
        return wrong + _examples(result.get("partial_unexpected_list")) + _mostly(asked)
    if "partial_missing_list" in result:
        return f"{count(result['missing_count'], 'value')} missing{_examples(result['partial_missing_list'])}"
    if "unexpected_count" in result:
        wrong = f"{count(result['unexpected_count'], 'distinct value')} {_wrong(asked)}"
        return wrong + _examples(result.get("partial_unexpected_list"))
    measure = re.fullmatch(r"expect_(?:column|table)_(.+)_to_(be_between|equal)", asked.type)
    if measure and asked.kwargs.keys() & {"min_value", "max_value", "value"}:
        found = result.get("observed_value")
        off = "" if found is None else f", {_off(asked)}"
        return f"{measure[1].replace('_', ' ')} {value(found)}{off}"
    return f"{call(asked)} doesn't hold{_found(result)}"


def _judged(result: Arguments) -> int:
    """The values that were judged: great-expectations leaves nulls out, except where it asks about them."""
    return int(result["element_count"]) - int(result.get("missing_count") or 0)


WRONG: dict[str, Callable[[Arguments], str]] = {
    "expect_column_values_to_be_between": lambda a: _outside(a),
    "expect_column_values_to_not_be_null": lambda a: "null",
    "expect_column_values_to_be_null": lambda a: "not null",
    "expect_column_values_to_be_unique": lambda a: "not unique",
    "expect_column_values_to_be_in_set": lambda a: f"not among {value(a['value_set'])}",
    "expect_column_distinct_values_to_be_in_set": lambda a: f"not among {value(a['value_set'])}",
    "expect_column_values_to_not_be_in_set": lambda a: f"among {value(a['value_set'])}",
    "expect_column_value_lengths_to_be_between": lambda a: f"of a length {_outside(a)}",
    "expect_column_value_lengths_to_equal": lambda a: f"of another length than {value(a['value'])}",
    "expect_column_values_to_match_regex": lambda a: f"not matching {a.get('regex')}",
    "expect_column_values_to_not_match_regex": lambda a: f"matching {a['regex']}",
}
"""What the unexpected values of an expectation are."""


def _wrong(asked: Expectation) -> str:
    tell = WRONG.get(asked.type)
    return tell(asked.kwargs) if tell else f"failing {call(asked)}"


def _outside(given: Arguments) -> str:
    low, high = given.get("min_value"), given.get("max_value")
    if low is not None and high is not None:
        return f"outside {value(low)}..{value(high)}"
    return f"below {value(low)}" if low is not None else f"above {value(high)}"


def _off(asked: Expectation) -> str:
    return f"not {value(asked.kwargs['value'])}" if "value" in asked.kwargs else _outside(asked.kwargs)


def _examples(values: Sequence[Any] | None) -> str:
    found = distinct([one for one in values or [] if one is not None])[:SHOWN]
    return f" (e.g. {', '.join(map(value, found))})" if found else ""


def _mostly(asked: Expectation) -> str:
    share = asked.kwargs.get("mostly", 1)
    return "" if share == 1 else f"; at most {1 - share:.2%} may be"


def _condition(asked: Expectation) -> str:
    condition = asked.kwargs.get("row_condition")
    return f", where {value(condition)}" if condition else ""


def _found(result: Arguments) -> str:
    found = result.get("details", {}).get("mismatched", result.get("observed_value"))
    return "" if found is None else f": found {value(found)}"


def distinct(values: Sequence[Any]) -> list[Any]:
    """The values without repeats, in order; they need not be hashable."""
    return [one for i, one in enumerate(values) if one not in values[:i]]


def value(given: Any) -> str:
    """A value as short text: numbers with separators, text bare, anything else as JSON."""
    if isinstance(given, int | float) and not isinstance(given, bool):
        return number(given)
    text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False, default=str)
    return text if len(text) <= LONG else f"{text[:LONG]}…"


def count(how_many: int, noun: str) -> str:
    """So many of something: `1 row`, `2 rows`."""
    return f"{how_many:,} {noun}{'' if how_many == 1 else 's'}"


def number(given: float) -> str:
    """A number with separators for thousands, and no more digits than a reader wants."""
    if isinstance(given, int) or (float(given).is_integer() and abs(given) < 1e15):
        return f"{int(given):,}"
    return f"{given:,.6g}"
