"""A user without a home: great-expectations, MLflow and NLTK refuse to be imported by one."""

from __future__ import annotations

import os
import tempfile

import pytest

from orchestration.cli import main as orchestration
from sluice.contract.cli import main as component

from . import builders


@pytest.fixture
def nobody(monkeypatch):
    """This user has neither HOME nor an entry in the user list."""

    def unknown(number):
        raise KeyError(number)

    monkeypatch.setenv("HOME", "/before")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", unknown)


@pytest.mark.parametrize(
    "start",
    [
        lambda store: component(builders.numbers, ["--store", store]),
        lambda store: orchestration(["models", "list", "--store", store]),
    ],
    ids=["component", "orchestration"],
)
def test_a_user_without_a_home_works_in_the_temporary_folder(nobody, tmp_path, start):
    assert start(str(tmp_path)) == 0
    assert os.environ["HOME"] == tempfile.gettempdir()


def test_a_home_is_left_as_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/somewhere")
    assert orchestration(["models", "list", "--store", str(tmp_path)]) == 0
    assert os.environ["HOME"] == "/somewhere"
