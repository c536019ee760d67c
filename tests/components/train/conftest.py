"""What every test of train shares: parcels, a tiny backbone of each family, a model trained on them."""

import os

import pytest

from tests.builders import parcels
from tests.builders.backbones import tiny_backbone
from tests.builders.models import tiny_model

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as train sets it, before a test imports torch


@pytest.fixture(scope="session")
def given(tmp_path_factory):
    """Tables and features."""
    return parcels.parcels(tmp_path_factory.mktemp("parcels"))


@pytest.fixture(scope="session")
def bert(tmp_path_factory):
    """A tiny BERT."""
    return tiny_backbone(tmp_path_factory.mktemp("backbone") / "bert")


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A model that was trained for an epoch."""
    return tiny_model(tmp_path_factory.getbasetemp() / "tiny")
