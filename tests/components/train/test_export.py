"""An export that isn't the trained network is refused."""

import shutil

import numpy as np
import pytest

from components.train import backbone, export
from components.train.network import Network
from components.train.rows import encode
from sluice.contract import TrainingFailed
from sluice.predictor import ModelDescription, RowEncoder


@pytest.fixture
def network(model, bert):
    """The trained network, from its weights alone."""
    from safetensors.torch import load_file

    network = Network(backbone.load(bert.folder, 16), ModelDescription.read(model.model.folder))
    network.load_state_dict(load_file(model.model.folder / "model.safetensors"))
    return network


@pytest.fixture
def rows(model, given):
    description = ModelDescription.read(model.model.folder)
    return encode(
        given.validation, RowEncoder.open(description, model.model.folder), description, "kind_encoded"
    )


@pytest.fixture
def spoiled(model, tmp_path):
    """A function that changes one weight of a copy of the exported network."""
    import onnx
    from onnx import numpy_helper

    def spoil(change):
        folder = shutil.copytree(model.model.folder, tmp_path / "spoiled")
        proto = onnx.load(folder / "model.onnx")
        bias = next(w for w in proto.graph.initializer if w.name == "output.bias")
        bias.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(bias)), bias.name))
        onnx.save(proto, folder / "model.onnx")
        return folder

    return spoil


def test_the_weights_beside_the_export_are_the_same_model(network, model, given, rows):
    assert export.require_agreement(network, model.model.folder, given.validation, rows) < 1e-5


def test_an_export_that_gives_other_logits_is_refused(network, given, rows, spoiled):
    folder = spoiled(lambda bias: bias + np.array([0, 100, 0], bias.dtype))
    with pytest.raises(TrainingFailed) as error:
        export.require_agreement(network, folder, given.validation, rows)
    assert error.value.message.startswith(
        "model.onnx: the exported network disagrees with the trained one on 12 validation rows. "
        "Got: logits up to 100 apart, another class for "
    )
    assert "Allowed: logits at most 0.001 apart. Nothing was written." in error.value.message


def test_an_export_that_gives_nan_is_refused(network, given, rows, spoiled):
    with pytest.raises(TrainingFailed, match="logits up to nan apart"):
        export.require_agreement(network, spoiled(lambda bias: bias * np.nan), given.validation, rows)
