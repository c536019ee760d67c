"""The whole graph in one screen."""

from __future__ import annotations

from orchestration.graph import Graph


def build() -> Graph:
    """Raw files become a registered model, if both gates open. A person approves it."""
    graph = Graph("sluice")
    data = graph.parameter("data", "the folder of raw files")
    rows = graph.parameter("rows", "take this many rows by seeded sampling; all if not given", int | None)
    previous = graph.parameter(
        "previous", "an earlier run's training table to compare with, by its manifest", str | None
    )
    thresholds = graph.parameter(
        "thresholds", "the metric gate's thresholds instead of the recipe's", str, ""
    )
    registry = graph.parameter("registry", "the model registry")
    approval = graph.parameter(
        "approval",
        "how a registered model stands: PendingManualApproval until a person decides, or Approved at once",
        str,
        "PendingManualApproval",
    )

    prepared = graph.step("preprocess", raw=data, rows=rows)
    tables = {name: prepared[name] for name in ("training", "validation", "test")}
    audited = graph.step(
        "preprocess.audit",
        **tables,
        features=prepared["features"],
        account=prepared["account"],
        previous=previous,
    )
    checked = graph.step(
        "preprocess.validate",
        **tables,
        quarantine=prepared["quarantine"],
        account=prepared["account"],
        audit=audited["measures"],
    )

    with graph.gate("data-gate", checked, refusal="The data was refused. Nothing was trained"):
        trained = graph.step(
            "train",
            training=prepared["training"],
            validation=prepared["validation"],
            features=prepared["features"],
        )
        evaluated = graph.step(
            "evaluate",
            model=trained["model"],
            training=prepared["training"],
            test=prepared["test"],
            audit=audited["report"],
            thresholds=thresholds,
        )
        with graph.gate("metric-gate", evaluated, refusal="The model was refused. Nothing was registered"):
            graph.step(
                "register",
                model=trained["model"],
                data_report=checked["report"],
                evaluation=evaluated["report"],
                registry=registry,
                approval=approval,
            )
    return graph
