"""A place to run the component in; its path has blanks."""

import pytest

from .builders import Place


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path / "some place")
