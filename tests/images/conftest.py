"""A Docker engine and the built images. Without them these tests are skipped, or fail where SLUICE_REQUIRE_ENGINE is 1."""

from __future__ import annotations

import gc
import os
import warnings
from pathlib import Path

import pytest

from orchestration.environment import IMAGES, read_images
from orchestration.runners.engine import connect, require_images
from sluice.contract import SluiceError
from tests.builders.small_components import importable, small_components

__all__ = ["importable", "small_components"]


def missing(message: str) -> None:
    """Skip, and say why; where the engine is required, fail."""
    give_up = pytest.fail if os.environ.get("SLUICE_REQUIRE_ENGINE") == "1" else pytest.skip
    give_up(f"NO IMAGE WAS TESTED: THIS NEEDS A DOCKER ENGINE AND THE BUILT IMAGES. {message}")


@pytest.fixture(scope="session")
def engine():
    """The engine's client."""
    client, message = None, ""
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        try:
            client = connect()
        except SluiceError as error:
            message = error.message
        gc.collect()  # where nobody answers, the docker package leaves a socket open
    if client is None:
        missing(message)
    yield client
    client.close()


@pytest.fixture(scope="session")
def image_record(repository) -> Path:
    """The file that records the built images; IMAGES names another, as for make."""
    return Path(os.environ.get("IMAGES", repository / IMAGES))


@pytest.fixture(scope="session")
def images(engine, image_record):
    """The record of the built images; the engine has them all."""
    try:
        record = read_images(image_record)
        require_images(engine, record)
    except SluiceError as error:
        missing(error.message)
    return record
