"""An account of its own: a moto server in a process of its own, with the stack deployed as `make infra` does it."""

from __future__ import annotations

import ast
import os
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest

from infra.deploy import deploy

REGION = "eu-west-1"
REPOSITORY = "example/sluice"


@dataclass(frozen=True, eq=False)
class Account:
    """The server's address and log, and what the stack of the environment `staging` gives to others."""

    url: str
    log: Path
    outputs: dict[str, str]

    def client(self, service: str, **credentials: str) -> Any:
        return boto3.client(service, region_name=REGION, endpoint_url=self.url, **(credentials or SOMEBODY))

    def policies(self, role: str) -> list[dict[str, Any]]:
        """Every statement of a role of the stack, with the names that CloudFormation filled in."""
        return _policies(self, self.outputs[role].rpartition("/")[2])


SOMEBODY = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}


@cache
def _policies(account: Account, role: str) -> list[dict[str, Any]]:
    iam = account.client("iam")
    documents = [
        _document(iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"])
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]
    ]
    assert documents
    return [statement for document in documents for statement in document["Statement"]]


def _document(found: Any) -> dict[str, Any]:
    """moto keeps a role's inline policy as Python writes it."""
    return ast.literal_eval(found) if isinstance(found, str) else found


@pytest.fixture(scope="session")
def server_log(tmp_path_factory):
    """Where the server writes a line for each request."""
    return tmp_path_factory.mktemp("moto") / "requests.log"


@pytest.fixture(scope="session")
def server(server_log):
    """The address of a moto server that shares nothing with other tests: they have accounts of their own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with server_log.open("wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
        try:
            yield _ready(f"http://127.0.0.1:{port}", process)
        finally:
            process.terminate()
            process.wait()


def _ready(url: str, process: subprocess.Popen[bytes]) -> str:
    for _ in range(300):
        try:
            urllib.request.urlopen(f"{url}/moto-api/", timeout=1).close()
        except OSError:
            assert process.poll() is None, "the moto server ended"
            time.sleep(0.1)
        else:
            return url
    raise AssertionError("the moto server does not answer")


@pytest.fixture(scope="session")
def account(server, server_log):
    """The account after `make infra ENV=staging` with a repository on GitHub and a network for jobs."""
    with pytest.MonkeyPatch.context() as patch:
        _lead_to(server, patch)
        given = {"GitHubRepository": REPOSITORY, "Subnets": "subnet-1,subnet-2", "SecurityGroups": "sg-1"}
        return Account(server, server_log, deploy("staging", REGION, given, say=lambda _: None))


@pytest.fixture
def on_aws(server, monkeypatch):
    """Lead every client of the test to the server."""
    _lead_to(server, monkeypatch)


def _lead_to(server: str, patch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        patch.delenv(name)
    patch.setenv("AWS_ENDPOINT_URL", server)
    patch.setenv("AWS_DEFAULT_REGION", REGION)
    patch.setenv("AWS_ACCESS_KEY_ID", "test")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
