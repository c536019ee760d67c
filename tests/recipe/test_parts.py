"""Each component is given its part of the recipe, and only that part."""

from __future__ import annotations

from pathlib import Path

import pytest

import sluice.recipe
from sluice.contract.errors import RecipeError
from sluice.recipe import (
    EvaluateSettings,
    PreprocessSettings,
    Recipe,
    RegisterSettings,
    TrainSettings,
    ValidateSettings,
    parse_recipe,
)

RECIPE = Path(__file__).with_name("parcels.yaml").read_text(encoding="utf-8")
PARTS = [PreprocessSettings, ValidateSettings, TrainSettings, EvaluateSettings, RegisterSettings]


@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_cut_out_of_the_recipe(part):
    recipe = parse_recipe(RECIPE, "parcels.yaml")
    settings = part.from_recipe(RECIPE, "parcels.yaml")
    assert dict(settings) == {name: getattr(recipe, name) for name in part.model_fields}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_survives_json(part):
    settings = part.from_recipe(RECIPE, "parcels.yaml")
    assert part.model_validate_json(settings.model_dump_json(), strict=True) == settings


def test_the_whole_recipe_survives_json():
    recipe = parse_recipe(RECIPE, "parcels.yaml")
    assert Recipe.model_validate_json(recipe.model_dump_json(), strict=True) == recipe


@pytest.mark.parametrize("part", PARTS)
def test_no_part_comes_from_a_wrong_recipe(part):
    with pytest.raises(RecipeError, match="line 2: nime: unknown key"):
        part.from_recipe(RECIPE.replace("name: parcels", "nime: parcels"), "parcels.yaml")


def test_every_section_belongs_to_a_component():
    given = {name for part in PARTS for name in part.model_fields}
    assert given == set(Recipe.model_fields) - {"version"}


def test_another_learning_rate_leaves_preprocess_as_it_is():
    text = RECIPE.replace("learning_rate: 1e-5", "learning_rate: 2e-5")
    assert PreprocessSettings.from_recipe(text, "a") == PreprocessSettings.from_recipe(RECIPE, "b")
    assert TrainSettings.from_recipe(text, "a") != TrainSettings.from_recipe(RECIPE, "b")


def test_preprocess_reads_the_data_files_and_the_merged_list():
    assert PreprocessSettings.from_recipe(RECIPE, "x").source_files() == ("parcels.csv", "kinds.csv")


def test_without_a_merge_only_the_data_files_are_read():
    head, _, rest = RECIPE.partition("  merge:\n")
    text = head + rest[rest.index("  quarantine_limit") :]
    assert PreprocessSettings.from_recipe(text, "x").source_files() == ("parcels.csv",)
    assert TrainSettings.from_recipe(RECIPE, "x").source_files() == ()


def test_the_public_names_are_these():
    assert sorted(sluice.recipe.__all__) == [
        *(
            "AuditSettings",
            "COMBINED_TEXT",
            "Columns",
            "Data",
            "Derive",
            "EvaluateSettings",
            "Expectation",
            "FeatureSettings",
        ),
        *("Gates", "LinearBaseline", "Merge", "ModelSettings", "PreprocessSettings", "ROW_ID", "RareClasses"),
        *("Recipe", "RegisterSettings", "Registry", "Splitting", "Text", "TrainSettings", "Training"),
        *(
            "ValidateSettings",
            "encoded",
            "field_table",
            "missing",
            "parse_recipe",
            "read_recipe",
            "recipe_schema",
        ),
        *("scaled", "standardise", "table_columns"),
    ]
    assert all(hasattr(sluice.recipe, name) for name in sluice.recipe.__all__)
