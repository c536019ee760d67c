"""Which sections of the recipe each component is given: its settings, and so its part of the fingerprint."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from sluice.contract.settings import Settings, Strict
from sluice.recipe.model import (
    Columns,
    Data,
    Expectation,
    FeatureSettings,
    Gates,
    ModelSettings,
    Name,
    RareClasses,
    Registry,
    Splitting,
    Text,
    Training,
)
from sluice.recipe.parse import parse_recipe


class Part(Settings):
    """Settings whose fields are the recipe's sections of the same names."""

    @classmethod
    def from_recipe(cls, text: str, where: str) -> Self:
        """Cut this part out of a recipe's text. The whole recipe is checked, so no part comes from a wrong one."""
        recipe = parse_recipe(text, where)
        return cls(**{name: getattr(recipe, name) for name in cls.model_fields})


class PreprocessSettings(Part):
    """What preprocess is told."""

    data: Data
    columns: Columns
    text: Text
    rare_classes: RareClasses
    split: Splitting
    features: FeatureSettings

    def source_files(self) -> tuple[str, ...]:
        """The data files and the list that is merged onto them."""
        merged = (self.data.merge.file,) if self.data.merge else ()
        return (*self.data.files, *merged)


class ValidateSettings(Part):
    """What validate is told."""

    data: Data
    columns: Columns
    expectations: tuple[Expectation, ...] = Field(min_length=1)
    """What the data gate asks of the tables; at least one."""


class Reading(Strict):
    """How much of a text the model reads, by which tokenizer: all that the audit needs to know of the model."""

    backbone: str
    """The model whose tokenizer counts; named as in the recipe's section."""
    maximum_tokens: int
    """Longer texts are cut off here."""


class AuditSettings(Part):
    """What audit is told."""

    columns: Columns
    model: Reading

    @classmethod
    def from_recipe(cls, text: str, where: str) -> Self:
        """Cut this part out of a recipe's text; of the model only what counts tokens, so that a wider head runs no audit again."""
        recipe = parse_recipe(text, where)
        reading = {name: getattr(recipe.model, name) for name in Reading.model_fields}
        return cls(columns=recipe.columns, model=Reading(**reading))


class TrainSettings(Part):
    """What train is told."""

    model: ModelSettings
    training: Training


class EvaluateSettings(Part):
    """What evaluate is told."""

    gates: Gates


class RegisterSettings(Part):
    """What register is told."""

    name: Name
    """The recipe's name, shown wherever a run is shown."""
    registry: Registry
