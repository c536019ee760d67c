"""Which columns predictors read, and that a table's classes are numbered as the model's are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from components.evaluate.scores import Array
from sluice.contract import ContractError, Role, Table

if TYPE_CHECKING:
    from sluice.features import FittedFeatures


def labelled_batches(
    table: Table, features: FittedFeatures, size: int
) -> Iterator[tuple[pa.RecordBatch, Array]]:
    """The rows that predictors read, with the index of each row's class.

    Raises:
        ContractError: an index doesn't stand for the row's label, so the table isn't of these features.
    """
    label = table.named(Role.LABEL)[0]
    columns = [
        *table.named(Role.ID),
        features.text_column,
        *features.category_columns,
        *features.number_columns,
    ]
    names = np.array(features.labels, dtype=object)
    for batch in table.batches([*dict.fromkeys(columns), label, features.label_column], size):
        truth = batch[features.label_column].to_numpy()
        known = (truth >= 0) & (truth < len(names))
        wrong = ~known
        wrong[known] = names[truth[known]] != batch[label].to_numpy(zero_copy_only=False)[known]
        if wrong.any():
            raise _other_labels(
                table, batch[label][int(wrong.argmax())].as_py(), int(truth[wrong.argmax()]), names
            )
        yield batch, truth


def _other_labels(table: Table, label: str, index: int, names: Array) -> ContractError:
    meant = repr(names[index]) if 0 <= index < len(names) else f"none of its {len(names)} classes"
    return ContractError(
        "the table's labels are not numbered as the model's are",
        where=table.uri,
        got=f"{index} for {label!r}",
        allowed=f"the model's numbers, in which {index} is {meant}",
        next_step="Evaluate the model on the tables of the preprocess run that it was trained on",
    )
