"""An empty registry beside a chain of artifacts, both under paths with blanks."""

from __future__ import annotations

import pytest

from tests.registry.builders import Chain, registry_in


@pytest.fixture
def registry(tmp_path):
    return registry_in(tmp_path / "my store" / "registry")


@pytest.fixture
def chain(tmp_path):
    return Chain(tmp_path / "my store" / "steps")


@pytest.fixture
def mlflow_client(registry):
    """MLflow's own word for what is stored."""
    with registry._client() as client:
        yield client
