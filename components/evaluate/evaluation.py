"""What an evaluation found, as one record and as `evaluation.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from components.evaluate.ceiling import Ceiling
from components.evaluate.gate import Rule
from components.evaluate.measure import Measured
from sluice.contract import Artifact

EVALUATION = "evaluation.json"


@dataclass(frozen=True)
class Evaluation:
    """Everything that the report tells."""

    measured: Measured
    rules: tuple[Rule, ...]
    linear_facts: Mapping[str, Any] | None
    """How the linear baseline was fitted; none if there is none."""
    inputs: Mapping[str, Artifact]
    """What was evaluated on what."""
    ceiling: Ceiling
    """How well any model can do here."""

    @property
    def passed(self) -> bool:
        """The verdict."""
        return all(rule.passed for rule in self.rules)

    def to_json(self) -> dict[str, Any]:
        """All of it as strict JSON: a number that isn't finite is null."""
        metrics = self.measured.finite_metrics
        return {
            "rows": self.measured.model.rows,
            "unscored_rows": self.measured.model.unscored,
            "metrics": metrics["model"],
            "best_accuracy": self.ceiling.model_dump(),
            "baselines": {
                "majority": metrics["majority"],
                "linear": metrics.get("linear"),
                "linear_settings": self.linear_facts,
            },
            "verdict": {
                "passed": self.passed,
                "reasons": [rule.sentence for rule in self.rules if not rule.passed],
                "rules": [asdict(rule) for rule in self.rules],
            },
            "per_class": self.per_class(),
            "confusion_matrix": {
                "labels": self.measured.labels,
                "rows_are": "true",
                "columns_are": "predicted",
                "counts": self.measured.model.confusion.tolist(),
            },
            "inputs": self.lineage(),
        }

    def per_class(self) -> list[dict[str, Any]]:
        """The measures of each class that occurs in the test rows or was predicted, most frequent first."""
        model = self.measured.model.per_class()
        linear = self.measured.scores.get("linear")
        linear_f1 = linear.per_class().f1 if linear else None
        order = np.argsort(-model.support, kind="stable")
        return [
            {
                "label": self.measured.labels[i],
                "support": int(model.support[i]),
                "predicted": int(model.predicted[i]),
                "precision": float(model.precision[i]),
                "recall": float(model.recall[i]),
                "f1": float(model.f1[i]),
                "linear_f1": None if linear_f1 is None else float(linear_f1[i]),
            }
            for i in order
            if model.support[i] + model.predicted[i]
        ]

    def lineage(self) -> list[dict[str, Any]]:
        """Each input's kind, digest and rows, and the digests of what it was made from."""
        return [
            {
                "name": name,
                "kind": artifact.kind,
                "digest": artifact.digest,
                "rows": artifact.manifest.rows,
                "made_from": {parent.name: parent.digest for parent in artifact.manifest.parents},
            }
            for name, artifact in self.inputs.items()
        ]

    def write(self, folder: Path) -> None:
        """Write `evaluation.json`."""
        text = json.dumps(self.to_json(), indent=1, ensure_ascii=False, allow_nan=False)
        (folder / EVALUATION).write_text(text + "\n", encoding="utf-8")
