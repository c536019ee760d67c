"""Checks a recipe against its data before anything runs: reads every row once and says what doesn't fit."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from orchestration.start import read_recipe
from sluice.contract import InputError, RecipeError, Source, storage
from sluice.ingest import Account, RawTable, open_raw
from sluice.ingest.encoding import another_encoding
from sluice.recipe import PreprocessSettings, Recipe
from sluice.recipe.source import read_source

SHOWN = 3
"""Examples that a line gives."""


def check(path: Path, data: str | None) -> list[str]:
    """What was looked at, one line each, if everything fits.

    Args:
        path: the recipe.
        data: the folder of raw files; without one, the recipe alone is checked.

    Raises:
        RecipeError: the recipe is wrong.
        InputError: the data doesn't fit it, with everything that was found.
    """
    text, recipe = read_recipe(path)
    _check_expectations(path, text, recipe)
    lines = [f"{path}: the recipe is in order"]
    if data is None:
        return [*lines, "no data looked at: name its folder with --data"]
    settings = PreprocessSettings.from_recipe(text, str(path))
    source = Source(data)
    folder = source.local(settings)
    raw = open_raw(folder, recipe.data, recipe.columns)
    labels = _count_labels(raw, recipe.columns.label)
    problems = list(_problems(raw.account, labels, recipe))
    if problems:
        found = "\n".join(f"  {problem}" for problem in problems)
        raise InputError(f"the data doesn't fit the recipe\n{found}\n", where=storage.to_uri(data))
    return [*lines, *_summary(raw, labels, recipe)]


def _check_expectations(path: Path, text: str, recipe: Recipe) -> None:
    """Ask great-expectations' own registry whether it knows every expectation and argument."""
    # By name and only now: the component's code, and the seconds that importing great-expectations takes.
    expectations = importlib.import_module("components.preprocess.validate.expectations")
    source = read_source(text)
    mistakes = expectations.expectation_mistakes(recipe.expectations)
    if mistakes:
        raise RecipeError([mistake.told(source.line(mistake)) for mistake in mistakes], where=path)


def _count_labels(raw: RawTable, label: str) -> Counter[str | None]:
    """Rows per label, read batch by batch; None counts the rows without one."""
    counts: Counter[str | None] = Counter()
    for batch in raw.batches():
        values = pc.value_counts(batch.column(label).cast(pa.string()))
        counts.update({entry["values"]: entry["counts"] for entry in values.to_pylist()})
    return counts


def _problems(account: Account, labels: Counter[str | None], recipe: Recipe) -> Iterator[str]:
    share = account.rows_quarantined / max(account.rows_read, 1)
    if share > recipe.data.quarantine_limit:
        yield (
            f"{account.rows_quarantined} of {account.rows_read} rows can't be read ({share:.3%}, allowed "
            f"{recipe.data.quarantine_limit:.3%}), such as {_examples(account)}"
        )
        yield from _encoding(account, recipe)
    kept = _kept_classes(labels, recipe)
    if not labels:
        return  # no row could be read: that was said, and nothing is known about the labels
    if not any(label is not None for label in labels):
        yield f"the label column {recipe.columns.label} holds nothing but nulls"
    elif len(kept) < 2:
        yield (
            f"the label column {recipe.columns.label} has {len(kept)} classes with at least "
            f"{recipe.rare_classes.minimum_rows} rows; two are needed"
        )


def _examples(account: Account) -> str:
    return "; ".join(map(str, account.examples[:SHOWN]))


def _encoding(account: Account, recipe: Recipe) -> Iterator[str]:
    hint = another_encoding(account.reasons, account.rows_read, recipe.data.csv.encoding)
    if hint:
        yield hint


def _files(account: Account, files: int) -> str:
    unreadable = f"{account.rows_quarantined} of them unreadable"
    such = f", such as {_examples(account)}" if account.examples else ""
    return f"{files} file{'' if files == 1 else 's'}, {account.rows_read} rows, {unreadable}{such}"


def _kept_classes(labels: Counter[str | None], recipe: Recipe) -> list[str]:
    minimum = recipe.rare_classes.minimum_rows
    return [label for label, rows in labels.items() if label is not None and rows >= minimum]


def _summary(raw: RawTable, labels: Counter[str | None], recipe: Recipe) -> Iterator[str]:
    account = raw.account
    yield _files(account, len(raw.files))
    yield from _encoding(account, recipe)
    rare = len(labels) - (None in labels) - len(_kept_classes(labels, recipe))
    yield f"label {recipe.columns.label}: {len(_kept_classes(labels, recipe))} classes kept, {rare} too rare, {labels[None]} rows without one"
    if account.merge:
        yield f"list {account.merge.file}: {account.merge.keys} keys, {account.merge.unmatched} rows match none of them"
    for derived in account.derived:
        yield f"derived {', '.join(derived.columns)}: {derived.unmatched} values of {derived.source} don't match the pattern"
    for recoded in account.recoded:
        yield f"recoded {recoded.to}: {recoded.unmatched} values of {recoded.source} have no word in the recipe"
    for name, nulled in account.nulled.items():
        such = f", such as {', '.join(map(repr, nulled.examples[:SHOWN]))}" if nulled.examples else ""
        yield f"typed {name}: {nulled.unmatched} cells are not what data.types says, and count as missing{such}"
    for rule, rows in account.dropped.items():
        yield f"dropped by {rule}: {rows} rows"
