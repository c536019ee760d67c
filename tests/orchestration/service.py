"""An AWS account for tests: a bucket, roles, an environment file and a record of images, as `make infra push` leave them."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.request import Request, urlopen

import yaml
from rich.console import Console

from orchestration.environment import Environment, Image
from sluice.aws import client
from tests.builders.definitions import ROLE, an_environment, some_images
from tests.builders.sagemaker import StandIn, stand_in_for

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
        }
    ],
}


@dataclass(frozen=True)
class Account:
    """What a test works with.

    Attributes:
        folder: where the environment file and the record of images stand.
        sagemaker: the stand-in that every SageMaker client reaches.
    """

    folder: Path
    sagemaker: StandIn

    @property
    def environment(self) -> Environment:
        """The environment."""
        return an_environment()

    @property
    def images(self) -> dict[str, Image]:
        """The images."""
        return some_images()

    @property
    def files(self) -> list[str]:
        """The options that name both."""
        return [
            "--environment",
            str(self.folder / "test.yaml"),
            "--images",
            str(self.folder / "images.yaml"),
        ]

    def objects(self, prefix: str = "") -> list[str]:
        """The keys in the bucket."""
        found = client("s3", self.environment.region).list_objects_v2(
            Bucket=self.environment.bucket, Prefix=prefix
        )
        return [entry["Key"] for entry in found.get("Contents", [])]


@contextmanager
def account_at(server: str, folder: Path) -> Iterator[Account]:
    """An empty account with what `make infra` makes; the usual variables lead every client there."""
    with stand_in_for(server) as sagemaker:
        variables = {
            "AWS_ENDPOINT_URL": server,
            "AWS_ENDPOINT_URL_SAGEMAKER": sagemaker.address,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_MAX_ATTEMPTS": "1",
        }
        with mock.patch.dict(os.environ, variables):
            with urlopen(Request(f"{server}/moto-api/reset", method="POST")) as answer:
                assert answer.status == 200
            account = Account(folder, sagemaker)
            client("s3").create_bucket(Bucket=account.environment.bucket)
            make_role(ROLE, TRUST)
            write_files(account)
            yield account


def make_role(arn: str, trust: dict[str, Any]) -> None:
    """Make a role."""
    client("iam").create_role(RoleName=arn.rpartition("/")[2], AssumeRolePolicyDocument=json.dumps(trust))


def write_files(account: Account) -> None:
    """Write the environment file and the record of images."""
    environment = account.environment.model_dump(mode="json", exclude_defaults=True)
    (account.folder / "test.yaml").write_text(yaml.safe_dump(environment))
    images = {name: image.model_dump(mode="json") for name, image in account.images.items()}
    (account.folder / "images.yaml").write_text(yaml.safe_dump(images))


def a_console() -> Console:
    """A console that keeps what it is told."""
    return Console(record=True, file=io.StringIO(), width=400)
