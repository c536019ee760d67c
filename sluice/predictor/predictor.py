"""How a model artifact is opened, and how rows become logits and probabilities."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from sluice.contract import ContractError
from sluice.predictor.description import FEATURES, NETWORK, ModelDescription, require_file
from sluice.predictor.rows import Array, RowEncoder

if TYPE_CHECKING:
    from sluice.features import FittedFeatures

ROWS_AT_ONCE = 64
"""Rows that go through the network together; more gain nothing on a CPU, and cost memory."""


class Predictor:
    """An opened model.

    Attributes:
        labels: the class of each logit, in order.
        features: the fitted transforms that the model was trained with.
        description: the model's `model.json`.
    """

    def __init__(
        self, description: ModelDescription, features: FittedFeatures, encoder: RowEncoder, session: Any
    ) -> None:
        self.description = description
        self.labels = description.labels
        self.features = features
        self._encoder = encoder
        self._session = session

    @classmethod
    def open(cls, folder: Path) -> Predictor:
        """Open the model in an artifact's folder.

        Raises:
            ArtifactMissing: one of its files isn't there.
            ContractTooNew: a newer Sluice wrote it.
            ContractError: the network can't be read.
        """
        from sluice.features import FittedFeatures

        description = ModelDescription.read(folder)
        features = FittedFeatures.load(require_file(folder, FEATURES))
        return cls(description, features, RowEncoder.open(description, folder), _session(folder))

    def logits(self, batch: pa.RecordBatch) -> Array:
        """The logits of each row, float32 [rows, classes].

        Args:
            batch: rows as preprocess writes them, or raw readable columns, which the features transform first.
        """
        rows = self._encoder.encode(self._encoded(batch))
        logits = np.empty((len(rows), len(self.labels)), np.float32)
        by_length = np.argsort(rows.lengths, kind="stable")  # neighbours of one length need little padding
        for start in range(0, len(rows), ROWS_AT_ONCE):
            chosen = by_length[start : start + ROWS_AT_ONCE]
            logits[chosen] = self._session.run(["logits"], rows.feed(chosen))[0]
        return logits

    def probabilities(self, batch: pa.RecordBatch) -> Array:
        """The probability of each class for each row, float32 [rows, classes]."""
        logits = self.logits(batch)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))

    def _encoded(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        d = self.description
        needed = {d.text_column, *d.category_columns, *d.number_columns}
        return batch if needed <= set(batch.schema.names) else self.features.transform(batch)


def _session(folder: Path) -> Any:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = len(
        os.sched_getaffinity(0)
    )  # what this process may use, not what the host has
    options.add_session_config_entry(
        "session.intra_op.allow_spinning", "0"
    )  # waiting threads leave the CPU to others
    options.log_severity_level = 3
    path = require_file(folder, NETWORK)
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - onnxruntime raises classes of its own that share no base but this
        raise ContractError(
            "the network can't be read",
            where=path,
            got=str(error).splitlines()[0],
            next_step="Run the train step again",
        ) from None
