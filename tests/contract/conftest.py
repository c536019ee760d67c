"""Stores to test against: a folder whose name has a space, and S3 as a real moto server over HTTP."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["file", "s3"])
def store(request, tmp_path):
    """A store's URI, once on disk and once on S3."""
    if request.param == "file":
        return (tmp_path / "a store").as_uri()
    return request.getfixturevalue("s3_store")
