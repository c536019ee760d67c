"""Stores to test against: a folder whose name has a space, and S3 as a real moto server over HTTP."""

from __future__ import annotations

import boto3
import pytest
from moto.server import ThreadedMotoServer


@pytest.fixture(scope="session")
def moto_server():
    """The address of a moto server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_store(moto_server, monkeypatch, tmp_path):
    """The URI of an empty bucket's prefix; the usual variables lead every client to the server."""
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


@pytest.fixture(params=["file", "s3"])
def store(request, tmp_path):
    """A store's URI, once on disk and once on S3."""
    if request.param == "file":
        return (tmp_path / "a store").as_uri()
    return request.getfixturevalue("s3_store")
