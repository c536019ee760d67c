"""What a raw column's name becomes, which names can't be told apart, and which are missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sluice.contract.errors import InputError
from sluice.recipe.mistakes import closest
from sluice.recipe.names import standardise


def standardise_all(originals: Sequence[str], where: str) -> tuple[str, ...]:
    """Standardise a header.

    Raises:
        InputError: a name is empty, or two names become equal.
    """
    names = tuple(standardise(original) for original in originals)
    _refuse_empty(names, originals, where)
    _refuse_equal(names, originals, where)
    return names


def _refuse_empty(names: Sequence[str], originals: Sequence[str], where: str) -> None:
    empty = [position for position, name in enumerate(names, start=1) if not name]
    if empty:
        places = ", ".join(f"column {position} ({originals[position - 1]!r})" for position in empty)
        raise InputError(
            "the header has a column without a name",
            where=where,
            got=places,
            allowed="a name with at least one letter or digit for each column",
            next_step="Name the column in the file, or remove it",
        )


def _refuse_equal(names: Sequence[str], originals: Sequence[str], where: str) -> None:
    same: dict[str, list[str]] = {}
    for name, original in zip(names, originals, strict=True):
        same.setdefault(name, []).append(repr(original))
    equal = {name: spelt for name, spelt in same.items() if len(spelt) > 1}
    if equal:
        raise InputError(
            "two columns have the same name once names are standardised",
            where=where,
            got="; ".join(f"{' and '.join(spelt)} both become {name!r}" for name, spelt in equal.items()),
            allowed="names that differ in more than case, blanks and punctuation",
            next_step="Rename one of them in the file",
        )


def require_columns(columns: Sequence[str], wanted: Iterable[tuple[str, str]], *, where: object) -> None:
    """See that each column somebody names is there.

    Args:
        columns: the columns there are.
        wanted: pairs of a column and who names it, such as ``("weight", "columns.numeric")``.
        where: the files, for the message.

    Raises:
        InputError: with every missing column at once, and the nearest names.
    """
    missing = [(name, by) for name, by in wanted if name not in columns]
    if missing:
        raise InputError(
            "a column is missing" if len(missing) == 1 else f"{len(missing)} columns are missing",
            where=where,
            got="; ".join(f"{by} names {name!r}{_did_you_mean(name, columns)}" for name, by in missing),
            allowed=", ".join(columns),
            next_step="Correct the name in the recipe; names are standardised: lower case, underscores",
        )


def _did_you_mean(name: str, columns: Sequence[str]) -> str:
    meant = closest(standardise(name), columns)
    return f" (did you mean {meant!r}?)" if meant else ""
