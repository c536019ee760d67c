"""What only shows when fields are seen together: roles that exclude each other, names that don't exist, sums.

Each check says which sections it needs, and is left out while one of those can't be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from math import fsum
from typing import Any, NamedTuple

from sluice.recipe import names
from sluice.recipe.data_checks import (
    data_repeats,
    data_spelling,
    new_columns,
    origins,
    renamed_away,
    renaming,
    repeats,
    spelling,
    types,
    types_and_roles,
    values,
)
from sluice.recipe.measures import MEASURES
from sluice.recipe.mistakes import Mistake, Path, closest, dotted, listed
from sluice.recipe.model import Columns, Data, Expectation, Gates, ModelSettings, Splitting

TOLERANCE = 1e-9
"""How far the split's shares may be from one; they are written in decimals, which binary numbers round."""

FEATURES = ("text", "categorical", "hierarchical", "numeric")

MAY_SHARE = (
    {"text", "categorical"},
    {"text", "hierarchical"},
    *({"group", role} for role in (*FEATURES, "id")),
)
"""The pairs of roles that one column may have; any other pair is a mistake."""

WHY_NOT = {
    "label": "the label must not be given away",
    "id": "an id is carried along, never a feature",
    "numeric": "a column is either numbers or words",
}
"""Why a role excludes others; the first that is involved is the reason."""

COLUMN_ARGUMENTS = ("column", "column_A", "column_B", "column_list", "column_set")
"""The arguments by which great-expectations' expectations name columns."""

NUMBERS_ONLY = {
    f"expect_column_{what}_to_be_between"
    for what in ("values", "min", "max", "mean", "median", "sum", "stdev")
}
"""The expectations whose bounds are numbers or times, with which words can't be compared."""

Mistakes = Iterator[Mistake]
Expectations = dict[int, Expectation]


class Draft(NamedTuple):
    """The sections of a recipe that could be read; none stands for one that couldn't."""

    data: Data | None
    columns: Columns | None
    split: Splitting | None
    expectations: Expectations
    model: ModelSettings | None
    gates: Gates | None


class Use(NamedTuple):
    """One place where a recipe gives a column a role."""

    path: Path
    column: str
    role: str


def check(draft: Draft) -> Mistakes:
    """Every mistake that the readable sections show."""
    for run, needs in CHECKS:
        sections = [getattr(draft, name) for name in needs]
        if all(section is not None for section in sections):
            yield from run(*sections)


def uses(columns: Columns) -> Iterator[Use]:
    """Every place where the section names a column."""
    for role in ("id", "label", "group", "time"):
        if column := getattr(columns, role):
            yield Use(("columns", role), column, role)
    for role in ("text", "categorical", "numeric"):
        for position, column in enumerate(getattr(columns, role)):
            yield Use(("columns", role, position), column, role)
    for name, levels in columns.hierarchical.items():
        for position, column in enumerate(levels):
            yield Use(("columns", "hierarchical", name, position), column, "hierarchical")


def added_columns(columns: Columns) -> list[str]:
    """The columns that preprocessing adds to those that the recipe names."""
    added = [names.ROW_ID, names.COMBINED_TEXT, names.FOLD]
    for use in uses(columns):
        if use.role in ("label", "categorical", "hierarchical"):
            added.append(names.encoded(use.column))
        if use.role == "numeric":
            added += [names.scaled(use.column), names.missing(use.column)]
    return added


def table_columns(columns: Columns) -> list[str]:
    """The columns of a preprocessed table, by the recipe alone; text columns are there as the combined text only.

    The fold is among them, which is there if the recipe asks for folds.
    """
    readable = [use.column for use in uses(columns) if use.role != "text"]
    return list(dict.fromkeys([*readable, *added_columns(columns)]))


def _files_stay_inside(data: Data) -> Mistakes:
    places: list[tuple[Path, str]] = [(("data", "files", i), name) for i, name in enumerate(data.files)]
    if data.merge:
        places.append((("data", "merge", "file"), data.merge.file))
    for path, name in places:
        if _leaves(name):
            yield Mistake(
                path, f"got {name!r}", "a name or glob inside the data folder, with forward slashes"
            )


def _leaves(name: str) -> bool:
    return name.startswith(("/", "~")) or ".." in name.split("/") or "\\" in name or ":" in name


def _column_spelling(columns: Columns) -> Mistakes:
    yield from spelling((use.path, use.column) for use in uses(columns))


def _column_repeats(columns: Columns) -> Mistakes:
    for role in ("text", "categorical", "numeric"):
        yield from repeats(("columns", role), getattr(columns, role))


def _roles(columns: Columns) -> Mistakes:
    seen: dict[str, list[Use]] = {}
    for use in uses(columns):
        earlier = next((other for other in seen.get(use.column, []) if _exclude(use, other)), None)
        if earlier:
            yield _clash(use, earlier)
        seen.setdefault(use.column, []).append(use)


def _exclude(use: Use, other: Use) -> bool:
    if use.role == other.role:
        return use.role == "hierarchical"  # a repeat in a plain list is told by its own check
    return {use.role, other.role} not in MAY_SHARE


def _clash(use: Use, other: Use) -> Mistake:
    roles = {use.role, other.role}
    reason = next((why for role, why in WHY_NOT.items() if role in roles), "a column has one embedding")
    return Mistake(use.path, f"{use.column!r} is in {dotted(other.path)} too", f"one of them; {reason}")


def _reserved(columns: Columns) -> Mistakes:
    added = set(added_columns(columns))
    for use in uses(columns):
        if use.column in added:
            yield Mistake(use.path, f"{use.column!r} is a column that preprocessing adds", "another name")


def _renamed_roles(data: Data, columns: Columns) -> Mistakes:
    yield from renamed_away(data, ((use.path, use.column) for use in uses(columns)))


def _leaks(data: Data, columns: Columns) -> Mistakes:
    """A feature from which the label is made, or that is made from it, gives the answer away."""
    label, sources = columns.label, origins(columns.label, data)
    for use in uses(columns):
        if use.role in FEATURES and use.column in sources:
            yield Mistake(use.path, f"the label {label!r} is made from {use.column!r}", "no such feature")
        if use.role in FEATURES and label in origins(use.column, data):
            yield Mistake(use.path, f"{use.column!r} is made from the label {label!r}", "no such feature")


def _shares(split: Splitting) -> Mistakes:
    total = fsum((split.train, split.validation, split.test))
    if abs(total - 1) > TOLERANCE:
        yield Mistake(("split",), f"train, validation and test add up to {total:.12g}", "1")


def _times(columns: Columns, split: Splitting) -> Mistakes:
    """Parting by time needs days in order and a time; it can't keep a group together."""
    if not split.by_time:
        return
    days = {name: getattr(split.by_time, name) for name in ("validation_from", "test_from")}
    for name, day in days.items():
        if not _is_day(day):
            yield Mistake(("split", "by_time", name), f"got {day!r}, which is no day", "a day as YYYY-MM-DD")
    if days["validation_from"] >= days["test_from"]:
        what = f"got {days['test_from']}, validation begins on {days['validation_from']}"
        yield Mistake(("split", "by_time", "test_from"), what, "a later day")
    if not columns.time:
        what = "rows are to be parted by time, and columns.time names none"
        yield Mistake(("split", "by_time"), what, "a column of dates in columns.time")
    if columns.group:
        what = f"a group ({columns.group}) whose rows are from before and after can't be kept together"
        yield Mistake(("split", "by_time"), what, "split.by_time or columns.group")


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _expectation_repeats(expectations: Expectations) -> Mistakes:
    seen: list[tuple[int, Expectation]] = []
    for i, expectation in expectations.items():
        yield from repeats(("expectations", i, "tables"), expectation.tables)
        for twin in [j for j, other in seen if _same(expectation, other)][:1]:
            yield Mistake(("expectations", i), f"the same as expectations[{twin}]", "each once")
        seen.append((i, expectation))


def _same(one: Expectation, other: Expectation) -> bool:
    together = set(one.tables) & set(other.tables)
    return one.type == other.type and one.kwargs == other.kwargs and bool(together)


def _audit_alone(expectations: Expectations) -> Mistakes:
    for i, expectation in expectations.items():
        if "audit" in expectation.tables and set(expectation.tables) != {"audit"}:
            what = "audit is a table of its own, with other columns than the splits"
            yield Mistake(("expectations", i, "tables"), what, "[audit], or splits only")


def _expected_columns(columns: Columns, split: Splitting, expectations: Expectations) -> Mistakes:
    there = [name for name in table_columns(columns) if name != names.FOLD or split.folds]
    for i, expectation in expectations.items():
        of_audit = "audit" in expectation.tables
        if of_audit and len(set(expectation.tables)) > 1:
            continue  # _audit_alone tells it; whose columns are meant isn't known
        allowed = list(MEASURES) if of_audit else there
        for path, name in _named(("expectations", i, "kwargs"), expectation.kwargs):
            if name in allowed:
                continue
            if name in columns.text and not of_audit:
                what = "a text column, and those are in the preprocessed table only joined, as combined_text"
                yield Mistake(path, f"got {name!r}, {what}", listed(allowed), names.COMBINED_TEXT)
            else:
                what = "not a measure of the audit" if of_audit else "not a column of the preprocessed table"
                yield _no_such_column(path, name, what, allowed)


def _bounds_of_words(columns: Columns, expectations: Expectations) -> Mistakes:
    """A bound for a column of words: great-expectations takes it, and can't evaluate it."""
    words = {names.COMBINED_TEXT}
    words |= {use.column for use in uses(columns) if use.role not in ("text", "time", "numeric")}
    for i, expectation in expectations.items():
        column = expectation.kwargs.get("column")
        if expectation.type in NUMBERS_ONLY and "audit" not in expectation.tables and column in words:
            what = f"{expectation.type} compares numbers, and {column!r} is words"
            yield Mistake(("expectations", i, "kwargs", "column"), what, "a column of numbers")


def _named(path: Path, kwargs: dict[str, Any]) -> Iterator[tuple[Path, Any]]:
    for argument in COLUMN_ARGUMENTS:
        value = kwargs.get(argument, [])
        if isinstance(value, list):
            yield from (((*path, argument, position), name) for position, name in enumerate(value))
        else:
            yield (*path, argument), value


def _no_such_column(path: Path, name: Any, what: str, allowed: list[str]) -> Mistake:
    meant = closest(names.standardise(str(name)), allowed)
    return Mistake(path, f"got {name!r}, {what}", listed(allowed), meant)


def _embeddings(columns: Columns, model: ModelSettings) -> Mistakes:
    allowed = sorted({use.column for use in uses(columns) if use.role in ("categorical", "hierarchical")})
    for name in model.embedding_sizes:
        if name not in allowed:
            what = "not a categorical or hierarchical column"
            meant = closest(names.standardise(name), allowed)
            yield Mistake(("model", "embedding_sizes", name), what, listed(allowed) or "none here", meant)


def _gate_can_refuse(gates: Gates) -> Mistakes:
    if gates.linear_baseline.waived_because and not gates.at_least and not gates.at_most:
        what = "nothing is asked of the model: no threshold, and the linear baseline is waived"
        yield Mistake(("gates",), what, "at_least, at_most, or a linear baseline that is not waived")


CHECKS: tuple[tuple[Callable[..., Mistakes], tuple[str, ...]], ...] = (
    (_files_stay_inside, ("data",)),
    (data_spelling, ("data",)),
    (data_repeats, ("data",)),
    (new_columns, ("data",)),
    (renaming, ("data",)),
    (values, ("data",)),
    (types, ("data",)),
    (types_and_roles, ("data", "columns")),
    (_renamed_roles, ("data", "columns")),
    (_column_spelling, ("columns",)),
    (_column_repeats, ("columns",)),
    (_roles, ("columns",)),
    (_reserved, ("columns",)),
    (_leaks, ("data", "columns")),
    (_shares, ("split",)),
    (_times, ("columns", "split")),
    (_expectation_repeats, ("expectations",)),
    (_audit_alone, ("expectations",)),
    (_expected_columns, ("columns", "split", "expectations")),
    (_bounds_of_words, ("columns", "expectations")),
    (_embeddings, ("columns", "model")),
    (_gate_can_refuse, ("gates",)),
)
