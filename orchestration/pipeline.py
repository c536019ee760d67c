"""The whole graph in one screen."""

from __future__ import annotations

from orchestration.graph import Graph, OutputOf, Step

TABLES = ("training", "validation", "test")


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
    audited = graph.step(
        "preprocess.audit", **_of(prepared, *TABLES, "features", "account"), previous=previous
    )
    checked = graph.step(
        "preprocess.validate",
        **_of(prepared, *TABLES, "quarantine", "account"),
        audit=audited["measures"],
    )

    with graph.gate("data-gate", checked, refusal="The data was refused. Nothing was trained"):
        trained = graph.step("train", **_of(prepared, "training", "validation", "features"))
        evaluated = graph.step(
            "evaluate",
            model=trained["model"],
            **_of(prepared, "training", "test"),
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


def _of(step: Step, *outputs: str) -> dict[str, OutputOf]:
    """Outputs of a step that go into inputs of the same names."""
    return {name: step[name] for name in outputs}
