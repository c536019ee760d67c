"""What the recipe format is, for people and for editors: a table of every field, and a JSON schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

from sluice.contract.settings import Strict
from sluice.recipe.model import Recipe
from sluice.recipe.shape import meaning, record_in


class Row(NamedTuple):
    """One field of the recipe."""

    path: str
    default: str
    meaning: str


def field_table(record: type[Strict] = Recipe) -> str:
    """Every field with its default and its meaning, as a Markdown table."""
    lines = [_line(f"`{row.path}`", row.default, row.meaning) for row in rows(record)]
    return "\n".join([_line("field", "default", "meaning"), "|---|---|---|", *lines]) + "\n"


def recipe_schema() -> dict[str, Any]:
    """The recipe's JSON schema; an editor that is given it completes keys and marks mistakes."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Recipe.model_json_schema()}


def rows(record: type[Strict], section: str = "") -> Iterator[Row]:
    """A record's fields and, below each, those of the record that it holds."""
    for name, field in record.model_fields.items():
        path = f"{section}{field.alias or name}{'[]' if _is_list_of_records(field) else ''}"
        yield Row(path, _default(field), meaning(record, name))
        if inner := record_in(field.annotation):
            yield from rows(inner, f"{path}.")


def _is_list_of_records(field: FieldInfo) -> bool:
    return record_in(field.annotation) is not None and "tuple" in str(field.annotation)


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    if isinstance(field.default, Strict):
        return "as below"
    return f"`{json.dumps(to_jsonable_python(field.default))}`"


def _line(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
