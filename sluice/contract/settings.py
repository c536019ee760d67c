"""The base of every component's settings: a frozen, strict record cut out of the recipe."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError


class Strict(BaseModel):
    """A record at a border: frozen, unknown keys refused, documented under each field."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        validate_default=True,
    )


class Settings(Strict):
    """One component's part of the recipe. Its digest is part of the component's fingerprint."""

    @classmethod
    def from_recipe(cls, text: str, where: str) -> Self:
        """Cut this part out of a recipe's text.

        Args:
            text: the whole recipe, YAML.
            where: the recipe's path or URI, for messages.

        Raises:
            RecipeError: the recipe is wrong.
        """
        raise NotImplementedError

    def source_files(self) -> tuple[str, ...]:
        """The names or globs, relative to a source's folder, that this component reads from it."""
        return ()


def first_problem(error: ValidationError) -> str:
    """What is wrong with a record that was read: `files.0.bytes: Input should be a valid integer`."""
    problem = error.errors()[0]
    place = ".".join(map(str, problem["loc"]))
    return f"{place}: {problem['msg']}" if place else problem["msg"]
