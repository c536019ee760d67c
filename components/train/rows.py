"""The rows that are learned from: encoded once, and the batches of each epoch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sluice.contract import Table, TrainingFailed
from sluice.predictor import EncodedRows, ModelDescription, RowEncoder
from sluice.predictor.rows import Array

READ_AT_ONCE = 8_192
"""Rows read from a table at a time."""
BATCHES_SORTED_TOGETHER = 50
"""Rows are sorted by length within this many batches: enough to save most padding, few enough to stay shuffled."""


class LabelledRows(NamedTuple):
    """Encoded rows and what they should be."""

    rows: EncodedRows
    labels: Array
    """int64 [rows]; each row's class."""

    def __len__(self) -> int:
        return len(self.labels)


def encode(table: Table, encoder: RowEncoder, description: ModelDescription, label: str) -> LabelledRows:
    """Read and tokenise a whole table; text is kept as token ids alone.

    Args:
        table: a table that preprocess wrote.
        label: its column of class indices.

    Raises:
        TrainingFailed: it has fewer than two rows.
    """
    d = description
    if table.rows < 2:
        raise TrainingFailed(
            "too few rows to train a model with",
            where=table.uri,
            got=f"{table.rows} rows",
            allowed="2 rows or more",
            next_step="Give the pipeline more rows, or a larger share to this split (split in the recipe)",
        )
    names = [d.text_column, *d.category_columns, *d.number_columns, label]
    batches = list(table.batches(names, READ_AT_ONCE))
    labels = np.concatenate([batch[label].to_numpy(zero_copy_only=False) for batch in batches])
    return LabelledRows(
        EncodedRows.concatenate([encoder.encode(batch) for batch in batches]), labels.astype(np.int64)
    )


def shuffled_batches(lengths: Array, size: int, random: np.random.Generator) -> list[Array]:
    """The rows of one epoch, shuffled, in batches of rows of similar length.

    Args:
        lengths: int64 [rows]; each row's number of tokens.
        size: rows of a batch. The last one has what is left; a single row left joins the batch before it, since batch
            normalisation needs two.

    Returns:
        Row numbers, int64 [batch], each row once.
    """
    order = random.permutation(len(lengths))
    step = size * BATCHES_SORTED_TOGETHER
    for start in range(0, len(order), step):
        part = order[start : start + step]
        order[start : start + step] = part[np.argsort(lengths[part], kind="stable")]
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [np.concatenate(batches[-2:])]
    random.shuffle(batches)
    return batches
