"""The format's own description: frozen, complete, and in the words that stand under the fields."""

from __future__ import annotations

import json
from pathlib import Path

from sluice.recipe import field_table, recipe_schema
from sluice.recipe.describe import rows
from sluice.recipe.model import Recipe

GOLDEN = Path(__file__).with_name("recipe.schema.json")
UPDATE = "python -c 'import json, sluice.recipe as r; print(json.dumps(r.recipe_schema(), indent=2, sort_keys=True))'"


def test_the_schema_is_the_frozen_one():
    schema = json.dumps(recipe_schema(), indent=2, sort_keys=True) + "\n"
    assert schema == GOLDEN.read_text(encoding="utf-8"), f"if the change is meant: {UPDATE} > {GOLDEN.name}"


def test_the_schema_refuses_unknown_keys_everywhere():
    schema = recipe_schema()
    records = [schema, *schema["$defs"].values()]
    assert len(records) > 10
    assert all(record["additionalProperties"] is False for record in records)


def test_every_field_has_a_meaning():
    fields = list(rows(Recipe))
    assert len(fields) > 60
    assert [row.path for row in fields if not row.meaning.endswith(".")] == []


def test_the_table_shows_field_default_and_meaning():
    lines = field_table().splitlines()
    assert lines[:3] == [
        "| field | default | meaning |",
        "|---|---|---|",
        "| `version` | required | The recipe format's version. |",
    ]
    assert "| `data` | required | Where the rows come from. |" in lines
    assert "| `data.derive[].from` | required | The column to cut from. |" in lines
    assert (
        "| `split` | as below | How rows are parted. The split comes first; whatever is learned is learned on the training rows alone. |"
        in lines
    )
    assert "| `training.learning_rate` | `1e-05` | AdamW's learning rate for the backbone. |" in lines


def test_every_line_of_the_table_has_three_cells():
    assert {line.replace("\\|", "").count("|") for line in field_table().splitlines()} == {4}
