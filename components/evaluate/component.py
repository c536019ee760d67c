"""Evaluate: what a model is worth on rows it has never seen, beside two baselines, and whether that is enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from components.evaluate.ceiling import Ceiling, read_ceiling
from components.evaluate.gate import Rule, judge, thresholds_of
from sluice.contract import Model, Output, Report, Role, Table, Verdict, require_readable, roles
from sluice.contract import report as tell
from sluice.recipe import EvaluateSettings

if TYPE_CHECKING:
    from components.evaluate.measure import Measured
    from sluice.predictor import Predictor


class EvaluateMetrics(Verdict):
    """The metric gate's verdict and the numbers behind it, all on the test rows; none where there is no finite number."""

    loss: float | None
    """Mean cross-entropy, in nats."""
    accuracy: float | None
    """The share of rows whose class was predicted."""
    best_accuracy: float | None
    """What any model with one class per row can reach at best on these tables, where equal rows have unequal labels."""
    macro_f1: float | None
    """The plain mean of F1 over the classes that occur in the test rows or were predicted for one of them."""
    weighted_f1: float | None
    """The mean of F1, weighted by the classes' rows."""
    top_3_accuracy: float | None
    """The share of rows whose class was among the three most probable."""
    top_5_accuracy: float | None
    """The share of rows whose class was among the five most probable."""
    rows: int
    """Test rows."""
    majority_accuracy: float | None
    """Accuracy of always predicting the most frequent class of the training rows."""
    majority_macro_f1: float | None
    """Its macro F1."""
    linear_accuracy: float | None
    """Accuracy of the linear baseline: TF-IDF and the same columns as the model, logistic regression."""
    linear_macro_f1: float | None
    """Its macro F1."""


def evaluate(
    model: Model,
    training: Annotated[Table, roles(Role.TEXT, Role.LABEL)],
    test: Annotated[Table, roles(Role.TEXT, Role.LABEL, Role.ID)],
    audit: Report,
    settings: EvaluateSettings,
    report: Output[Report],
    thresholds: str = "",
) -> EvaluateMetrics:
    """Measure a model on the test table beside two baselines, and compute the metric gate's verdict.

    Args:
        model: the model to measure; its ONNX form is what runs.
        training: the rows it was trained on; the baselines are fitted on them.
        test: rows that neither the model nor the baselines have seen.
        audit: what the audit found in the tables: the best accuracy that can be reached on them.
        settings: what the metric gate asks.
        report: report.html with its plots, evaluation.json, and predictions.parquet with every row's prediction.
        thresholds: thresholds that take the place of the recipe's, such as `macro_f1=0.7,accuracy=0.6`.
    """
    asked = thresholds_of(settings.gates, thresholds)
    ceiling = read_ceiling(audit)

    from components.evaluate.baselines import fit_baselines
    from components.evaluate.evaluation import Evaluation
    from components.evaluate.measure import measure
    from components.evaluate.page import write_page

    predictor = _open(model, training, test)
    tell(f"fitting the linear baseline on {training.rows} rows", 0.05)
    baselines, facts = fit_baselines(predictor.features, training)
    predictors = {"model": predictor.logits, **baselines}
    measured = measure(test, predictor.features, predictors, report.folder)
    rules = judge(settings.gates, asked, measured.evidence)
    inputs = {"model": model, "training": training, "test": test, "audit": audit}
    evaluation = Evaluation(measured, rules, facts, inputs, ceiling)
    evaluation.write(report.folder)
    tell("drawing the report", 0.95)
    write_page(evaluation, report.folder)
    return _metrics(measured, rules, ceiling)


def _open(model: Model, training: Table, test: Table) -> Predictor:
    """The model's predictor, if it can read both tables.

    Raises:
        SchemaMismatch: a table's columns are not those that the model's features write.
    """
    from sluice.predictor import Predictor

    tell("opening the model", 0.0)
    predictor = Predictor.open(model.folder)
    for table in (training, test):
        require_readable(table.columns, predictor.features.table_columns, where=table.uri)
    return predictor


def _metrics(measured: Measured, rules: tuple[Rule, ...], ceiling: Ceiling) -> EvaluateMetrics:
    numbers = measured.finite_metrics
    majority, linear = numbers["majority"], numbers.get("linear", {})
    return EvaluateMetrics(
        passed=all(rule.passed for rule in rules),
        reasons=tuple(rule.sentence for rule in rules if not rule.passed),
        rows=measured.model.rows,
        **numbers["model"],
        best_accuracy=ceiling.tables,
        majority_accuracy=majority["accuracy"],
        majority_macro_f1=majority["macro_f1"],
        linear_accuracy=linear.get("accuracy"),
        linear_macro_f1=linear.get("macro_f1"),
    )
