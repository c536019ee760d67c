"""The Docker engine: whether one answers, and whether its images are the ones that were recorded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from orchestration.environment import Image
from sluice.contract import CONTRACT_VERSION, ImageError

SOCKET = "unix:///var/run/docker.sock"


def connect() -> Any:
    """A client of the engine that DOCKER_HOST names, or of this machine's.

    Raises:
        ImageError: none answers.
    """
    import docker

    try:
        return docker.from_env()  # it asks for the engine's version, and so finds out
    except engine_errors() as error:
        raise ImageError(
            "no Docker engine answers",
            where=os.environ.get("DOCKER_HOST", SOCKET),
            got=reason(error),
            next_step="Start one (systemctl start docker, or Docker Desktop), name another with DOCKER_HOST, "
            "or run without containers: --runner local",
        ) from None


def require_images(engine: Any, images: Mapping[str, Image]) -> dict[str, Any]:
    """Every recorded image as the engine has it, pulled if it hasn't.

    Args:
        engine: what `connect` returned.
        images: the images by component, as they were recorded.

    Raises:
        ImageError: neither the engine nor the registry has an image, or it is another one than was recorded.
    """
    found = {name: _find(engine, name, image) for name, image in images.items()}
    for name, image in images.items():
        _require_same(found[name].labels, name, image)
    return found


def _find(engine: Any, name: str, image: Image) -> Any:
    from docker.errors import DockerException, ImageNotFound

    try:
        return engine.images.get(image.uri)
    except ImageNotFound:
        if not image.pinned:
            raise _missing("the image is not on this machine and was never pushed", name, image) from None
    try:
        return engine.images.pull(image.uri)
    except DockerException as error:
        missing = getattr(error, "status_code", None) == 404 or "manifest unknown" in str(error)
        what = "the image is missing in the registry" if missing else "the image can't be pulled"
        raise _missing(what, name, image, None if missing else reason(error)) from None


def _missing(what: str, name: str, image: Image, got: str | None = None) -> ImageError:
    return ImageError(
        f"{what}, tag {image.tag}",
        where=f"image of {name}, {image.uri}",
        got=got,
        next_step=f"Run make build push C={name}",
    )


def _require_same(labels: Mapping[str, str], name: str, image: Image) -> None:
    recorded = {"component": name, "content": image.tag, "python": image.python, "contract": image.contract}
    wrong = [key for key, value in recorded.items() if labels.get(f"sluice.{key}") != value]
    if wrong:
        raise ImageError(
            "the image is not the one that was recorded",
            where=f"image of {name}, {image.uri}",
            got=", ".join(f"sluice.{key} {labels.get(f'sluice.{key}', 'not set')}" for key in wrong),
            allowed=", ".join(f"sluice.{key} {recorded[key]}" for key in wrong),
            next_step=f"Run make build push C={name}",
        )
    if image.contract != CONTRACT_VERSION:
        raise ImageError(
            "the image speaks another contract than this Sluice",
            where=f"image of {name}, {image.uri}",
            got=f"contract {image.contract}",
            allowed=f"contract {CONTRACT_VERSION}",
            next_step=f"Run make build push C={name}",
        )


def engine_errors() -> tuple[type[Exception], ...]:
    """What a call of the engine's client may raise."""
    from docker.errors import DockerException

    return DockerException, OSError


def reason(error: BaseException) -> str:
    """What the engine said, or why it can't be reached, in few words."""
    said = getattr(error, "explanation", None) or getattr(error, "strerror", None)
    if not said and error.__context__ is not None:
        return reason(error.__context__)
    return str(said or error).strip().rstrip(".")
