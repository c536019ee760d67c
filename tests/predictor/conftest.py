"""A tiny model that was really trained, and rows for it."""

import os

import pytest

from tests.builders.models import tiny_model
from tests.builders.parcels import raw_rows

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as train sets it, before a test imports torch


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """The model's folder."""
    return tiny_model(tmp_path_factory.getbasetemp() / "tiny").model.folder


@pytest.fixture
def raw():
    """Rows as a caller has them."""
    return raw_rows(150, seed=9)
