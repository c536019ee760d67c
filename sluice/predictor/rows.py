"""Rows in the form that a network reads: token ids, category indices and numbers, padded only when they are fed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa

from sluice.predictor.description import TOKENIZER, ModelDescription, require_file

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TEXTS_AT_ONCE = 1_000
"""Texts tokenised at a time: their encodings take far more memory than their ids."""

Array = np.ndarray[Any, Any]


class EncodedRows:
    """Rows without padding.

    Attributes:
        tokens: int32 [tokens of all rows]; the rows' token ids one after the other.
        lengths: int64 [rows]; each row's number of tokens.
        categories: int64 [rows, category columns].
        numbers: float32 [rows, number columns].
        pad_id: the token that fills short rows up.
    """

    def __init__(self, tokens: Array, lengths: Array, categories: Array, numbers: Array, pad_id: int) -> None:
        self.tokens = tokens
        self.lengths = lengths
        self.categories = categories
        self.numbers = numbers
        self.pad_id = pad_id
        self._starts = np.cumsum(lengths) - lengths

    def __len__(self) -> int:
        return len(self.lengths)

    @classmethod
    def concatenate(cls, parts: Sequence[EncodedRows]) -> Self:
        """The rows of all parts, in order; at least one part."""
        return cls(
            np.concatenate([part.tokens for part in parts]),
            np.concatenate([part.lengths for part in parts]),
            np.concatenate([part.categories for part in parts]),
            np.concatenate([part.numbers for part in parts]),
            parts[0].pad_id,
        )

    def head(self, rows: int) -> EncodedRows:
        """The first rows."""
        lengths = self.lengths[:rows]
        return EncodedRows(
            self.tokens[: lengths.sum()], lengths, self.categories[:rows], self.numbers[:rows], self.pad_id
        )

    def feed(self, rows: Array) -> dict[str, Array]:
        """The network's inputs for some rows, padded to the longest of them.

        Args:
            rows: int64 [batch]; which rows, in this order.

        Returns:
            input_ids and attention_mask, int64 [batch, tokens]; categories, int64 [batch, columns], and numbers,
            float32 [batch, columns], if the model has such columns.
        """
        lengths = self.lengths[rows]
        positions = np.arange(lengths.max(initial=1))
        mask = positions < lengths[:, None]
        ids = np.full(mask.shape, self.pad_id, np.int64)
        ids[mask] = self.tokens[(self._starts[rows][:, None] + positions)[mask]]
        inputs = {"input_ids": ids, "attention_mask": mask.astype(np.int64)}
        if self.categories.shape[1]:
            inputs["categories"] = self.categories[rows]
        if self.numbers.shape[1]:
            inputs["numbers"] = self.numbers[rows]
        return inputs


class RowEncoder:
    """Turns table batches into encoded rows, in training and prediction alike."""

    def __init__(self, description: ModelDescription, tokenizer: Tokenizer) -> None:
        self._description = description
        self._tokenizer = tokenizer
        tokenizer.no_padding()
        tokenizer.enable_truncation(description.maximum_tokens)

    @classmethod
    def open(cls, description: ModelDescription, folder: Path) -> Self:
        """The encoder with the tokenizer of a model folder."""
        from tokenizers import Tokenizer

        return cls(description, Tokenizer.from_file(str(require_file(folder, TOKENIZER))))

    def encode(self, batch: pa.RecordBatch) -> EncodedRows:
        """Encode the rows of a table batch."""
        tokens, lengths = self._tokens(batch[self._description.text_column])
        return EncodedRows(
            tokens,
            lengths,
            _matrix(batch, self._description.category_columns, np.int64),
            _matrix(batch, self._description.number_columns, np.float32),
            self._description.pad_id,
        )

    def _tokens(self, texts: pa.Array) -> tuple[Array, Array]:
        ids = [np.zeros(0, np.int32)]
        lengths: list[int] = []
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            for row in self._tokenizer.encode_batch_fast(texts[start : start + TEXTS_AT_ONCE].to_pylist()):
                ids.append(np.array(row.ids, np.int32))
                lengths.append(len(ids[-1]))
        return np.concatenate(ids), np.array(lengths, np.int64)


def _matrix(batch: pa.RecordBatch, columns: Sequence[str], dtype: type[np.generic]) -> Array:
    matrix = np.empty((batch.num_rows, len(columns)), dtype)
    for position, name in enumerate(columns):
        matrix[:, position] = batch[name].to_numpy(zero_copy_only=False)
    return matrix
