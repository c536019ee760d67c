"""What every tier of tests shares: where the real data is, and a disk that is full."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

# Torch's waiting threads spin otherwise, which makes tests beside each other ten times slower. Read when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data beside the checkout; the test is skipped where it is not."""
    folder = Path(os.environ.get("SLUICE_SHARED", REPOSITORY.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"no real data: {folder}/data is not there (SLUICE_SHARED names another place)")
    return folder


@dataclass(frozen=True)
class FullDisk:
    """A small file system of its own; commands behind `wrap` see it at `path`."""

    wrap: list[str]
    path: str


@pytest.fixture
def full_disk(tmp_path) -> FullDisk:
    """A file system of one megabyte, in a mount namespace that ends with the wrapped command."""
    mount = tmp_path / "small disk"
    mount.mkdir()
    script = 'mount -t tmpfs -o size=1m none "$0" && exec "$@"'
    wrap = ["unshare", "--mount", "--map-root-user", "sh", "-c", script, str(mount)]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*wrap, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("this machine lets nobody mount a file system in a namespace")
    return FullDisk(wrap, str(mount))
