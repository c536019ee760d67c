"""What only shows when the fields of `data` are seen together: names that are taken, rules in the wrong order, types.

A row goes its way in this order: columns are renamed, then derived, recoded and merged, then rows are kept or dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sluice.recipe import names
from sluice.recipe.mistakes import Mistake, Path, dotted
from sluice.recipe.model import Columns, ColumnType, Data

Mistakes = Iterator[Mistake]

NUMBERS = ("number", "integer")
NUMBERS_ONLY = ("decimal", "thousands", "currency", "parentheses")
"""Fields of a type that say how numbers are written."""

LIST_KEY: Path = ("data", "merge", "list_key")
"""The list's own column, which data.rename is not about."""

PROBE = datetime(2021, 11, 13)
"""A day whose year, month and day can't be mixed up."""


class Rule(NamedTuple):
    """A rule that makes columns of another one."""

    place: Path
    takes: Path
    source: str
    makes: Sequence[tuple[Path, str]]


def rules(data: Data) -> Iterator[Rule]:
    """Every rule that makes columns, in the order in which they are applied."""
    for i, derive in enumerate(data.derive):
        place: Path = ("data", "derive", i)
        makes = [((*place, "pattern"), column) for column in derive.columns]
        yield Rule(place, (*place, "from"), derive.source, makes)
    for i, recode in enumerate(data.recode):
        place = ("data", "recode", i)
        yield Rule(place, (*place, "from"), recode.source, [((*place, "to"), recode.to)])
    if merge := data.merge:
        place = ("data", "merge")
        merged = [((*place, "columns", i), column) for i, column in enumerate(merge.columns)]
        yield Rule(place, (*place, "key"), merge.key, merged)


def origins(column: str, data: Data) -> set[str]:
    """Every column that a column is made from, by one rule or by several after each other."""
    found: set[str] = set()
    for rule in reversed(list(rules(data))):
        made = {name for _, name in rule.makes}
        if made & (found | {column}):
            found.add(rule.source)
    return found - {column}


def spelling(places: Iterable[tuple[Path, str]]) -> Mistakes:
    """Names have to be the standardised ones."""
    for path, name in places:
        standard = names.standardise(name)
        if name != standard:
            yield Mistake(
                path, f"got {name!r}", "names as standardised: trimmed, lower case, underscores", standard
            )


def repeats(path: Path, values: Iterable[Any]) -> Mistakes:
    """Nothing stands in a list twice."""
    seen: set[Any] = set()
    for position, value in enumerate(values):
        if value in seen:
            yield Mistake((*path, position), f"{value!r} is listed twice", "once")
        seen.add(value)


def data_spelling(data: Data) -> Mistakes:
    """The names in the section are the standardised ones."""
    yield from spelling(_names(data))
    for name, target in data.rename.items():
        yield from spelling([(("data", "rename", name), name), (("data", "rename", name), target)])


def _names(data: Data) -> Iterator[tuple[Path, str]]:
    for rule in rules(data):
        yield rule.takes, rule.source
        yield from rule.makes
    if data.merge and data.merge.list_key:
        yield ("data", "merge", "list_key"), data.merge.list_key
    yield from ((("data", "types", name), name) for name in data.types)
    yield from ((("data", "keep", name), name) for name in data.keep)
    yield from ((("data", "require", i), name) for i, name in enumerate(data.require))


def data_repeats(data: Data) -> Mistakes:
    """No file and no value is listed twice."""
    yield from repeats(("data", "files"), data.files)
    yield from repeats(("data", "require"), data.require)
    for name, values in data.keep.items():
        yield from repeats(("data", "keep", name), values)


def new_columns(data: Data) -> Mistakes:
    """A rule makes new columns only, of columns that are there when its turn comes."""
    made = {column: rule.place for rule in rules(data) for _, column in rule.makes}
    there: dict[str, Path] = {target: ("data", "rename", name) for name, target in data.rename.items()}
    for rule in rules(data):
        if rule.source not in there and made.get(rule.source, rule.place) != rule.place:
            what = f"takes {rule.source!r}, which {dotted(made[rule.source])} makes later"
            yield Mistake(
                rule.takes, what, "a column of the files, or one made before: derive, recode, merge"
            )
        else:
            there.setdefault(rule.source, rule.takes)
        for path, column in rule.makes:
            if column in there:
                yield Mistake(
                    path, f"makes {column!r}, which {dotted(there[column])} has already", "a new name"
                )
            there.setdefault(column, path)


def renaming(data: Data) -> Mistakes:
    """A column that is renamed is called by its new name everywhere."""
    for name, target in data.rename.items():
        if name == target:
            yield Mistake(("data", "rename", name), f"{name!r} is what it is called already", "another name")
    yield from renamed_away(data, (place for place in _names(data) if place[0] != LIST_KEY))


def renamed_away(data: Data, places: Iterable[tuple[Path, str]]) -> Mistakes:
    """Names that no column has any more."""
    there = {*data.rename.values(), *(column for rule in rules(data) for _, column in rule.makes)}
    for path, name in places:
        if name in data.rename and name not in there:
            target = data.rename[name]
            yield Mistake(path, f"got {name!r}, which data.rename calls {target!r}", "the new name", target)


def values(data: Data) -> Mistakes:
    """Values that a cell can have: blanks around it are taken off, and a blank cell is a null."""
    places: list[tuple[Path, str]] = []
    for i, recode in enumerate(data.recode):
        place: Path = ("data", "recode", i, "values")
        places += [((*place, word), each) for word, new in recode.values.items() for each in (word, new)]
    for name, kept in data.keep.items():
        places += [(("data", "keep", name, i), word) for i, word in enumerate(kept)]
    for path, word in places:
        if not word or word != word.strip():
            yield Mistake(path, f"got {word!r}, which no cell can be", "a value without blanks around it")


def types(data: Data) -> Mistakes:
    """A type's fields fit its kind, and each other."""
    for name, kind in data.types.items():
        path: Path = ("data", "types", name)
        yield from _date(path, kind) if kind.type == "date" else _no_format(path, kind)
        yield from _number(path, kind) if kind.type in NUMBERS else _no_number(path, kind)
        if kind.type == "text" and "unparsed" in kind.model_fields_set:
            yield Mistake((*path, "unparsed"), "any cell is text", "numbers, integers and dates only")


def _date(path: Path, kind: ColumnType) -> Mistakes:
    if kind.format is None:
        yield Mistake((*path, "format"), "missing", "how dates are written, such as %d/%m/%Y")
    elif (problem := _wrong_format(kind.format)) is not None:
        yield Mistake((*path, "format"), f"got {kind.format!r}, {problem}", "a format of strptime: %d/%m/%Y")


def _wrong_format(form: str) -> str | None:
    try:
        read = datetime.strptime(PROBE.strftime(form), form)
    except ValueError as error:
        return f"which can't be read: {error}"
    return None if (read.year, read.month) == (PROBE.year, PROBE.month) else "which leaves year or month open"


def _no_format(path: Path, kind: ColumnType) -> Mistakes:
    if kind.format is not None:
        yield Mistake((*path, "format"), f"a {kind.type} has no format", "dates only")


def _number(path: Path, kind: ColumnType) -> Mistakes:
    if kind.decimal == kind.thousands:
        yield Mistake(
            (*path, "thousands"), f"{kind.decimal!r} is the decimal sign too", "another sign, or none"
        )


def _no_number(path: Path, kind: ColumnType) -> Mistakes:
    for field in NUMBERS_ONLY:
        if field in kind.model_fields_set:
            yield Mistake((*path, field), f"a {kind.type} is no number", "numbers and integers only")


def types_and_roles(data: Data, columns: Columns) -> Mistakes:
    """Numbers and times are what their columns' types say."""
    for i, name in enumerate(columns.numeric):
        kind = data.types.get(name)
        if kind and kind.type not in NUMBERS:
            what = f"{name!r} is a {kind.type} by data.types"
            yield Mistake(
                ("columns", "numeric", i), what, "a column of type number or integer, or without one"
            )
    if columns.time and (columns.time not in data.types or data.types[columns.time].type != "date"):
        what = f"{columns.time!r} is no date by data.types"
        yield Mistake(
            ("columns", "time"), what, "a column that data.types gives the type date and its format"
        )
