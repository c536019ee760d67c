"""The recipes that are shipped are right, complete, and the only place that names their columns."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.recipe import parse_recipe, read_recipe

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))


def test_there_are_recipes():
    assert [file.stem for file in RECIPES] == [
        "clothing-reviews",
        "hospital-ledger",
        "ledger-demo",
        "medical-transcriptions-15",
        "medical-transcriptions",
    ]


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem)
def test_a_shipped_recipe_is_right_and_named_for_its_file(file):
    assert parse_recipe(read_recipe(file), str(file)).name == file.stem


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem)
def test_a_shipped_recipe_counts_the_rows_of_every_table(file):
    """An empty table passes most expectations."""
    counted = {
        table
        for expectation in parse_recipe(read_recipe(file), str(file)).expectations
        if expectation.type == "expect_table_row_count_to_be_between" and expectation.kwargs["min_value"] > 0
        for table in expectation.tables
    }
    assert counted == {"train", "validation", "test"}


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem)
def test_a_shipped_recipe_has_to_beat_the_linear_baseline_or_says_why_not(file):
    baseline = parse_recipe(read_recipe(file), str(file)).gates.linear_baseline
    assert baseline.margin >= 0.0 or baseline.waived_because
