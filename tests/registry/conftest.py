"""An empty registry beside a chain of artifacts, in each of a registry's homes; the paths have blanks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sluice.registry import RegistryHome
from tests.registry.builders import Chain, Place, registry_in


@pytest.fixture
def embedded(tmp_path):
    """An empty registry in a folder."""
    return Place(registry_in(tmp_path / "my store" / "registry"), (tmp_path / "my store").as_uri())


@pytest.fixture
def sagemaker(empty_aws, s3_store):
    """An empty SageMaker Model Registry, and a store on S3."""
    return Place(RegistryHome("sagemaker://eu-west-1").open(), s3_store)


@pytest.fixture(params=["embedded", "sagemaker"])
def place(request) -> Place:
    """Each home in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def registry(place):
    return place.registry


@pytest.fixture
def chain(place):
    return place.chain()


@pytest.fixture
def another(place) -> Callable[..., Chain]:
    """Makes a further chain in the same store."""
    return place.chain
