"""The audit's story: measure the tables, say what was found, write the report and the one-row table of measures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from sluice.contract import Features, Metrics, Output, Report, Role, Table, TableColumn, roles
from sluice.contract import report as tell
from sluice.recipe import AuditSettings
from sluice.recipe.measures import MEASURES

if TYPE_CHECKING:
    from components.preprocess.audit.record import Audit
    from components.preprocess.audit.rows import Rows as OpenRows
    from sluice.features import FittedFeatures

Rows = Annotated[Table, roles(Role.TEXT, Role.LABEL, Role.ID)]


class AuditMetrics(Metrics):
    """What a run shows of the audit; the rest is in its report."""

    findings: int
    """All that was found, notes included."""
    serious: int
    """Findings because of which a score on these tables would mislead."""
    look: int
    """Findings that may be as they should be, once somebody has looked; the rest are notes."""
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
    # late: --help needs none of it
    from components.preprocess.audit.earlier import open_earlier
    from components.preprocess.audit.page import write_page
    from components.preprocess.audit.record import FILE
    from components.preprocess.audit.rows import Rows as Opened
    from sluice.features import FittedFeatures

    fitted = FittedFeatures.load(features.folder)
    tables: dict[str, Table] = {"training": training, "validation": validation, "test": test}
    if previous:
        tables["previous"] = open_earlier(previous, training, settings.columns)
    # DuckDB's files stand beside the outputs: what a killed process leaves of them is cleared away with those.
    with Opened.open(tables, settings.columns, fitted.labels, report.folder.parent) as rows:
        found = _measure(rows, tables, settings, fitted, account)
    text = found.model_dump_json(indent=1) + "\n"
    (report.folder / FILE).write_text(text, encoding="utf-8")
    write_page(found, report.folder)
    _write_measures(measures, found.measures)
    return _metrics(found)


def _measure(
    rows: OpenRows,
    tables: Mapping[str, Table],
    settings: AuditSettings,
    fitted: FittedFeatures,
    account: Report,
) -> Audit:
    """Everything, one question after the other: each has the memory to itself."""
    from components.preprocess.audit import alike, columns, drift, duplicates, hierarchies, leaks, lengths
    from components.preprocess.audit.earlier import compared, not_compared
    from components.preprocess.audit.findings import findings_of, measures_of
    from components.preprocess.audit.record import Audit, Audited, Drift

    tell("equal rows", 0.05)
    duplicates.group(rows)
    repeated, conflicts = duplicates.find_duplicates(rows), duplicates.find_conflicts(rows)
    best = duplicates.find_best_accuracy(rows)
    tell("nearly equal texts", 0.2)
    near = alike.find_near_duplicates(rows)
    tell("what tells the label", 0.4)
    leaking = leaks.find_leaks(rows, fitted)
    tell("columns and hierarchies", 0.6)
    described, levels = columns.find_columns(rows), hierarchies.find_levels(rows)
    tell("drift", 0.7)
    asked = set(compared(settings.columns))
    drifting = drift.find_drift(rows, "training", ("validation", "test"), asked)
    earlier: tuple[Drift, ...] = ()
    left: dict[str, str | None] = {}
    if "previous" in tables:
        left = not_compared(tables["previous"], tables["training"], settings.columns)
        earlier = drift.find_drift(rows, "previous", ("training",), asked - set(left))
    tell("lengths in tokens", 0.8)
    digests = {split: tables[split].digest for split in rows.counts}
    audit = Audit(
        of=Audited(digests=digests, label=settings.columns.label, text=settings.columns.text),
        rows=rows.counts,
        findings=(),
        measures={},
        best_accuracy=best,
        duplicates=repeated,
        near_duplicates=near,
        conflicts=conflicts,
        leaks=leaking,
        hierarchies=levels,
        drift=drifting,
        previous=tables["previous"].uri if "previous" in tables else None,
        drift_from_previous=earlier,
        not_in_previous=left,
        classes=columns.find_classes(rows, account),
        columns=described,
        lengths=lengths.find_lengths(rows, settings.model),
    )
    measured = measures_of(audit)
    return audit.model_copy(update={"measures": measured, "findings": findings_of(audit, measured)})


def _write_measures(output: Output[Table], found: Mapping[str, float | None]) -> None:
    import pyarrow as pa

    columns = [TableColumn(name=name, type="double") for name in MEASURES]
    with output.writer(columns) as writer:
        row = [pa.array([found[name]], pa.float64()) for name in MEASURES]
        writer.write(pa.record_batch(row, schema=writer.schema))


def _metrics(found: Audit) -> AuditMetrics:
    from components.preprocess.audit.findings import LOOK, SERIOUS

    severities = [finding.severity for finding in found.findings]
    return AuditMetrics(
        findings=len(found.findings),
        serious=severities.count(SERIOUS),
        look=severities.count(LOOK),
        best_accuracy=found.measures["best_accuracy"],
        duplicates_across_splits=found.measures["duplicates_across_splits"],
        strongest_feature=found.measures["strongest_feature"],
    )
