"""What a recipe makes of the files' columns: which it needs and who asks for them, which it makes, what each holds."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa

from sluice.contract.errors import InputError
from sluice.ingest.derive import see_that_it_compiles
from sluice.ingest.names import did_you_mean, refuse_ambiguous, require_columns, require_in_each
from sluice.ingest.source import SourceFile
from sluice.recipe.checks import uses
from sluice.recipe.mistakes import dotted
from sluice.recipe.model import Columns, ColumnType, Data
from sluice.recipe.names import standardise

PLAIN_NUMBER = ColumnType(type="number")


@dataclass(frozen=True)
class Plan:
    """The recipe's sections, and what follows from them for reading."""

    data: Data
    columns: Columns | None
    """The roles; None where nobody has said which columns are used, and all are."""

    @cached_property
    def made(self) -> tuple[str, ...]:
        """The columns that rules make, in their order."""
        return tuple(name for names, _ in self._made() for name in names)

    @cached_property
    def wanted(self) -> list[tuple[str, str]]:
        """Each column of the files that is used, and who names it."""
        return [(name, by) for name, by in dict.fromkeys(self._named()) if name not in self.made]

    @cached_property
    def kinds(self) -> Mapping[str, ColumnType]:
        """What the columns hold that are more than text."""
        numeric = self.columns.numeric if self.columns else ()
        kinds = {name: kind for name, kind in self.data.types.items() if kind.type != "text"}
        return {**dict.fromkeys(numeric, PLAIN_NUMBER), **kinds}

    @cached_property
    def parsed(self) -> Mapping[str, ColumnType]:
        """The columns that come as numbers or timestamps. The others come as they are written."""
        written = {use.column for use in uses(self.columns)} - self._as_values() if self.columns else set()
        return {name: kind for name, kind in self.kinds.items() if name not in written}

    def type_of(self, column: str) -> Any:
        """A column's Arrow type in every batch."""
        kind = self.parsed.get(column)
        if kind is None:
            return pa.string()
        return pa.timestamp("s") if kind.type == "date" else pa.float64()

    def own_columns(self, sources: Sequence[SourceFile], where: object) -> tuple[str, ...]:
        """The files' columns that the table has, in the first file's order.

        Raises:
            InputError: one is missing, stands there twice or is in the way of a column that is made.
        """
        every = list(dict.fromkeys(name for source in sources for name in source.columns))
        self._see_that_rules_fit(every, where)
        require_columns([*every, *self.made], self.wanted, where=where)
        require_in_each(sources, self.wanted)
        self._see_that_renamed_are_there(sources)
        used = {name for name, _ in self.wanted} if self.columns else set(every)
        for source in sources:
            refuse_ambiguous(source, used)
        own = [name for name in every if name in used and all(name in each.columns for each in sources)]
        if not own:
            raise InputError(
                "the files share no column",
                where=where,
                got="; ".join(f"{source.name} has {', '.join(source.columns)}" for source in sources[:3]),
                allowed="files that together are one table",
                next_step="Name files that belong together in data.files, or their other names in data.rename",
            )
        return tuple(own)

    def _made(self) -> Iterator[tuple[Sequence[str], str]]:
        for rule in self.data.derive:
            yield rule.columns, "data.derive"
        for recode in self.data.recode:
            yield (recode.to,), "data.recode.to"
        if self.data.merge:
            yield self.data.merge.columns, "data.merge.columns"

    def _named(self) -> Iterator[tuple[str, str]]:
        yield from ((rule.source, "data.derive.from") for rule in self.data.derive)
        yield from ((rule.source, "data.recode.from") for rule in self.data.recode)
        if self.data.merge:
            yield self.data.merge.key, "data.merge.key"
        yield from ((name, "data.types") for name in self.data.types)
        yield from ((name, "data.keep") for name in self.data.keep)
        yield from ((name, "data.require") for name in self.data.require)
        if self.columns:
            yield from ((use.column, dotted(use.path)) for use in uses(self.columns))

    def _as_values(self) -> set[str]:
        """The columns whose role asks for numbers or times."""
        assert self.columns is not None
        return {*self.columns.numeric, *([self.columns.time] if self.columns.time else [])}

    def _see_that_rules_fit(self, own: Collection[str], where: object) -> None:
        """What a rule takes must be there when its turn comes, and what it makes must not be."""
        there = list(own)
        takes = [(rule.source, "data.derive.from") for rule in self.data.derive]
        takes += [(rule.source, "data.recode.from") for rule in self.data.recode]
        takes += [(self.data.merge.key, "data.merge.key")] if self.data.merge else []
        for rule in self.data.derive:
            see_that_it_compiles(rule)
        for taken, (names, said_by) in zip(takes, self._made(), strict=True):
            require_columns(there, [taken], where=where)
            for name in names:
                _see_that_it_is_new(name, there, said_by, where)
                there.append(name)

    def _see_that_renamed_are_there(self, sources: Sequence[SourceFile]) -> None:
        """A name that no file has was misspelt: it would be left without a word otherwise."""
        names = [standardise(original) for source in sources for original in source.originals]
        names += [f"unnamed_{place}" for place in range(1, 1 + max(len(s.originals) for s in sources))]
        unknown = [name for name in self.data.rename if name not in names]
        if unknown:
            every = [name for name in dict.fromkeys(names) if name and not name.startswith("unnamed_")]
            raise InputError(
                "data.rename names a column that no file has",
                where=", ".join(source.name for source in sources[:3]) + (" …" if len(sources) > 3 else ""),
                got=", ".join(f"{name!r}{did_you_mean(name, every)}" for name in unknown),
                allowed=", ".join(every),
                next_step="Correct the name in the recipe; names are standardised: lower case, underscores",
            )


def _see_that_it_is_new(name: str, there: Collection[str], said_by: str, where: object) -> None:
    if name in there or standardise(name) != name:
        raise InputError(
            f"{said_by} can't add the column {name!r}",
            where=where,
            got="a column of this name is there already" if name in there else "no standardised name",
            allowed="a new name in lower case, with letters, digits and single underscores",
            next_step="Choose another name in the recipe",
        )
