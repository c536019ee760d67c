"""What every tier of tests shares: where the real data is, a disk that is full, and S3 over HTTP."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

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


def small_disk_at(folder: Path, size: str) -> FullDisk:
    """A file system of a size (`1m`, `4k`), in a mount namespace that ends with the wrapped command."""
    folder.mkdir(parents=True, exist_ok=True)
    script = f'mount -t tmpfs -o size={size} none "$0" && exec "$@"'
    return FullDisk(["unshare", "--mount", "--map-root-user", "sh", "-c", script, str(folder)], str(folder))


@pytest.fixture(scope="session")
def can_mount(tmp_path_factory) -> bool:
    """Whether this machine lets us mount a file system in a namespace."""
    probe = [*small_disk_at(tmp_path_factory.mktemp("mount"), "4k").wrap, "true"]
    return (
        bool(shutil.which("unshare"))
        and not subprocess.run(probe, capture_output=True, check=False).returncode
    )


@pytest.fixture
def full_disk(tmp_path, can_mount) -> FullDisk:
    """A file system of one megabyte."""
    if not can_mount:
        pytest.skip("this machine lets nobody mount a file system in a namespace")
    return small_disk_at(tmp_path / "small disk", "1m")


@pytest.fixture
def full_disk_at(can_mount):
    """Gives what to put before a command that shall see a file system of a single page at a folder; None if we can't."""
    return lambda folder: small_disk_at(folder, "4k").wrap if can_mount else None


@pytest.fixture(scope="session")
def moto_server():
    """The address of a moto server."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def empty_aws(moto_server):
    """The moto server has forgotten what other tests left there. To be named before `s3_store`."""
    with urlopen(Request(f"{moto_server}/moto-api/reset", method="POST")):
        pass


@pytest.fixture
def s3_store(moto_server, monkeypatch, tmp_path):
    """The URI of an empty bucket's prefix; the usual variables lead every client to the server."""
    import boto3

    for name, value in {
        "AWS_ENDPOINT_URL": moto_server,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "SLUICE_CACHE": str(tmp_path / "cache"),
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    bucket = f"store-{abs(hash(tmp_path)) % 10**8}"
    client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    client.close()
    return f"s3://{bucket}/some prefix"
