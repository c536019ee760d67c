"""A made-up AWS account on a moto server: a bucket, roles that SageMaker may assume, an environment file, a record of images."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sluice.aws import client

REGION = "eu-west-1"
NUMBER = "123456789012"
"""The account that moto answers for."""
COMPONENTS = ("preprocess", "train", "evaluate", "register")


@dataclass(frozen=True)
class Account:
    """What a deployment needs, under one name that no other test has.

    Attributes:
        name: of the pipeline, and a part of the bucket's name.
        environment: the environment file.
        images: the record of images; those were never built.
    """

    name: str
    environment: Path
    images: Path

    @property
    def bucket(self) -> str:
        return f"sluice-{self.name}"

    @property
    def pipeline(self) -> dict[str, Any]:
        """The deployed pipeline, as SageMaker describes it."""
        return client("sagemaker", REGION).describe_pipeline(PipelineName=self.name)

    def executions(self) -> list[dict[str, Any]]:
        """What was started."""
        listed = client("sagemaker", REGION).list_pipeline_executions(PipelineName=self.name)
        return listed["PipelineExecutionSummaries"]

    def keys(self, prefix: str) -> list[str]:
        """The objects below a prefix of the environment's."""
        found = client("s3", REGION).list_objects_v2(Bucket=self.bucket, Prefix=f"sluice/{prefix}")
        return [entry["Key"] for entry in found.get("Contents", [])]

    def record_images(self, **built: str) -> None:
        """Write the record of images: pushed ones by their digest, those that were only built by the tag given here."""
        record = {}
        for place, name in enumerate(COMPONENTS):
            tag = built.get(name, str(place) * 16)
            repository = f"{NUMBER}.dkr.ecr.{REGION}.amazonaws.com/sluice-{name}"
            uri = f"{repository}:{tag}" if name in built else f"{repository}@sha256:{tag * 4}"
            record[name] = {"uri": uri, "tag": tag, "python": "3.11", "contract": "1.0"}
        self.images.write_text(yaml.safe_dump(record), encoding="utf-8")


def account(folder: Path, name: str) -> Account:
    """Make an account's parts. The usual variables lead boto3 to the moto server already."""
    made = Account(name, folder / f"{name}.yaml", folder / "images.yaml")
    s3 = client("s3", REGION)
    s3.create_bucket(Bucket=made.bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    role = _role(f"{name}-role")
    environment = {
        "name": name,
        "region": REGION,
        "bucket": made.bucket,
        "prefix": "sluice",
        "pipeline": name,
        "pipeline_role": role,
        "role": role,
    }
    folder.mkdir(parents=True, exist_ok=True)
    made.environment.write_text(yaml.safe_dump(environment), encoding="utf-8")
    made.record_images()
    return made


def _role(name: str) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sagemaker.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    made = client("iam", REGION).create_role(RoleName=name, AssumeRolePolicyDocument=policy)
    return made["Role"]["Arn"]
