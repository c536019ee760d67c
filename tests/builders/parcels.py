"""A small warehouse's parcels: raw rows, the features and tables made of them, and settings to train with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa

from sluice.contract import Artifact, Features, Model, Output, Producer, Report, Table
from sluice.features import FittedFeatures, Learning
from sluice.recipe.model import Columns, FeatureSettings, Text
from sluice.recipe.parts import TrainSettings
from tests.builders.backbones import Backbone

COLUMNS = Columns(
    text=("note",),
    categorical=("colour",),
    hierarchical={"place": ("country", "town")},
    numeric=("weight",),
    label="kind",
)
TEXT_ONLY = Columns(text=("note",), label="kind")
A = TypeVar("A", bound=Artifact)
KINDS = ("bag", "box", "sack")
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


class Parcels(NamedTuple):
    """What train takes."""

    training: Table
    validation: Table
    features: Features


def raw_rows(count: int, seed: int = 1, kinds: Sequence[str] = KINDS) -> pa.RecordBatch:
    """Rows whose note and colour tell their kind most of the time."""
    random = np.random.default_rng(seed)
    kind = [kinds[i % len(kinds)] for i in range(count)]
    filler = ["small", "large", "round", "heavy", "light"]
    notes = [
        f"{' '.join(random.choice(filler, random.integers(1, 9)))} {word} {i}" for i, word in enumerate(kind)
    ]
    weights = [None if i % 7 == 3 else float(len(word)) + random.normal() for i, word in enumerate(kind)]
    places = [("UK", "York") if i % 2 else ("FR", "Nice") for i in range(count)]
    return pa.record_batch(
        {
            "row_id": pa.array(range(count), pa.int64()),
            "note": notes,
            "colour": [("red", "blue", "green")[len(word) % 3] for word in kind],
            "country": [country for country, _ in places],
            "town": [town for _, town in places],
            "weight": pa.array(weights, pa.float64()),
            "kind": kind,
        }
    )


def finished(output: Output[A]) -> A:
    """Close an output, as the runner does when a component has returned."""
    producer = Producer(
        component="test", fingerprint="", code="", settings="", started=LONG_AGO, finished=LONG_AGO
    )
    output.finish(producer, ())
    return output.kind.open((output.folder / "manifest.json").as_uri())


def parcels(folder: Path, training: int = 48, validation: int = 12, columns: Columns = COLUMNS) -> Parcels:
    """Tables and features as preprocess makes them."""
    rows = raw_rows(training)
    fitted = FittedFeatures.fit(Learning.of([rows], columns), columns, Text(), FeatureSettings())
    features = Output(Features, folder / "features")
    fitted.save(features.folder)
    return Parcels(
        table(folder / "training", fitted, rows),
        table(folder / "validation", fitted, raw_rows(validation, seed=2)),
        finished(features),
    )


def table(folder: Path, fitted: FittedFeatures, rows: pa.RecordBatch) -> Table:
    """The table of some raw rows."""
    output = Output(Table, folder)
    with output.writer(fitted.table_columns) as writer:
        writer.write(fitted.transform(rows))
    return finished(output)


def settings(backbone: Backbone, model: dict[str, Any] | None = None, **training: Any) -> TrainSettings:
    """A small head on a backbone; one epoch unless said otherwise."""
    head = {"maximum_tokens": 16, "hidden_layers": (8,), "embedding_size": 3}
    named = {"backbone": str(backbone.folder), "weights_sha256": backbone.sha256}
    fitting = {"epochs": 1, "batch_size": 8, "learning_rate": 1e-3, "precision": "float32"}
    return TrainSettings.model_validate(
        {"model": {**head, **named, **(model or {})}, "training": {**fitting, **training}}
    )


class Trained(NamedTuple):
    """What train gave."""

    metrics: Any
    model: Model
    report: Report


def trained(folder: Path, given: Parcels, wanted: TrainSettings) -> Trained:
    """Train, as the component does it."""
    from components.train.component import train

    model, report = Output(Model, folder / "model"), Output(Report, folder / "report")
    metrics = train(given.training, given.validation, given.features, wanted, model, report)
    return Trained(metrics, finished(model), finished(report))
