"""What pydantic found wrong, in plain words: what was got, what is allowed, what was probably meant."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from pydantic_core import ErrorDetails

from sluice.recipe import model
from sluice.recipe.mistakes import Mistake, Path, closest, listed
from sluice.recipe.shape import homes, keys, meaning, record_at

SHOWN = 60
"""Characters of a wrong value that a message shows."""

KEY = "[key]"
"""How pydantic says that the key of a mapping is meant, not its value."""

PATTERNS = {
    model.NAME_PATTERN: "1 to 63 letters, digits, dots, dashes and underscores, the first a letter or digit",
    model.SHA256_PATTERN: "64 characters 0 to 9 and a to f",
    model.EXPECTATION_PATTERN: "a great-expectations name such as expect_column_values_to_not_be_null",
    model.CURRENCY_PATTERN: "a sign or code without digits, signs and parentheses",
    model.SAID_PATTERN: "a reason that a reader can judge",
}

KINDS = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}

LIMITS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


class Found(NamedTuple):
    """One of pydantic's errors, and the value it is about as the recipe writes it."""

    path: Path
    input: Any
    context: Mapping[str, Any]
    kind: str
    message: str
    plain: str | None


def in_words(errors: Iterable[ErrorDetails], plain: Mapping[Path, str]) -> list[Mistake]:
    """Every error as a mistake; none that only follows from another one."""
    found = [_found(error, plain) for error in errors]
    return [_mistake(error) for error in found if not _follows(error)]


def _found(error: ErrorDetails, plain: Mapping[Path, str]) -> Found:
    path = tuple(step for step in error["loc"] if step != KEY)
    return Found(path, error["input"], error.get("ctx", {}), error["type"], error["msg"], plain.get(path))


def _follows(error: Found) -> bool:
    """A list counts as too short once its wrong items are taken out, and a wrong metric's value was never asked for."""
    return error.kind == "too_short" and len(error.input) >= error.context["min_length"]


def _mistake(error: Found) -> Mistake:
    tell = TELLERS.get(error.kind, _other)
    return tell(error)


def _missing(error: Found) -> Mistake:
    record = record_at(error.path[:-1])
    return Mistake(
        error.path, "missing", meaning(record, str(error.path[-1])).rstrip(".") if record else None
    )


def _unknown(error: Found) -> Mistake:
    record, key = record_at(error.path[:-1]), str(error.path[-1])
    allowed = list(keys(record)) if record else []
    meant = closest(key, allowed)
    elsewhere = [section or "the top level" for section in homes().get(key, [])]
    home = f"; it belongs under {listed(elsewhere)}" if elsewhere and not meant else ""
    return Mistake(error.path, f"unknown key{home}", listed(allowed), meant, unknown_key=True)


def _literal(error: Found) -> Mistake:
    allowed = re.findall(r"'([^']*)'", error.context["expected"]) or [error.context["expected"]]
    meant = closest(error.input, allowed) if isinstance(error.input, str) else None
    return Mistake(error.path, _got(error), listed(allowed), meant)


def _kind(error: Found) -> Mistake:
    hint = ""
    if error.kind == "string_type" and error.plain:
        hint = f"; write '{error.plain}' in quotes if it is meant as text"
    if error.kind == "tuple_type" and isinstance(error.input, str):
        hint = f"; write [{error.input}]"
    if error.input is None:
        hint = "; leave the key out to get its default, or give it a value"
    return Mistake(error.path, _got(error) + hint, KINDS[error.kind])


def _limit(error: Found) -> Mistake:
    name, words = LIMITS[error.kind]
    return Mistake(error.path, _got(error), f"{words} {error.context[name]:g}")


def _pattern(error: Found) -> Mistake:
    pattern = error.context["pattern"]
    return Mistake(
        error.path, _got(error), PATTERNS.get(pattern, f"text that matches {pattern}"), _repaired(error)
    )


def _repaired(error: Found) -> str | None:
    """The snake_case name behind the class name that great-expectations' own pages show."""
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", error.input).lower()
    expectation = error.context["pattern"] == model.EXPECTATION_PATTERN
    return snake if expectation and re.match(model.EXPECTATION_PATTERN, snake) else None


def _short(error: Found) -> Mistake:
    least = error.context["min_length"]
    items = "item" if least == 1 else "items"
    return Mistake(error.path, f"has {len(error.input)}", f"{least} {items} or more")


def _blank(error: Found) -> Mistake:
    return Mistake(error.path, "is empty", "text")


def _value(error: Found) -> Mistake:
    return Mistake(error.path, str(error.context["error"]))


def _other(error: Found) -> Mistake:
    return Mistake(error.path, f"{_got(error)}: {error.message}")


TELLERS: dict[str, Callable[[Found], Mistake]] = {
    "missing": _missing,
    "extra_forbidden": _unknown,
    "literal_error": _literal,
    "string_pattern_mismatch": _pattern,
    "too_short": _short,
    "string_too_short": _blank,
    "value_error": _value,
    **dict.fromkeys(KINDS, _kind),
    **dict.fromkeys(LIMITS, _limit),
}


def _got(error: Found) -> str:
    return f"got {shown(error.input)}"


def shown(value: Any) -> str:
    """A wrong value with its kind, cut when it is long."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"the truth value {str(value).lower()}"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text {value[:SHOWN]!r}{'…' if len(value) > SHOWN else ''}"
    return "a list" if isinstance(value, list) else "a mapping"
