"""Which records stand where in a recipe: read off the types, so that no message and no table repeats them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, get_args, get_origin

from sluice.contract.settings import Strict
from sluice.recipe.mistakes import Path
from sluice.recipe.model import Recipe


def record_in(annotation: Any) -> type[Strict] | None:
    """The record in a field's type: `Merge` in `Merge | None`, `Derive` in `tuple[Derive, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, Strict):
        return annotation
    return next((found for part in get_args(annotation) if (found := record_in(part))), None)


def keys(record: type[Strict]) -> dict[str, Any]:
    """A record's keys as a recipe spells them, with the type of each."""
    return {field.alias or name: field.annotation for name, field in record.model_fields.items()}


def meaning(record: type[Strict], key: str) -> str:
    """What a key means: the text under its field, or else its record's own first line."""
    field = next(field for name, field in record.model_fields.items() if key in (field.alias or name, name))
    inner = record_in(field.annotation)
    return field.description or (inner.__doc__ or "").splitlines()[0] if inner else field.description or ""


def record_at(path: Path) -> type[Strict] | None:
    """The record that stands at a path; none for a plain value or for a path that leads nowhere."""
    annotation: Any = Recipe
    for step in path:
        if isinstance(step, int):
            continue
        if get_origin(annotation) is dict:
            annotation = get_args(annotation)[1]  # the step is a key of the user's own
        else:
            record = record_in(annotation)
            annotation = keys(record).get(step) if record else None
    return record_in(annotation)


@cache
def homes() -> dict[str, list[str]]:
    """The sections in which each key is allowed."""
    found: dict[str, list[str]] = {}
    for section, key in _section_keys(Recipe, ""):
        found.setdefault(key, []).append(section)
    return found


def _section_keys(record: type[Strict], section: str) -> Iterator[tuple[str, str]]:
    for key, annotation in keys(record).items():
        yield section, key
        if inner := record_in(annotation):
            yield from _section_keys(inner, f"{section}.{key}".removeprefix("."))
