"""An environment's bucket: whether it can be used, and objects in it that carry their digest."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from orchestration.environment import Environment
from sluice.aws import speaking_of
from sluice.contract import AwsError, AwsNotFound

SHA256 = "sluice-sha256"
"""The object's metadata that holds its sha256: S3 keeps only a digest of digests of what came in parts."""


def encryption(environment: Environment) -> dict[str, str]:
    """What S3 is told of the key that objects are encrypted with."""
    if environment.kms_key is None:
        return {}
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": environment.kms_key}


def put_object(s3: Any, environment: Environment, uri: str, content: bytes) -> bool:
    """Put an object unless the same one is there; whether it was put.

    Raises:
        AwsError: it can't be written.
    """
    digest = hashlib.sha256(content)
    there = head(s3, uri)
    if there is not None and there["Metadata"].get(SHA256) == digest.hexdigest():
        return False
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    with speaking_of(uri):
        s3.put_object(
            Bucket=bucket,
            Key=key,
            Body=content,
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=base64.b64encode(digest.digest()).decode(),
            Metadata={SHA256: digest.hexdigest()},
            **encryption(environment),
        )
    return True


def head(s3: Any, uri: str) -> dict[str, Any] | None:
    """What S3 says of an object; None if it isn't there.

    Raises:
        AwsError: S3 can't be asked.
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    try:
        with speaking_of(uri):
            found: dict[str, Any] = s3.head_object(Bucket=bucket, Key=key)
            return found
    except AwsNotFound:
        return None


def require_bucket(s3: Any, environment: Environment) -> None:
    """Refuse a bucket that is absent, another account's, or in another region.

    Raises:
        AwsError: it can't be used.
    """
    where = f"bucket {environment.bucket}"
    with speaking_of(where):
        s3.head_bucket(Bucket=environment.bucket)
        region = s3.get_bucket_location(Bucket=environment.bucket)["LocationConstraint"]
    region = {None: "us-east-1", "EU": "eu-west-1"}.get(region, region)  # as S3 names its two oldest ones
    if region != environment.region:
        raise AwsError(
            "the bucket is in another region",
            where=where,
            got=region,
            allowed=environment.region,
            next_step="Name the bucket's region in the environment file, or a bucket in this one",
        )
