"""What a raw column's name becomes, which names can't be told apart, and which are missing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from sluice.contract.errors import InputError
from sluice.ingest.source import SourceFile
from sluice.recipe.mistakes import closest
from sluice.recipe.names import standardise


def names_of(originals: Sequence[str], rename: Mapping[str, str]) -> tuple[str, ...]:
    """What the recipe calls a file's columns: standardised, and renamed where it says so.

    A column without a name is called by its place, the first being 1: `unnamed_1`.
    """
    names = (standardise(name) or f"unnamed_{place}" for place, name in enumerate(originals, start=1))
    return tuple(rename.get(name, name) for name in names)


def refuse_ambiguous(source: SourceFile, used: Collection[str]) -> None:
    """See that no column that the recipe uses stands in a file twice.

    Columns with equal names that nothing uses are left out, as any other unused column is: publishers' files have
    them, and whoever uses neither need not ask the publisher for another file. If one of them is used, nothing tells
    which is meant, and taking the first would be a guess.

    Raises:
        InputError: one does.
    """
    spelt: dict[str, list[str]] = {}
    for name, original in zip(source.columns, source.originals, strict=True):
        if name in used:
            spelt.setdefault(name, []).append(repr(original))
    equal = {name: originals for name, originals in spelt.items() if len(originals) > 1}
    if equal:
        raise InputError(
            "two columns have the same name once names are standardised",
            where=source.name,
            got="; ".join(f"{' and '.join(each)} both become {name!r}" for name, each in equal.items()),
            allowed="each column that the recipe uses once",
            next_step="Rename one of them in the file, or in data.rename where only their spelling is the same",
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
            got="; ".join(f"{by} names {name!r}{did_you_mean(name, columns)}" for name, by in missing),
            allowed=", ".join(columns),
            next_step="Correct the name in the recipe; names are standardised: lower case, underscores",
        )


def require_in_each(sources: Sequence[SourceFile], wanted: Iterable[tuple[str, str]]) -> None:
    """See that each file has the columns that the recipe uses, whatever others it has.

    Raises:
        InputError: with every file and column at once.
    """
    missing = [
        f"{source.name} has no {name!r}, which {by} names{did_you_mean(name, source.columns)}"
        for name, by in wanted
        for source in sources
        if name not in source.columns
    ]
    if missing:
        raise InputError(
            "a column is missing in some of the files",
            where=", ".join(dict.fromkeys(each.split(" has no ")[0] for each in missing)),
            got="; ".join(missing),
            allowed="files that all have the columns that the recipe uses",
            next_step="If the file calls the column otherwise, write its name there into data.rename; "
            "or leave the file out of data.files",
        )


def did_you_mean(name: str, columns: Sequence[str]) -> str:
    """The nearest name, as messages say it; nothing if none is near."""
    meant = closest(standardise(name), columns)
    return f" (did you mean {meant!r}?)" if meant else ""
