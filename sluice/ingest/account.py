"""What became of every row: kept, dropped by a rule, or quarantined; and what merging and deriving missed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from sluice.ingest.quarantine import Quarantined

EXAMPLE_VALUES = 5
EXAMPLE_ROWS = 20
UNMATCHED_KEY = "unmatched_key"


@dataclass
class DerivedCount:
    """How often a derive rule's pattern didn't match."""

    source: str
    """The column that the rule cuts from."""
    columns: tuple[str, ...]
    """The columns that it adds."""
    unmatched: int = 0
    """Rows whose value the pattern doesn't match; they have nulls. Blank values are not counted."""
    examples: list[str] = field(default_factory=list)
    """Some of those values."""


@dataclass
class MergeCount:
    """What merging the list met."""

    file: str
    """The list's file."""
    keys: int = 0
    """Distinct keys in the list."""
    unmatched: int = 0
    """Rows whose key is not in the list; kept with nulls or dropped, as the recipe says."""
    unmatched_examples: list[str] = field(default_factory=list)
    """Some of those keys."""
    duplicated: dict[str, int] = field(default_factory=dict)
    """Keys that the list has more than once, and how often; the first of them counts."""
    blank_keys: int = 0
    """Lines of the list without a key; they match nothing."""


@dataclass
class Account:
    """Where every row went: ``rows_read`` is ``rows_kept`` + all ``dropped`` + ``rows_quarantined``."""

    rows_read: int = 0
    rows_kept: int = 0
    rows_quarantined: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    """Rows dropped, by the name of the rule."""
    rows_by_file: dict[str, int] = field(default_factory=dict)
    """Rows read from each file."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Quarantined rows by the kind of reason."""
    examples: list[Quarantined] = field(default_factory=list)
    """The first quarantined rows; all of them went to the sink."""
    derived: list[DerivedCount] = field(default_factory=list)
    merge: MergeCount | None = None

    @property
    def balanced(self) -> bool:
        """Whether no row is unaccounted for."""
        return self.rows_read == self.rows_kept + self.dropped.total() + self.rows_quarantined

    def quarantine(self, rows: Sequence[Quarantined]) -> None:
        """Count rows that went to quarantine."""
        self.rows_quarantined += len(rows)
        self.reasons.update(row.kind for row in rows)
        self.examples.extend(rows[: EXAMPLE_ROWS - len(self.examples)])


def add_examples(examples: list[str], values: Sequence[str]) -> None:
    """Remember up to five different values."""
    for value in values:
        if len(examples) >= EXAMPLE_VALUES:
            return
        if value not in examples:
            examples.append(value)
