"""A data folder to write into, and the real one where it is there."""

from __future__ import annotations

import os
import pathlib

import pytest


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """An empty data folder."""
    path = tmp_path / "data"
    path.mkdir()
    return path


@pytest.fixture(scope="session")
def real_ledger() -> pathlib.Path:
    """The folder of a hospital's real ledger; a test that needs it is skipped where it isn't."""
    shared = os.environ.get("SLUICE_SHARED") or pathlib.Path(__file__).parents[2].parent / "shared"
    path = pathlib.Path(shared) / "data" / "nhs_gstt_spend_2020_21"
    if not path.is_dir():
        pytest.skip(f"the real ledger isn't at {path}; SLUICE_SHARED=<folder> says where the shared data is")
    return path
