"""The predictor: opens a model artifact and predicts. Evaluation, serving and batch use go through this and nothing else.

Needs onnxruntime, tokenizers and numpy; neither torch nor transformers.
"""

from sluice.predictor.description import (
    CONFIGURATION,
    DESCRIPTION,
    FEATURES,
    FORMAT,
    NETWORK,
    TOKENIZER,
    WEIGHTS,
    ModelDescription,
)
from sluice.predictor.predictor import Predictor
from sluice.predictor.rows import EncodedRows, RowEncoder

__all__ = [
    "CONFIGURATION",
    "DESCRIPTION",
    "FEATURES",
    "FORMAT",
    "NETWORK",
    "TOKENIZER",
    "WEIGHTS",
    "EncodedRows",
    "ModelDescription",
    "Predictor",
    "RowEncoder",
]
