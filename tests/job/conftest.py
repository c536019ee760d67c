"""An S3 server behind a door that tests can shut, and the small pipeline compiled, once for each module."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import uuid
from unittest import mock

import boto3
import pytest

from .builders import COMPONENTS, Pipeline, compile_small, write_components
from .engine import upload
from .proxy import door_to


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """The small components, importable here."""
    folder = write_components(tmp_path_factory.mktemp("a checkout"))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        importlib.invalidate_caches()
        yield folder
    for name in COMPONENTS:
        sys.modules.pop(f"components.{name}", None)
        sys.modules.pop(f"components.{name}.component", None)


@pytest.fixture(scope="session")
def fail_closed(repository, tmp_path_factory):
    """A folder with what every image holds to make the SDK's jobs fail closed."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(repository / "components/sitecustomize.py", folder)
    return folder


@pytest.fixture(scope="module")
def aws(moto_server):
    """The usual variables lead every client of this module to the server."""
    values = {
        "AWS_ENDPOINT_URL": moto_server,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
    with mock.patch.dict(os.environ, values):
        yield moto_server


@pytest.fixture(scope="module")
def bucket(aws):
    """A bucket of this module alone."""
    name = f"jobs-{uuid.uuid4().hex[:8]}"
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.close()
    return name


@pytest.fixture(scope="module")
def pipeline(bucket, checkout, repository, fail_closed, can_mount, tmp_path_factory):
    """The small pipeline: compiled, uploaded, ready to be executed."""
    if not can_mount:
        pytest.skip("this machine lets nobody mount a folder in a namespace")
    store = f"s3://{bucket}/small"
    compiled = compile_small(store)
    upload(compiled.objects)
    return Pipeline(compiled, store, tmp_path_factory.mktemp("jobs"), (fail_closed, repository, checkout))


@pytest.fixture
def door(aws):
    """The server's door, open."""
    with door_to(aws) as opened:
        yield opened
