"""The model's description, from what the recipe asks for and what the features hold."""

from __future__ import annotations

from sluice.features import FittedFeatures
from sluice.predictor import ModelDescription
from sluice.recipe.model import ModelSettings


def describe(settings: ModelSettings, features: FittedFeatures, pad_id: int) -> ModelDescription:
    """The description of the model to train.

    Args:
        settings: the recipe's model.
        features: the fitted transforms.
        pad_id: the tokenizer's padding token.
    """
    readable = {column.name: column.encodes for column in features.table_columns}
    sizes = (settings.embedding_sizes.get(readable[name] or name) for name in features.category_columns)
    return ModelDescription(
        labels=features.labels,
        text_column=features.text_column,
        maximum_tokens=settings.maximum_tokens,
        pad_id=pad_id,
        category_columns=features.category_columns,
        cardinalities=tuple(features.cardinalities[name] for name in features.category_columns),
        embedding_sizes=tuple(size or settings.embedding_size for size in sizes),
        number_columns=features.number_columns,
        hidden_layers=settings.hidden_layers,
        dropout=settings.dropout,
        backbone=settings.backbone,
        weights_sha256=settings.weights_sha256,
    )
