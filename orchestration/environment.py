"""Where a pipeline runs: an environment file (account, bucket, roles, instances) and the record of built images.

Neither is part of a recipe, and neither changes what is learned: nothing here goes into a fingerprint but an image's
content.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import Field, TypeAdapter, ValidationError, model_validator

from sluice.contract import InputError, Strict
from sluice.recipe.mistakes import closest

FOLDER = Path("orchestration/environments")
IMAGES = FOLDER / "images.yaml"
"""Where `make build` and `make push` record the images."""

RoleArn = Annotated[str, Field(pattern=r"^arn:aws[a-z\-]*:iam::\d{12}:role/.+$", max_length=2048)]


class Spot(Strict):
    """Spot instances: cheaper, and may be taken away."""

    maximum_wait_minutes: Annotated[int, Field(ge=1, le=28 * 24 * 60)]
    """How long the step may take in all, waiting for capacity included; at least its `maximum_minutes`."""


class Retries(Strict):
    """What SageMaker Pipelines tries again by itself: throttling, service faults and missing capacity."""

    attempts: Annotated[int, Field(ge=1, le=20)] = 3
    interval_seconds: Annotated[int, Field(ge=1)] = 30
    backoff_rate: Annotated[float, Field(ge=1.0)] = 2.0


class StepSettings(Strict):
    """What one step's job gets."""

    instance_type: str = "ml.m5.xlarge"
    instances: Annotated[int, Field(ge=1, le=100)] = 1
    """How many of them share the step's work. More than one make a processing job; only `preprocess` can be shared."""
    volume_gb: Annotated[int, Field(ge=1, le=16384)] = 30
    maximum_minutes: Annotated[int, Field(ge=1, le=28 * 24 * 60)] = 240
    keep_alive_minutes: Annotated[int, Field(ge=0, le=60)] = 0
    """How long the instance waits for the next job of the same step (a warm pool, billed)."""
    spot: Spot | None = None
    retries: Retries = Retries()
    role: RoleArn | None = None
    """The job's role; the environment's `role` if not given."""
    environment: dict[str, str] = {}
    """Further environment variables. Never a secret: anyone who may describe the job reads them."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.spot and self.spot.maximum_wait_minutes < self.maximum_minutes:
            raise ValueError("spot.maximum_wait_minutes must be at least maximum_minutes")
        if self.spot and self.keep_alive_minutes:
            raise ValueError("a spot instance can't be kept alive: give either spot or keep_alive_minutes")
        if self.instances > 1 and (self.spot or self.keep_alive_minutes):
            raise ValueError(
                "several instances are a processing job: it has neither spot nor keep_alive_minutes"
            )
        return self


class Vpc(Strict):
    """The network that jobs are put into."""

    subnets: Annotated[tuple[str, ...], Field(min_length=1, max_length=16)]
    security_groups: Annotated[tuple[str, ...], Field(min_length=1, max_length=5)]


class Environment(Strict):
    """One place to run: an account and region with what `make infra` made there."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
    region: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")]
    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
    prefix: Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9/_-]*[a-zA-Z0-9]$", max_length=60)] = (
        "sluice"
    )
    """Everything of this environment lies below it in the bucket."""
    pipeline: Annotated[str, Field(pattern=r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,60}$")] = "sluice"
    """The pipeline's name."""
    pipeline_role: RoleArn
    """What SageMaker Pipelines works as: it starts the jobs."""
    role: RoleArn
    """What a step's job works as, where `steps` names no role of its own."""
    registry: str | None = None
    """Where images are pushed: the host and the repositories' prefix."""
    defaults: StepSettings = StepSettings()
    steps: dict[str, StepSettings] = {}
    """By step name; a key that is not given here is the one of `defaults`."""
    vpc: Vpc | None = None
    kms_key: str | None = None
    """The key that volumes, payloads and results are encrypted with."""
    tags: dict[str, Annotated[str, Field(max_length=256)]] = {}
    status_table: str | None = None
    """The DynamoDB table that steps report their progress to."""
    endpoint: str | None = None
    """Another endpoint than AWS's, as jobs see it; for SageMaker's local mode."""

    @model_validator(mode="before")
    @classmethod
    def _inherit_defaults(cls, given: Any) -> Any:
        """A step's settings are the defaults with its own keys laid over them."""
        if not isinstance(given, dict) or not isinstance(given.get("steps"), dict):
            return given
        defaults = given.get("defaults") or {}
        steps = {
            name: {**defaults, **own} if isinstance(own, dict) and isinstance(defaults, dict) else own
            for name, own in given["steps"].items()
        }
        return {**given, "steps": steps}

    @property
    def store(self) -> str:
        """The URI of the store."""
        return f"s3://{self.bucket}/{self.prefix}"

    @property
    def model_registry(self) -> str:
        """The URI of the model registry."""
        return f"sagemaker://{self.region}"

    def step(self, name: str) -> StepSettings:
        """The settings of one step."""
        return self.steps.get(name, self.defaults)

    def role_of(self, step: str) -> str:
        """The role that a step's job works as."""
        return self.step(step).role or self.role


class Image(Strict):
    """One built image, as `make build` or `make push` recorded it."""

    uri: Annotated[str, Field(pattern=r"^[^\s@]+(@sha256:[0-9a-f]{64}|:[\w.-]+)$", max_length=255)]
    """repository@digest once it was pushed, repository:tag before."""
    tag: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    """The digest of what went in: the image's part of every fingerprint."""
    python: str
    """Its Python's minor version, `3.11`."""
    contract: str
    """The contract version that it speaks."""
    revision: str = ""
    """The code's revision when it was built."""

    @property
    def pinned(self) -> bool:
        """Whether the reference is a digest, so that it can't come to mean another image."""
        return "@sha256:" in self.uri


Record = dict[str, Image]
"""The images by component."""


def image_of(component: str, images: Mapping[str, Image]) -> Image:
    """The image that a component runs in: the one of the first part of its name.

    Raises:
        InputError: it was never built.
    """
    name = component.split(".")[0]
    if name not in images:
        raise InputError(
            "no image is recorded",
            where=f"component {name}",
            allowed=", ".join(sorted(images)) or "none is recorded yet",
            next_step=f"Build it: make build push C={name}",
        )
    return images[name]


def read_environment(path: Path) -> Environment:
    """Read an environment file.

    Raises:
        InputError: there is none, or it is wrong; every mistake is named.
    """
    try:
        return Environment.model_validate(_read(path, "there is no environment file"))
    except ValidationError as error:
        raise InputError(
            _mistakes(error, Environment), where=path, next_step=f"{FOLDER}/example.yaml shows every key"
        ) from None


def read_images(path: Path = IMAGES) -> Record:
    """Read the record of built images.

    Raises:
        InputError: nothing was built yet, or the record is wrong.
    """
    content = _read(path, "no image was built yet")
    try:
        return TypeAdapter(Record).validate_python(content)
    except ValidationError as error:
        raise InputError(_mistakes(error, Image), where=path, next_step="Run make build push again") from None


@contextmanager
def in_region(environment: Environment) -> Iterator[None]:
    """The store is read where the bucket is, whatever region this user's settings name."""
    before = os.environ.get("AWS_REGION")
    os.environ["AWS_REGION"] = environment.region
    try:
        yield
    finally:
        if before is None:
            del os.environ["AWS_REGION"]
        else:
            os.environ["AWS_REGION"] = before


def _read(path: Path, absent: str) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if path.name == IMAGES.name:
            next_step = "Run make build push, with REGISTRY=<host:port>"
            raise InputError(absent, where=path, next_step=next_step) from None
        files = sorted(str(p) for p in path.parent.glob("*.yaml") if p.name != IMAGES.name)
        raise InputError(
            absent,
            where=path,
            allowed=f"files here: {', '.join(files) or 'none'}",
            next_step="Name one with ENV, or make one: make infra ENV=staging REGION=eu-west-1",
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError("the file can't be read", where=path, got=" ".join(str(error).split())) from None
    if not isinstance(content, dict):
        raise InputError("the file holds no keys", where=path, got=type(content).__name__)
    return content


def _mistakes(error: ValidationError, model: type[Strict]) -> str:
    lines = [f"  {_mistake(problem, model)}" for problem in error.errors()]
    return f"{len(lines)} mistake{'s' if len(lines) > 1 else ''}\n" + "\n".join(lines) + "\n"


def _mistake(problem: Any, model: type[Strict]) -> str:
    place = ".".join(map(str, problem["loc"])) or "file"
    if problem["type"] == "extra_forbidden":
        known = (
            StepSettings if len(problem["loc"]) > 1 and problem["loc"][0] in ("steps", "defaults") else model
        )
        meant = closest(str(problem["loc"][-1]), known.model_fields)
        return f"{place}: unknown key" + (f" (did you mean {meant}?)" if meant else "")
    got = problem.get("input")
    return f"{place}: {problem['msg']}" + (f", got {got!r}" if isinstance(got, str | int | float) else "")
