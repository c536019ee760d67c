"""What a mistake in a recipe is, and how one is told: where, what, what is allowed, what was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

Path = tuple[str | int, ...]
"""The keys and list positions that lead to a value; empty for the recipe itself."""

LISTED = 16
"""How many allowed values a message lists before it only counts the rest."""


@dataclass(frozen=True)
class Mistake:
    """One mistake. Its line is looked up by its path, unless it is known already."""

    path: Path
    what: str
    allowed: str | None = None
    meant: str | None = None
    line: int | None = None
    unknown_key: bool = False
    """Whether the path's last key is one that the recipe format doesn't know."""

    def told(self, line: int) -> str:
        """The mistake as the one line that a user reads."""
        return f"line {line}: {self}"

    def __str__(self) -> str:
        where = f"{dotted(self.path)}: " if self.path else ""
        allowed = f"; allowed: {self.allowed}" if self.allowed else ""
        meant = f"; did you mean {self.meant!r}?" if self.meant else ""
        return f"{where}{self.what}{allowed}{meant}"


def dotted(path: Path) -> str:
    """A path as text: `columns.hierarchical.place[1]`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).removeprefix(".")


def closest(word: str, allowed: Iterable[str]) -> str | None:
    """The allowed word that was probably meant, if one is near enough."""
    by_lower = {candidate.lower(): candidate for candidate in allowed}
    near = get_close_matches(word.lower(), by_lower, n=1)
    return by_lower[near[0]] if near else None


def listed(words: Iterable[str]) -> str:
    """Words as a readable list, cut when it gets long."""
    every = list(words)
    rest = f" and {len(every) - LISTED} more" if len(every) > LISTED else ""
    return ", ".join(every[:LISTED]) + rest
