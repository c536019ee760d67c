"""The network: a transformer reads the text, embeddings and numbers join its first token, linear layers decide."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from sluice.predictor import ModelDescription


class Network(nn.Module):
    """The model of a recipe.

    Args:
        backbone: a transformer of the transformers library.
        description: the widths of everything else.
    """

    def __init__(self, backbone: Any, description: ModelDescription) -> None:
        super().__init__()
        d = description
        self.backbone = backbone
        self.embeddings = nn.ModuleList(
            nn.Embedding(count, size) for count, size in zip(d.cardinalities, d.embedding_sizes, strict=True)
        )
        joined = backbone.config.hidden_size + sum(d.embedding_sizes) + len(d.number_columns)
        self.dropout = nn.Dropout(d.dropout)
        self.hidden = nn.Sequential(*_hidden_layers((joined, *d.hidden_layers), d.dropout))
        self.output = nn.Linear((joined, *d.hidden_layers)[-1], len(d.labels))

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        categories: Tensor | None = None,
        numbers: Tensor | None = None,
    ) -> Tensor:
        """The logits, float32 [batch, classes].

        Args:
            input_ids: int64 [batch, tokens].
            attention_mask: int64 [batch, tokens]; 0 where a text is filled up.
            categories: int64 [batch, category columns], if the model has any.
            numbers: float32 [batch, number columns], if the model has any.
        """
        return self.decide(self.read(input_ids, attention_mask), categories, numbers)

    def read(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """The backbone's output at the first token, [batch, hidden size]."""
        output = self.backbone(input_ids=input_ids, attention_mask=attention_mask)
        first: Tensor = output.last_hidden_state[:, 0]
        return first

    def decide(self, text: Tensor, categories: Tensor | None, numbers: Tensor | None) -> Tensor:
        """The logits from the backbone's output and the other columns."""
        parts = [text]
        if categories is not None:
            parts += [embedding(categories[:, i]) for i, embedding in enumerate(self.embeddings)]
        if numbers is not None:
            parts.append(numbers)
        logits: Tensor = self.output(self.hidden(self.dropout(torch.cat(parts, dim=1))))
        return logits

    def head_parameters(self) -> list[nn.Parameter]:
        """Everything that isn't the backbone's."""
        return [p for name, p in self.named_parameters() if not name.startswith("backbone.")]


def _hidden_layers(widths: Sequence[int], dropout: float) -> list[nn.Module]:
    return [
        layer
        for width, next_width in pairwise(widths)
        for layer in (
            nn.Linear(width, next_width),
            nn.BatchNorm1d(next_width),
            nn.ReLU(),
            nn.Dropout(dropout),
        )
    ]
