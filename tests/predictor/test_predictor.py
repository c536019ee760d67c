"""A model folder opens by itself, predicts the same however its rows arrive, and says what is wrong with it."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from sluice.contract import ArtifactMissing, ContractError, ContractTooNew
from sluice.predictor import Predictor


@pytest.fixture
def copy(folder, tmp_path):
    """A copy of the model that a test may damage."""
    return shutil.copytree(folder, tmp_path / "model")


@pytest.fixture(scope="session")
def predictor(folder):
    return Predictor.open(folder)


def test_there_is_one_logit_per_label(predictor, raw):
    logits = predictor.logits(predictor.features.transform(raw))
    assert predictor.labels == ("bag", "box", "sack")
    assert (logits.shape, logits.dtype) == ((150, 3), np.float32)


def test_raw_rows_are_transformed_first(predictor, raw):
    ready = predictor.features.transform(raw)
    assert np.array_equal(predictor.logits(raw), predictor.logits(ready))


def test_a_label_is_not_needed(predictor, raw):
    assert np.array_equal(predictor.logits(raw.drop_columns("kind")), predictor.logits(raw))


@pytest.mark.parametrize("size", [1, 7, 64, 149])
def test_the_rows_beside_a_row_do_not_matter(size, predictor, raw):
    parts = [predictor.logits(raw.slice(start, size)) for start in range(0, 150, size)]
    assert np.allclose(np.concatenate(parts), predictor.logits(raw), rtol=0, atol=1e-5)


def test_the_order_of_the_rows_is_kept(predictor, raw):
    order = np.random.default_rng(0).permutation(150)
    assert np.allclose(predictor.logits(raw.take(order)), predictor.logits(raw)[order], rtol=0, atol=1e-5)


def test_no_rows_give_no_logits(predictor, raw):
    assert predictor.logits(raw.slice(0, 0)).shape == (0, 3)
    assert predictor.probabilities(raw.slice(0, 0)).shape == (0, 3)


def test_an_empty_text_and_a_very_long_one_are_rows_like_others(predictor, raw):
    notes = ["", "box " * 5_000, *raw["note"].to_pylist()[2:]]
    changed = raw.set_column(raw.schema.get_field_index("note"), "note", pa.array(notes))
    assert np.isfinite(predictor.logits(changed)).all()


def test_probabilities_are_the_softmax_of_the_logits(predictor, raw):
    logits, found = predictor.logits(raw).astype(np.float64), predictor.probabilities(raw)
    assert np.allclose(found, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), atol=1e-6)
    assert np.allclose(found.sum(axis=1), 1, atol=1e-6)


def test_the_columns_beside_the_text_count(predictor, raw):
    column = raw.schema.get_field_index("weight")
    heavy = raw.set_column(column, "weight", pa.array([1e6] * 150))
    assert not np.allclose(predictor.logits(heavy), predictor.logits(raw), atol=1e-4)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "model.json", "features"])
def test_a_missing_file_is_named(name, copy):
    (shutil.rmtree if name == "features" else lambda path: path.unlink())(copy / name)
    with pytest.raises(ArtifactMissing) as error:
        Predictor.open(copy)
    assert f"{copy}: the model has no {name}. Got: " in error.value.message
    assert "Name the folder of a model artifact, or run the train step again." in error.value.message


def test_a_newer_format_is_refused(copy):
    rewrite(copy, format=2)
    with pytest.raises(ContractTooNew) as error:
        Predictor.open(copy)
    assert (
        "a newer Sluice wrote this model than reads it. Got: format 2. Allowed: format 1."
        in error.value.message
    )


@pytest.mark.parametrize(("change", "said"), [({"format": "x"}, "format: "), ({"labels": 3}, "labels: ")])
def test_a_description_that_makes_no_sense_is_refused(change, said, copy):
    rewrite(copy, **change)
    with pytest.raises(ContractError, match=f"the model's description is malformed. Got: {said}"):
        Predictor.open(copy)


def test_a_description_that_is_not_json_is_refused(copy):
    (copy / "model.json").write_text("{")
    with pytest.raises(ContractError, match="the model's description is not JSON"):
        Predictor.open(copy)


def test_a_network_that_is_none_is_refused(copy):
    (copy / "model.onnx").write_bytes(b"not a network")
    with pytest.raises(ContractError, match=r"model\.onnx: the network can't be read"):
        Predictor.open(copy)


def test_predicting_needs_neither_torch_nor_transformers(folder):
    script = (
        "import sys; from pathlib import Path; from sluice.predictor import Predictor;"
        "Predictor.open(Path(sys.argv[1]));"
        "print([name for name in ('torch', 'transformers', 'safetensors') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def rewrite(folder, **change):
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
