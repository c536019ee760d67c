"""A clone of the project in a folder with a blank, a tiny backbone, and one finished run that the tests copy."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.builders.backbones import tiny_backbone

from .builders import Place, csv_text, parcels

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as train sets it, before a test imports torch


@pytest.fixture(scope="session")
def clone(repository, tmp_path_factory):
    """The project's code as it is now, elsewhere: the tests run it from there, and edits here don't reach it."""
    folder = tmp_path_factory.mktemp("end to end") / "a clone"
    for name in ("sluice", "components", "orchestration", "recipes"):
        shutil.copytree(repository / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="session")
def backbone(tmp_path_factory):
    """A tiny BERT with random weights."""
    return tiny_backbone(tmp_path_factory.mktemp("a backbone") / "tiny bert")


@pytest.fixture
def place(tmp_path, clone, backbone):
    """A new place: a recipe, 90 rows and one that can't be read, no store yet."""
    return ready(Place(tmp_path / "my place", clone, backbone))


@pytest.fixture(scope="session")
def finished(tmp_path_factory, clone, backbone):
    """A place where the pipeline ran to its end, and what that printed. Read only: tests that change it copy it."""
    place = ready(Place(tmp_path_factory.mktemp("finished") / "my place", clone, backbone))
    done = place.run()
    assert done.status == 0, done.out + done.err
    return place, done


@pytest.fixture
def again(finished, tmp_path):
    """A copy of the place where the pipeline has run."""
    return finished[0].copy_to(tmp_path / "my place")


def ready(place: Place) -> Place:
    """With the usual recipe and rows, and one row that can't be read, which the recipe allows."""
    place.write_recipe()
    place.put(csv_text(parcels()) + "p-90,short\n")
    return place
