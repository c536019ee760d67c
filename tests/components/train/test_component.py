"""train makes a model that anybody can open, the same one each time, from every family of backbones."""

import csv
import json
import re

import numpy as np
import pytest

from sluice.contract import Component
from sluice.predictor import Predictor
from tests.builders.backbones import FAMILIES, MINILM, tiny_backbone
from tests.builders.parcels import TEXT_ONLY, parcels, settings, trained

PAYLOAD = {
    "model.onnx",
    "model.safetensors",
    "config.json",
    "tokenizer.json",
    "model.json",
    "features/features.json",
}


def test_the_model_has_every_file_and_nothing_else(model):
    assert {file.path for file in model.model.manifest.files} == PAYLOAD


def test_the_metrics_are_those_of_the_kept_epoch(model):
    document = json.loads((model.report.folder / "training.json").read_text())
    best = document["history"][document["best_epoch"] - 1]
    assert (best["epoch"], best["validation_macro_f1"]) == (
        model.metrics.best_epoch,
        model.metrics.validation_macro_f1,
    )
    assert document["precision"] == model.metrics.precision == "float32"
    assert model.metrics.onnx_max_difference < 1e-5


def test_the_history_is_a_table_too(model):
    with (model.report.folder / "history.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["epoch"] for row in rows] == ["1"]
    assert float(rows[0]["validation_loss"]) == pytest.approx(model.metrics.validation_loss)


def test_equal_trainings_make_equal_artifacts(given, bert, model, tmp_path):
    again = trained(tmp_path, given, settings(bert))
    files = {file.path: file.sha256 for file in again.model.manifest.files}
    assert files["model.safetensors"] == sha256_of(model, "model.safetensors")
    assert files["model.onnx"] == sha256_of(model, "model.onnx")
    assert again.report.digest == model.report.digest


def sha256_of(made, path):
    return next(file.sha256 for file in made.model.manifest.files if file.path == path)


def test_the_export_tells_nothing_about_the_machine_it_was_made_on(model, repository):
    network = (model.model.folder / "model.onnx").read_bytes()
    assert str(repository).encode() not in network
    assert not re.search(rb"site-packages|\.py\b|/home/", network)


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "bert"])
def test_other_families_train_export_and_agree(family, given, tmp_path):
    made = trained(tmp_path, given, settings(tiny_backbone(tmp_path / family, family)))
    assert made.metrics.onnx_max_difference < 1e-5
    assert json.loads((made.model.folder / "config.json").read_text())["model_type"] == family


def test_text_alone_is_enough_and_the_last_row_of_an_epoch_may_be_alone(bert, tmp_path):
    given = parcels(tmp_path / "parcels", training=17, columns=TEXT_ONLY)
    made = trained(tmp_path, given, settings(bert, {"hidden_layers": (), "maximum_tokens": 4}))
    predictor = Predictor.open(made.model.folder)
    batch = next(given.validation.batches())
    assert predictor.description.category_columns == predictor.description.number_columns == ()
    assert predictor.logits(batch).shape == (12, 3)


def test_embeddings_have_the_widths_that_the_recipe_gives_by_readable_name(given, bert):
    from components.train.description import describe
    from sluice.features import FittedFeatures

    wanted = settings(bert, {"embedding_sizes": {"town": 7}}).model
    described = describe(wanted, FittedFeatures.load(given.features.folder), 0)
    assert described.category_columns == ("colour_encoded", "country_encoded", "town_encoded")
    assert described.embedding_sizes == (3, 3, 7)


def test_train_reads_what_the_graph_gives_it():
    component = Component.load("train")
    assert list(component.inputs) == ["training", "validation", "features"]
    assert {name: port.kind.kind for name, port in component.outputs.items()} == {
        "model": "model",
        "report": "report",
    }


@pytest.mark.long
def test_a_real_pretrained_backbone_learns_in_one_epoch(tmp_path):
    given = parcels(tmp_path / "parcels", training=200, validation=40)
    wanted = settings(
        MINILM,
        {"hidden_layers": (64,)},
        batch_size=16,
        learning_rate=1e-4,
        head_learning_rate=5e-3,
        precision="auto",
    )
    made = trained(tmp_path, given, wanted)
    assert made.metrics.validation_macro_f1 > 0.8
    assert made.metrics.onnx_max_difference < 1e-3
    batch = next(given.validation.batches())
    found = Predictor.open(made.model.folder).probabilities(batch)
    right = np.mean(found.argmax(axis=1) == batch["kind_encoded"].to_numpy())
    assert right == pytest.approx(made.metrics.validation_accuracy, abs=0.05)
