"""The data gate's story: ask the recipe's expectations and Sluice's own checks, write the report, say the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from components.preprocess.validate.account import read_account
from components.preprocess.validate.checks import own_checks
from components.preprocess.validate.findings import Finding, findings_of
from components.preprocess.validate.frames import Frames
from components.preprocess.validate.report import write_report
from components.preprocess.validate.spill import Spill, spill_beside
from components.preprocess.validate.words import count
from sluice.contract import ContractError, Output, RecipeError, Report, Role, Table, Verdict, progress, roles
from sluice.recipe import Expectation, ValidateSettings

ASKED = {"training": "train", "validation": "validation", "test": "test", "audit": "audit"}
"""Each table, and the recipe's word for it."""

Rows = Annotated[Table, roles(Role.TEXT, Role.LABEL, Role.ID)]


class ValidateMetrics(Verdict):
    """The data gate's verdict."""

    expectations_asked: int
    """The recipe's expectations, counted once for each table they are asked of."""
    expectations_evaluated: int
    """How many of them great-expectations evaluated. The gate stays closed unless that is all of them."""
    failures: int
    """How many reasons there are."""
    warnings: int
    """Expectations of severity `warning` that don't hold; reported, they don't close the gate."""


def validate(
    training: Rows,
    validation: Rows,
    test: Rows,
    quarantine: Table,
    account: Report,
    audit: Table,
    settings: ValidateSettings,
    report: Output[Report],
) -> ValidateMetrics:
    """Say whether the preprocessed tables are fit to train on.

    Args:
        training: the rows that models learn from.
        validation: the rows that pick the best epoch.
        test: the rows that only evaluation sees.
        quarantine: the raw rows that could not be read.
        account: where every raw row went.
        audit: one row of what the audit measured.
        settings: the expectations, the quarantine limit and the group column.
        report: index.html, which opens from disk; validation.json; great-expectations' own Data Docs.

    Raises:
        RecipeError: an expectation is none of great-expectations', or has arguments that it doesn't take.
    """
    tables = {"training": training, "validation": validation, "test": test}
    _require_sound(settings.expectations)
    with spill_beside(report.folder) as spill:
        results = _ask({**tables, "audit": audit}, settings.expectations, report, spill)
        progress.report("Sluice's own checks", fraction=0.9)
        found = own_checks(tables, quarantine, read_account(account), settings, spill)
    for name, result in results.items():
        found += findings_of(name, _asked(settings.expectations, name), result)
    metrics = verdict(found)
    write_report(report.folder, settings.expectations, results, found, metrics, _measures(audit))
    _tell(found, metrics)
    return metrics


def verdict(found: Sequence[Finding]) -> ValidateMetrics:
    """The gate's answer to all findings. It opens only if every expectation was evaluated and none of the reasons is left."""
    asked = [finding for finding in found if finding.position is not None]
    evaluated = sum(finding.evaluated for finding in asked)
    reasons = [finding.reason for finding in found if finding.refuses]
    if not asked:
        reasons.append("no expectation was asked of the tables")
    return ValidateMetrics(
        passed=not reasons and evaluated == len(asked),
        reasons=tuple(reasons),
        expectations_asked=len(asked),
        expectations_evaluated=evaluated,
        failures=len(reasons),
        warnings=sum(finding.warns for finding in found),
    )


def _require_sound(expectations: Sequence[Expectation]) -> None:
    from components.preprocess.validate.expectations import check_expectations

    progress.report("looking the expectations up", fraction=0.0)
    if mistakes := check_expectations(expectations):
        raise RecipeError(mistakes, where="preprocess.validate")


def _ask(
    tables: dict[str, Table], expectations: Sequence[Expectation], report: Output[Report], spill: Spill
) -> dict[str, dict[str, Any]]:
    """great-expectations' answer for each table; one table is in memory at a time."""
    from components.preprocess.validate.engine import Engine, columns_read

    engine = Engine(report.folder / "data_docs", spill)
    results = {}
    for done, (name, table) in enumerate(tables.items(), start=1):
        asked = _asked(expectations, name)
        if not asked:
            continue  # only of the audit may nothing be asked: the recipe's check sees to the others
        progress.report(
            f"{name}: {count(len(asked), 'expectation')}, {count(table.rows, 'row')}", fraction=0.2 * done
        )
        frames = Frames(table, columns_read(table, asked))
        results[name] = engine.ask(name, frames, asked, frames.way)
    engine.write_docs()
    return results


def _measures(audit: Table) -> dict[str, float | None]:
    if audit.rows != 1:
        raise ContractError("the audit's measures are not one row", where=audit.uri, got=f"{audit.rows} rows")
    measures: dict[str, float | None] = audit.read().to_pylist()[0]
    return measures


def _asked(expectations: Sequence[Expectation], table: str) -> dict[int, Expectation]:
    """The expectations that are asked of a table, by their position in the recipe."""
    return {i: e for i, e in enumerate(expectations) if ASKED[table] in e.tables}


def _tell(found: Sequence[Finding], metrics: ValidateMetrics) -> None:
    for finding in found:
        if finding.warns:
            progress.report(f"warning: {finding.reason}")
    answer = "open" if metrics.passed else f"closed, {count(metrics.failures, 'reason')}"
    progress.report(f"data gate: {answer}", fraction=1.0)
