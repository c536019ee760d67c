"""AWS through boto3: one way to make a client, and one way to say what AWS means when it refuses.

boto3 is imported when the first client is made. The environment says the rest, as everywhere on AWS: credentials,
AWS_PROFILE, AWS_REGION or AWS_DEFAULT_REGION, AWS_ENDPOINT_URL for a server that stands in for AWS, AWS_MAX_ATTEMPTS.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from sluice.contract import AwsError, AwsNotFound

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError

CONNECT_TIMEOUT = 10
READ_TIMEOUT = 60
"""Seconds for one attempt."""

EXPIRED = (
    "the AWS credentials have expired",
    "Get new ones, for instance with aws sso login, and run again",
)
UNKNOWN = (
    "AWS does not accept these credentials",
    "Check AWS_PROFILE, or AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN",
)
DENIED = (
    "AWS does not allow this to the user or role that asks",
    "Let its policy allow the action named here, or use a role that may do it",
)
THROTTLED = (
    "AWS was asked too often, and went on refusing after several attempts",
    "Wait a minute and run again; AWS_MAX_ATTEMPTS allows more attempts",
)
ELSEWHERE = (
    "the bucket is in another region",
    "Name the bucket's region, or a bucket in this one",
)
LIMITED = (
    "a limit of the AWS account is reached",
    "Remove what is no longer needed, or ask for more in Service Quotas",
)
FAULT = ("AWS has a fault of its own", "Run again in a few minutes")
REFUSED = ("AWS refuses the request", "Correct what it names, and run again")
UNREACHABLE = (
    "AWS can't be reached",
    "Check the network, a proxy, the region and AWS_ENDPOINT_URL",
)
NOWHERE = ("no AWS region is known", "Set AWS_REGION or AWS_DEFAULT_REGION, or a region in the profile")
WITHOUT = (
    "no AWS credentials that work were found",
    "Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where a role is given",
)

CODES = {
    EXPIRED: "ExpiredToken ExpiredTokenException RequestExpired TokenRefreshRequired",
    UNKNOWN: "InvalidClientTokenId UnrecognizedClientException SignatureDoesNotMatch InvalidAccessKeyId AuthFailure"
    " InvalidSignatureException IncompleteSignature InvalidToken MissingAuthenticationToken",
    DENIED: "AccessDenied AccessDeniedException UnauthorizedOperation AuthorizationError NotAuthorized Forbidden 403",
    THROTTLED: "Throttling ThrottlingException ThrottledException RequestThrottled RequestThrottledException SlowDown"
    " TooManyRequestsException RequestLimitExceeded ProvisionedThroughputExceededException BandwidthLimitExceeded",
    ELSEWHERE: "PermanentRedirect AuthorizationHeaderMalformed IllegalLocationConstraintException 301",
    LIMITED: "ResourceLimitExceeded LimitExceeded LimitExceededException ServiceQuotaExceededException",
    FAULT: "InternalFailure InternalError InternalServerError InternalServiceFault ServiceUnavailable 500 503",
}
"""What each of AWS's error codes means; the services have never agreed on their spelling."""
MEANING = {code: meaning for meaning, codes in CODES.items() for code in codes.split()}

ABSENT = re.compile(r"NotFound|NoSuch|^404$|StackNotFound")
SAID_ABSENT = re.compile(r"does not exist|not found|could not find", re.IGNORECASE)
"""SageMaker and CloudFormation call an absent thing a mistake in the request."""


def client(service: str, region: str | None = None) -> Any:
    """A boto3 client of a service, in the region given or the environment's; throttling and faults are tried again.

    Raises:
        AwsError: no region is known, or the profile or the endpoint is wrong.
    """
    with speaking_of(service):
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
        from botocore.session import Session

        config = Config(
            retries={"mode": "standard"}, connect_timeout=CONNECT_TIMEOUT, read_timeout=READ_TIMEOUT
        )
        try:
            # a session of its own: boto3's default one keeps the first credentials it saw, and no thread may share it
            session = Session()
            session.register_component("data_loader", _descriptions())
            return boto3.Session(botocore_session=session).client(service, region_name=region, config=config)
        except ValueError as error:
            if isinstance(error, BotoCoreError):
                raise
            raise AwsError(
                "this is no address of a server",
                where="AWS_ENDPOINT_URL",
                got=str(error).removeprefix("Invalid endpoint: "),
                allowed="http://host:port or https://host",
            ) from error


@cache
def _descriptions() -> Any:
    """What botocore knows of the services, read once: SageMaker's part alone has megabytes."""
    from botocore.session import Session

    return Session().get_component("data_loader")


@contextmanager
def speaking_of(where: object) -> Iterator[None]:
    """Turn what boto3 raises into the family's words.

    Args:
        where: what is being spoken of: a URI, a name; the message begins with it.

    Raises:
        AwsNotFound: what was asked for is not there.
        AwsError: AWS refuses, or can't be reached.
    """
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise _refusal(error, where) from error
    except BotoCoreError as error:
        raise _failure(error, where) from error
    except Boto3Error as error:  # a transfer that failed wraps what happened in its text
        what, next_step = REFUSED
        raise AwsError(what, where=where, got=_first_line(error), next_step=next_step) from error


def _refusal(error: ClientError, where: object) -> AwsError:
    """What AWS answered."""
    said: dict[str, Any] = error.response.get("Error", {})
    code, message = str(said.get("Code", "")), str(said.get("Message") or "")
    got = f"{error.operation_name}: {_first_line(message) or code}"
    if code not in MEANING and (ABSENT.search(code) or SAID_ABSENT.search(message)):
        return AwsNotFound(
            "there is no such bucket" if code == "NoSuchBucket" else "AWS does not have it",
            where=where,
            got=got,
            next_step="Check its name, the region and the account",
        )
    what, next_step = MEANING.get(code, REFUSED)
    if (what, next_step) == ELSEWHERE and (region := _bucket_region(error)):
        got = f"{got}; it is in {region}"
    return AwsError(what, where=where, got=got, next_step=next_step)


def _bucket_region(error: ClientError) -> str | None:
    headers: dict[str, str] = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    said: dict[str, str] = error.response.get("Error", {})
    return headers.get("x-amz-bucket-region") or said.get("Region")


def _failure(error: BotoCoreError, where: object) -> AwsError:
    """Why AWS was not even asked, or did not answer."""
    from botocore import exceptions as known

    what, next_step = REFUSED
    if isinstance(error, known.NoRegionError):
        what, next_step = NOWHERE
    elif isinstance(error, known.HTTPClientError | known.ConnectionError):
        what, next_step = UNREACHABLE
    elif isinstance(error, known.SSOError | known.TokenRetrievalError):
        what, next_step = EXPIRED
    elif isinstance(
        error,
        known.NoCredentialsError
        | known.PartialCredentialsError
        | known.CredentialRetrievalError
        | known.ProfileNotFound,
    ):
        what, next_step = WITHOUT
    return AwsError(what, where=where, got=_first_line(error), next_step=next_step)


def _first_line(said: object) -> str:
    return next(iter(str(said).strip().splitlines()), "").rstrip(".")
