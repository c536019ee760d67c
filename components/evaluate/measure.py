"""The one pass over the test table: every predictor is shown the same rows, and nothing but counts is kept of them."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.evaluate.gate import Evidence
from components.evaluate.rows import labelled_batches
from components.evaluate.scores import Array, Scores
from sluice.contract import Role, Table, report
from sluice.features import FittedFeatures

BATCH = 2_048
"""Rows predicted at a time."""
BINS = 20
"""Bars of the confidence histogram."""
MISTAKES = 25
"""How many of the most confident mistakes are kept."""
LETTERS = 300
"""Letters that are kept of a mistake's text; the whole of it is in the test table."""

PREDICTIONS = "predictions.parquet"
Predict = Callable[[pa.RecordBatch], Array]

PREDICTIONS_SCHEMA = pa.schema(
    [
        pa.field("row_id", pa.int64(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("predicted", pa.string()),
        pa.field("confidence", pa.float64()),
    ]
)
"""The columns of predictions.parquet; confidence is the probability of the predicted class. Both are null
for a row that the model gave no finite scores."""


class Mistake(NamedTuple):
    """A row that the model got wrong; sorts by confidence, and of equally confident ones the earlier row is greater."""

    confidence: float
    before: int
    """Minus the row's id."""
    label: str
    predicted: str
    text: str

    @property
    def row_id(self) -> int:
        """The row's id."""
        return -self.before


@dataclass
class Measured:
    """What the pass over the test table found."""

    labels: tuple[str, ...]
    scores: dict[str, Scores]
    """By predictor; the model's under `model`."""
    confidence: Array = field(default_factory=lambda: np.zeros((2, BINS), np.int64))
    """Rows by [wrong or right, bin of the prediction's probability]."""
    mistakes: list[Mistake] = field(default_factory=list)
    """A heap of the most confident mistakes."""

    @property
    def model(self) -> Scores:
        """The model's scores."""
        return self.scores["model"]

    @property
    def finite_metrics(self) -> dict[str, dict[str, float | None]]:
        """The metrics by predictor and name; none where there is no finite number."""
        return {
            name: {metric: value if isfinite(value) else None for metric, value in scores.metrics().items()}
            for name, scores in self.scores.items()
        }

    @property
    def evidence(self) -> Evidence:
        """What the gate judges by."""
        linear = self.scores.get("linear")
        macro_f1 = linear.metrics()["macro_f1"] if linear else None
        return Evidence(self.model.rows, self.model.unscored, self.model.metrics(), macro_f1)

    @property
    def most_confident_mistakes(self) -> list[Mistake]:
        """The mistakes that were kept, the most confident first."""
        return sorted(self.mistakes, reverse=True)


class Rows(NamedTuple):
    """A batch of test rows and what the model said of them."""

    ids: Array
    truth: Array
    predicted: Array
    confidence: Array
    texts: pa.Array


def measure(test: Table, features: FittedFeatures, predictors: dict[str, Predict], folder: Path) -> Measured:
    """Show every test row to every predictor; the model's predictions go to a Parquet file in the folder.

    Raises:
        ContractError: the table's label indices are not those of the features.
    """
    row_id = test.named(Role.ID)[0]
    measured = Measured(features.labels, {name: Scores(len(features.labels)) for name in predictors})
    with pq.ParquetWriter(folder / PREDICTIONS, PREDICTIONS_SCHEMA, compression="zstd") as writer:
        for batch, truth in labelled_batches(test, features, BATCH):
            answers = {
                name: measured.scores[name].add(predict(batch), truth) for name, predict in predictors.items()
            }
            rows = Rows(batch[row_id].to_numpy(), truth, *answers["model"], batch[features.text_column])
            writer.write_batch(_take(measured, rows))
            report(
                f"tested {measured.model.rows} of {test.rows} rows",
                0.4 + 0.5 * measured.model.rows / test.rows,
            )
    return measured


def _take(measured: Measured, rows: Rows) -> pa.RecordBatch:
    """Keep what the report shows of some rows, and turn them into rows of predictions.parquet."""
    right, scored = rows.truth == rows.predicted, rows.predicted >= 0
    bins = np.minimum((rows.confidence[scored] * BINS).astype(int), BINS - 1)
    np.add.at(measured.confidence, (right[scored].astype(int), bins), 1)
    for i in np.flatnonzero(~right & scored):
        heapq.heappush(measured.mistakes, _mistake(measured.labels, rows, int(i)))
        if len(measured.mistakes) > MISTAKES:
            heapq.heappop(measured.mistakes)
    labels = pa.array(measured.labels, pa.string())
    predicted = labels.take(pa.array(rows.predicted, mask=~scored))
    confidence = pa.array(rows.confidence, mask=~scored)
    columns = [pa.array(rows.ids), labels.take(pa.array(rows.truth)), predicted, confidence]
    return pa.RecordBatch.from_arrays(columns, schema=PREDICTIONS_SCHEMA)


def _mistake(labels: tuple[str, ...], rows: Rows, i: int) -> Mistake:
    label, predicted = labels[rows.truth[i]], labels[rows.predicted[i]]
    text = rows.texts[i].as_py()
    shown = text if len(text) <= LETTERS else text[:LETTERS] + "…"
    return Mistake(float(rows.confidence[i]), -int(rows.ids[i]), label, predicted, shown)
