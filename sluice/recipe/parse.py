"""How a recipe's text becomes a Recipe, or one error that tells every mistake in it, in the order of lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import TypeAdapter, ValidationError

from sluice.contract.errors import RecipeError
from sluice.recipe.checks import Draft, Expectations, check
from sluice.recipe.mistakes import Mistake
from sluice.recipe.model import Expectation, Recipe
from sluice.recipe.source import TRUTH, Source, read_source
from sluice.recipe.words import in_words


def read_recipe(where: str | Path) -> str:
    """The text of the recipe at a path or a `file://` or `s3://` URI.

    Raises:
        RecipeError: it isn't there, or can't be read as text.
    """
    try:
        content = _read(str(where))
    except OSError as error:
        raise RecipeError([f"can't be read: {error.strerror or error}"], where=where) from None
    return _decoded(content, str(where))


@lru_cache(maxsize=32)
def parse_recipe(text: str, where: str) -> Recipe:
    """Check a recipe's text. The same text is parsed once in a process.

    Args:
        text: the whole recipe, YAML.
        where: the recipe's path or URI, for messages.

    Raises:
        RecipeError: with every mistake and its line.
    """
    source = read_source(text)
    recipe, mistakes = _recipe(source) if isinstance(source.data, dict) else (None, [])
    if recipe is None or source.mistakes or mistakes:
        raise RecipeError(_told(source, [*source.mistakes, *mistakes]), where=where)
    return recipe


def _read(where: str) -> bytes:
    parts = urlsplit(where)
    if parts.scheme == "s3":
        from sluice.contract.storage import read_bytes  # pyarrow is slow to import and only S3 needs it

        return read_bytes(where)
    return Path(unquote(parts.path) if parts.scheme == "file" else where).read_bytes()


def _decoded(content: bytes, where: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        mistake = Mistake(
            (), f"the byte 0x{content[error.start]:02x} is not UTF-8", "a recipe saved as UTF-8"
        )
        raise RecipeError([mistake.told(line)], where=where) from None


def _told(source: Source, mistakes: list[Mistake]) -> list[str]:
    by_line = sorted(mistakes, key=source.line)
    return list(dict.fromkeys(mistake.told(source.line(mistake)) for mistake in by_line))


def _recipe(source: Source) -> tuple[Recipe | None, list[Mistake]]:
    """The recipe if it is well-formed, and the mistakes of form and of sense."""
    recipe, form, data = _formed(source)
    draft = _draft(recipe) if recipe else _salvaged(data)
    mistakes = [*_ambiguous(source), *form, *check(draft)]
    return recipe, [mistake for mistake in mistakes if not source.hides(mistake)]


def _formed(source: Source) -> tuple[Recipe | None, list[Mistake], dict[str, Any]]:
    """The recipe or the mistakes of its form, and the data with misspelt keys put right.

    A misspelt key is taken for the one it was meant to be, so that what stands below it is looked at in the same run.
    """
    data: dict[str, Any] = json.loads(json.dumps(source.data))
    recipe, mistakes = _validated(data, source)
    unknown: list[Mistake] = []
    while found := [mistake for mistake in mistakes if mistake.unknown_key]:
        unknown += found
        for mistake in found:
            _rename(data, mistake, source)
        mistakes = _validated(data, source)[1]
    return recipe, [*unknown, *mistakes], data


def _validated(data: dict[str, Any], source: Source) -> tuple[Recipe | None, list[Mistake]]:
    try:
        return Recipe.model_validate_json(json.dumps(data), strict=True), []
    except ValidationError as error:
        return None, in_words(error.errors(include_url=False), source.plain)


def _rename(data: Any, mistake: Mistake, source: Source) -> None:
    *parents, key = mistake.path
    for step in parents:
        data = data[step]
    value = data.pop(key)
    if mistake.meant and mistake.meant not in data:
        data[mistake.meant] = value
        source.also_called(mistake.path, (*parents, mistake.meant))


def _ambiguous(source: Source) -> Iterator[Mistake]:
    """An expectation's arguments may be of any type, so nothing there can tell `no` the word from `no` the answer."""
    for path, written in source.plain.items():
        if (
            path[:1] == ("expectations",)
            and "kwargs" in path
            and written.lower() in TRUTH.keys() - {"true", "false"}
        ):
            answer = str(TRUTH[written.lower()]).lower()
            yield Mistake(
                path, f"{written} can be a word or a truth value", f"'{written}' in quotes, or {answer}"
            )


def _draft(recipe: Recipe) -> Draft:
    expectations = dict(enumerate(recipe.expectations))
    return Draft(recipe.data, recipe.columns, recipe.split, expectations, recipe.model, recipe.gates)


def _salvaged(data: dict[str, Any]) -> Draft:
    """The sections that can be read although others can't."""
    sections = {name: _section(name, data) for name in Draft._fields if name != "expectations"}
    return Draft(**sections, expectations=_expectations(data.get("expectations")))


def _section(name: str, data: dict[str, Any]) -> Any:
    field = Recipe.model_fields[name]
    if name not in data:
        return None if field.is_required() else field.default
    return _valid(field.annotation, data[name])


def _expectations(items: Any) -> Expectations:
    every = enumerate(items if isinstance(items, list) else [])
    return {i: read for i, item in every if (read := _valid(Expectation, item))}


def _valid(annotation: Any, value: Any) -> Any:
    try:
        return TypeAdapter(annotation).validate_json(json.dumps(value), strict=True)
    except ValidationError:
        return None
