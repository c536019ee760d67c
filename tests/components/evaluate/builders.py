"""Small builders: an evaluation's tables, a real features folder, and a model of a few numbers that needs no training.

The made-up data are parcels: a `note` names its kind of parcel, `depot` stands under `region`, `weight` is a number.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

from sluice.contract import MANIFEST, Model, Output, Producer, Report, Table
from sluice.features import FittedFeatures, Learning
from sluice.predictor import DESCRIPTION, FEATURES, NETWORK, TOKENIZER, ModelDescription
from sluice.recipe.model import Columns, FeatureSettings, Text

COLUMNS = Columns(
    text=("note",),
    categorical=("carrier",),
    hierarchical={"place": ("region", "depot")},
    numeric=("weight",),
    label="kind",
)
KINDS = ("box", "crate", "letter")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PRODUCER = Producer(component="test", fingerprint="f", code="c", settings="s", started=NOW, finished=NOW)


@dataclass(frozen=True)
class Inputs:
    """What evaluate is called with."""

    model: Model
    training: Table
    test: Table
    audit: Report


def raw_rows(kinds: Sequence[str], notes: Sequence[str] | None = None, seed: int = 1) -> pa.RecordBatch:
    """Raw rows of these kinds; a note names its kind unless notes are given."""
    numbers = np.random.default_rng(seed)
    count = len(kinds)
    depot = numbers.integers(0, 4, count)
    return pa.record_batch(
        {
            "row_id": pa.array(np.arange(count) + 100, pa.int64()),
            "note": pa.array(
                [f"one {kind} please" for kind in kinds] if notes is None else notes, pa.string()
            ),
            "carrier": pa.array(numbers.choice(["rail", "road"], count).tolist(), pa.string()),
            "region": pa.array([f"region {d // 2}" for d in depot], pa.string()),
            "depot": pa.array([f"depot {d}" for d in depot], pa.string()),
            "weight": pa.array(numbers.gamma(2, 3, count), pa.float64()),
            "kind": pa.array(kinds, pa.string()),
        }
    )


def a_table(folder: Path, features: FittedFeatures, rows: pa.RecordBatch) -> Table:
    """A finished table of these raw rows, as preprocess writes it."""
    output: Output[Table] = Output(Table, folder)
    with output.writer(features.table_columns) as writer:
        writer.write(features.transform(rows))
    output.finish(PRODUCER, [])
    return Table.open((folder / MANIFEST).as_uri())


def a_model(folder: Path, features: FittedFeatures, words: dict[str, Sequence[float]]) -> Model:
    """A finished model that adds up the logits of the words it knows; other words count nothing."""
    output: Output[Model] = Output(Model, folder)
    features_folder = folder / FEATURES
    features_folder.mkdir()
    features.save(features_folder)
    vocabulary = {"[PAD]": 0, "[UNK]": 1, **{word: i + 2 for i, word in enumerate(words)}}
    _tokenizer(vocabulary).save(str(folder / TOKENIZER))
    weights = np.zeros((len(vocabulary), len(features.labels)), np.float32)
    weights[2:] = list(words.values())
    onnx.save(
        _bag_of_words(weights, bool(features.category_columns), bool(features.number_columns)),
        folder / NETWORK,
    )
    _description(features).write(folder)
    output.finish(PRODUCER, [])
    return Model.open((folder / MANIFEST).as_uri())


def an_audit(folder: Path, tables: float | None = 0.9, test: float | None = 1.0) -> Report:
    """A finished report of the audit that says how well any model can do."""
    output: Output[Report] = Output(Report, folder)
    said = {"best_accuracy": {"tables": tables, "test": test}, "measures": {"rows": 90.0}}
    (folder / "audit.json").write_text(json.dumps(said))
    output.finish(PRODUCER, [])
    return Report.open((folder / MANIFEST).as_uri())


def fitted(training: pa.RecordBatch, columns: Columns = COLUMNS) -> FittedFeatures:
    """Features fitted on these raw rows."""
    return FittedFeatures.fit(
        Learning.of([training], columns), columns, Text(lowercase=True), FeatureSettings()
    )


def inputs(
    folder: Path,
    *,
    training: pa.RecordBatch | None = None,
    test: pa.RecordBatch | None = None,
    words: dict[str, Sequence[float]] | None = None,
) -> Inputs:
    """A model that knows each kind by its name, and tables of 60 and 30 rows."""
    training = raw_rows(KINDS * 20) if training is None else training
    test = raw_rows(KINDS * 10, seed=2) if test is None else test
    features = fitted(training)
    words = {kind: 5 * row for kind, row in zip(KINDS, np.eye(3), strict=True)} if words is None else words
    return Inputs(
        a_model(folder / "model", features, words),
        a_table(folder / "training", features, training),
        a_table(folder / "test", features, test),
        an_audit(folder / "audit"),
    )


def read_evaluation(folder: Path) -> dict:
    """A report's evaluation.json, refused where it isn't strict JSON."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    return json.loads((folder / "evaluation.json").read_text(), parse_constant=refuse)


def _tokenizer(vocabulary: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def _bag_of_words(weights: np.ndarray, categories: bool, numbers: bool) -> onnx.ModelProto:
    """Logits = the sum of each row's word vectors; the padding's vector is zero."""
    integers = ["input_ids", "attention_mask", *(["categories"] if categories else [])]
    taken = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", None]) for name in integers]
    if numbers:
        taken.append(helper.make_tensor_value_info("numbers", TensorProto.FLOAT, ["batch", None]))
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["weights", "input_ids"], ["vectors"]),
            helper.make_node("ReduceSum", ["vectors", "axis"], ["logits"], keepdims=0),
        ],
        "bag_of_words",
        taken,
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", weights.shape[1]])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(np.array([1]), "axis")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


def _description(features: FittedFeatures) -> ModelDescription:
    return ModelDescription(
        labels=features.labels,
        text_column=features.text_column,
        maximum_tokens=16,
        pad_id=0,
        category_columns=features.category_columns,
        cardinalities=tuple(features.cardinalities.values()),
        embedding_sizes=(4,) * len(features.category_columns),
        number_columns=features.number_columns,
        hidden_layers=(),
        dropout=0.0,
        backbone="none",
        weights_sha256="0" * 64,
    )


__all__ = [
    "COLUMNS",
    "DESCRIPTION",
    "KINDS",
    "Inputs",
    "a_model",
    "a_table",
    "an_audit",
    "fitted",
    "inputs",
    "raw_rows",
    "read_evaluation",
]
