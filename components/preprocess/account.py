"""The row account: where every row of the raw input went, and what merging and deriving missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from pydantic import model_validator

from sluice.contract import Metrics, Strict

if TYPE_CHECKING:
    from components.preprocess.plan import Outcome, Plan
    from sluice.ingest import Account

ACCOUNT = "account.json"
"""The account report's file; it holds the metrics."""
READING_RULES = ("unmatched_key", "not_kept", "missing_value")
"""The rules by which reading drops rows."""


class MergeReport(Strict):
    """What merging the list met."""

    file: str
    """The list's file."""
    keys: int
    """Distinct keys in the list."""
    unmatched: int
    """Rows whose key is not in the list."""
    unmatched_examples: tuple[str, ...]
    """Some of those keys."""
    duplicated: dict[str, int]
    """Keys that the list has more than once, and how often; the first of them counts."""
    blank_keys: int
    """Lines of the list without a key."""


class DeriveReport(Strict):
    """How often a derive rule's pattern didn't match."""

    source: str
    """The column that the rule cuts from."""
    columns: tuple[str, ...]
    """The columns that it adds."""
    unmatched: int
    """Rows whose value the pattern doesn't match."""
    examples: tuple[str, ...]
    """Some of those values."""


class RecodeReport(Strict):
    """How often a recode rule had no word for a value."""

    source: str
    """The column that the rule takes values from."""
    to: str
    """The column that it adds."""
    unmatched: int
    """Rows whose value the rule doesn't name."""
    examples: tuple[str, ...]
    """Some of those values."""


class NullReport(Strict):
    """How many cells of a column were not what `data.types` says, and became nulls."""

    unmatched: int
    """Such cells."""
    examples: tuple[str, ...]
    """Some of them."""


class PreprocessMetrics(Metrics):
    """The row account. Rows read are rows of the three tables, dropped by a named rule, or quarantined."""

    rows_read: int
    """Rows in the raw files."""
    rows_quarantined: int
    """Rows that can't be read; they are in the quarantine table."""
    quarantine_limit: float
    """The largest share of them that the recipe allows; the data gate asks."""
    quarantine_reasons: dict[str, int]
    """Quarantined rows by what is wrong with them."""
    dropped: dict[str, int]
    """Rows dropped by each rule."""
    training_rows: int
    """Rows of the training table."""
    validation_rows: int
    """Rows of the validation table."""
    test_rows: int
    """Rows of the test table."""
    classes: int
    """Classes of the label that are left."""
    removed_classes: dict[str, int]
    """Classes removed as too rare or as absent from training, and their rows."""
    merge: MergeReport | None
    """What merging the list met."""
    derived: tuple[DeriveReport, ...]
    """What each derive rule met."""
    recoded: tuple[RecodeReport, ...]
    """What each recode rule met."""
    nulled: dict[str, NullReport]
    """By column, for each whose cells become nulls where they can't be parsed."""

    @model_validator(mode="after")
    def _loses_nothing(self) -> PreprocessMetrics:
        kept = self.training_rows + self.validation_rows + self.test_rows
        told = kept + sum(self.dropped.values()) + self.rows_quarantined
        if self.rows_read != told:
            raise ValueError(f"{self.rows_read} rows were read, but {told} are accounted for")
        return self


def metrics_of(account: Account, plan: Plan, outcome: Outcome, kept: Sequence[int]) -> PreprocessMetrics:
    """The whole account.

    Args:
        account: what reading met.
        plan: what was decided on the rows.
        outcome: what the plan came to.
        kept: how many rows were written to each table.
    """
    training, validation, test = kept
    return PreprocessMetrics(
        rows_read=account.rows_read,
        rows_quarantined=account.rows_quarantined,
        quarantine_limit=plan.settings.data.quarantine_limit,
        quarantine_reasons=dict(account.reasons),
        dropped={rule: account.dropped[rule] for rule in READING_RULES} | dict(outcome.rules),
        training_rows=training,
        validation_rows=validation,
        test_rows=test,
        classes=len(plan.classes),
        removed_classes=dict(outcome.classes),
        merge=MergeReport(**asdict(account.merge)) if account.merge else None,
        derived=tuple(DeriveReport(**asdict(each)) for each in account.derived),
        recoded=tuple(RecodeReport(**asdict(each)) for each in account.recoded),
        nulled={column: NullReport(**asdict(each)) for column, each in account.nulled.items()},
    )
