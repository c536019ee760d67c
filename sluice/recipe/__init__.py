"""The recipe: one strict, complete description of data, model and gates, and each component's part of it."""

from sluice.recipe.checks import table_columns
from sluice.recipe.describe import field_table, recipe_schema
from sluice.recipe.model import (
    Columns,
    Data,
    Derive,
    Expectation,
    FeatureSettings,
    Gates,
    LinearBaseline,
    Merge,
    ModelSettings,
    RareClasses,
    Recipe,
    Registry,
    Splitting,
    Text,
    Training,
)
from sluice.recipe.names import COMBINED_TEXT, ROW_ID, encoded, missing, scaled, standardise
from sluice.recipe.parse import parse_recipe, read_recipe
from sluice.recipe.parts import (
    AuditSettings,
    EvaluateSettings,
    PreprocessSettings,
    RegisterSettings,
    TrainSettings,
    ValidateSettings,
)

__all__ = [
    "COMBINED_TEXT",
    "ROW_ID",
    "AuditSettings",
    "Columns",
    "Data",
    "Derive",
    "EvaluateSettings",
    "Expectation",
    "FeatureSettings",
    "Gates",
    "LinearBaseline",
    "Merge",
    "ModelSettings",
    "PreprocessSettings",
    "RareClasses",
    "Recipe",
    "RegisterSettings",
    "Registry",
    "Splitting",
    "Text",
    "TrainSettings",
    "Training",
    "ValidateSettings",
    "encoded",
    "field_table",
    "missing",
    "parse_recipe",
    "read_recipe",
    "recipe_schema",
    "scaled",
    "standardise",
    "table_columns",
]
