"""Runs one component: checks what goes in, reuses a finished result, and makes a new one appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sluice.contract import storage
from sluice.contract.artifacts import Artifact, Output, Table
from sluice.contract.component import Component, Metrics
from sluice.contract.errors import ContractError, InputError, SchemaMismatch
from sluice.contract.external import External
from sluice.contract.fingerprint import Fingerprint, fingerprint_of
from sluice.contract.manifest import (
    CONTRACT_VERSION,
    MANIFEST,
    Parent,
    Producer,
    digest_of,
)
from sluice.contract.settings import Settings, Strict, first_problem

RESULT = "result.json"
"""The last file of a finished step."""
STAGING = ".staging"


class Result(Strict):
    """What a finished step left: `result.json` in its folder."""

    contract: str = CONTRACT_VERSION
    component: str
    fingerprint: Fingerprint
    outputs: dict[str, str]
    """Each output's digest; its manifest stands at `<output>/manifest.json` beside this file."""
    metrics: dict[str, Any]
    started: datetime
    finished: datetime

    @property
    def seconds(self) -> float:
        """How long the component worked."""
        return (self.finished - self.started).total_seconds()


@dataclass(frozen=True)
class Call:
    """One call of a component: what it is given, and where results are kept.

    Attributes:
        component: the component.
        store: the URI of the store.
        arguments: by parameter name: the manifest URI of an artifact, the URI of an external, or a plain value.
        recipe: the recipe's text.
        recipe_uri: where it was read, for messages.
        image: the content digest of the image that it runs in; inside an image, that image's own.
        known: digests of externals that are known without looking at them, by URI.
    """

    component: Component
    store: str
    arguments: Mapping[str, Any]
    recipe: str | None = None
    recipe_uri: str = "recipe"
    image: str | None = field(default_factory=lambda: os.environ.get("SLUICE_IMAGE_CONTENT"))
    known: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def inputs(self) -> dict[str, Artifact]:
        """The input artifacts, opened; their kinds and roles are checked."""
        return {name: self._open(name) for name in self.component.inputs}

    @cached_property
    def externals(self) -> dict[str, External]:
        """The external inputs."""
        return {name: kind(str(self._given(name))) for name, kind in self.component.externals.items()}

    @cached_property
    def settings(self) -> Settings | None:
        """The component's part of the recipe."""
        if self.component.settings is None:
            return None
        if self.recipe is None:
            raise InputError(
                "no recipe given",
                where=self.component.name,
                next_step="Name one with --recipe",
            )
        return self.component.settings[1].from_recipe(self.recipe, self.recipe_uri)

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """Plain values in their types, defaults filled in."""
        return {name: self._parameter(name) for name in self.component.parameters}

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """What the result depends on."""
        digests = {name: artifact.digest for name, artifact in self.inputs.items()}
        digests |= {
            name: self.known.get(external.uri) or external.digest(self.settings)
            for name, external in self.externals.items()
        }
        return fingerprint_of(self.component, self.settings, self.parameters, digests, self.image)

    @property
    def folder(self) -> str:
        """The URI of the folder that the result has, or will have."""
        return storage.join(self.store, "steps", self.component.name, self.fingerprint.digest[:16])

    def finished(self) -> Result | None:
        """The result, if this very call was finished before."""
        return read_result(self.folder)

    def output_uri(self, name: str) -> str:
        """The manifest URI of one output."""
        return storage.join(self.folder, name, MANIFEST)

    def _given(self, name: str) -> Any:
        if self.arguments.get(name) is None:
            raise InputError("an input is missing", where=f"{self.component.name} --{_flag(name)}")
        return self.arguments[name]

    def _open(self, name: str) -> Artifact:
        port = self.component.inputs[name]
        artifact = port.kind.open(storage.to_uri(str(self._given(name))))
        if isinstance(artifact, Table):
            missing = port.roles - {column.role for column in artifact.columns}
            if missing:
                raise SchemaMismatch(
                    "the table lacks a column of a required role",
                    where=f"{self.component.name} --{_flag(name)} {artifact.uri}",
                    got=", ".join(map(str, artifact.columns)),
                    allowed=f"a column with the role {', '.join(sorted(missing))}",
                )
        return artifact

    def _parameter(self, name: str) -> Any:
        parameter = self.component.parameters[name]
        value = self.arguments.get(name, parameter.default)
        if value is parameter.default and not parameter.required:
            return value
        try:
            return parameter.parse(value)
        except ValidationError as error:
            problem = error.errors()[0]["msg"]
            raise InputError(
                f"the value doesn't fit: {problem}",
                where=f"{self.component.name} --{_flag(name)}",
                got=repr(value),
            ) from None


def run(call: Call) -> Result:
    """Run a component, or return its finished result.

    The component writes to a staging folder that no reader looks at. When it has returned, the manifests are written,
    then `result.json`, then the folder is published in one go.

    Raises:
        SluiceError: one of the family; nothing of the result is visible then.
    """
    clear_staging(call)
    if done := call.finished():
        return done
    started = datetime.now(UTC)
    staging = _staging_folder(call)
    try:
        outputs = {name: Output(port.kind, staging / name) for name, port in call.component.outputs.items()}
        metrics = _call_function(call, outputs)
        result = _write_result(call, outputs, metrics, staging, started)
        published = storage.publish(staging, call.folder, last=RESULT)
        return result if published else call.finished() or result
    except OSError as error:
        if error.errno is None or isinstance(error, FileNotFoundError | ConnectionError | TimeoutError):
            raise
        raise storage.storage_error(error, call.store) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def read_result(folder: str) -> Result | None:
    """The result that stands in a step's folder; None if there is none.

    Raises:
        ContractError: `result.json` can't be read.
    """
    uri = storage.join(folder, RESULT)
    try:
        return Result.model_validate_json(storage.read_bytes(uri))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise ContractError(
            "a step's result can't be read",
            where=uri,
            got=first_problem(error),
            next_step="Remove the step's folder and run again",
        ) from None


def _call_function(call: Call, outputs: Mapping[str, Output[Any]]) -> Metrics:
    arguments: dict[str, Any] = {
        **call.inputs,
        **call.externals,
        **call.parameters,
        **outputs,
    }
    if call.component.settings:
        arguments[call.component.settings[0]] = call.settings
    return call.component.function(**arguments)


def _write_result(
    call: Call,
    outputs: Mapping[str, Output[Any]],
    metrics: Metrics,
    staging: Path,
    started: datetime,
) -> Result:
    finished = datetime.now(UTC)
    producer = Producer(
        component=call.component.name,
        fingerprint=call.fingerprint.digest,
        code=digest_of(call.fingerprint.code),
        settings=digest_of(call.fingerprint.settings),
        parameters=call.fingerprint.parameters,
        metrics=metrics.model_dump(mode="json"),
        revision=revision(call.component.checkout),
        packages=_packages(call.component.code_folder),
        started=started,
        finished=finished,
    )
    parents = [Parent(name=n, uri=a.uri, digest=a.digest) for n, a in call.inputs.items()]
    parents += [
        Parent(name=n, uri=e.uri, digest=call.fingerprint.inputs[n]) for n, e in call.externals.items()
    ]
    manifests = {name: output.finish(producer, parents) for name, output in outputs.items()}
    result = Result(
        component=call.component.name,
        fingerprint=call.fingerprint,
        outputs={name: manifest.digest for name, manifest in manifests.items()},
        metrics=producer.metrics,
        started=started,
        finished=finished,
    )
    storage.write_bytes((staging / RESULT).as_uri(), result.model_dump_json(indent=2).encode() + b"\n")
    return result


def _staging_folder(call: Call) -> Path:
    """A folder of this process alone, on the store's own filesystem so that publishing is a rename."""
    name = f"{STAGING}-{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    folder = storage.parent(call.folder)
    root = storage.local_path(folder) if storage.is_local(folder) else Path(tempfile.gettempdir())
    try:
        (root / name).mkdir(parents=True)
    except OSError as error:
        raise storage.storage_error(error, root) from error
    return root / name


def clear_staging(call: Call) -> None:
    """Remove what killed processes of this machine left of the same step; a living process's folder stays."""
    folder = storage.parent(call.folder)
    if not storage.is_local(folder):
        return
    for left in storage.local_path(folder).glob(f"{STAGING}-{socket.gethostname()}-*"):
        pid = int(left.name.split("-")[-2])
        if not Path(f"/proc/{pid}").exists():
            shutil.rmtree(left, ignore_errors=True)


def clear_staging_of(host: str, folder: str) -> None:
    """Remove what a container that has ended left among a component's results.

    Args:
        host: its host name, which no other container has.
        folder: the URI of the folder of the component's results.
    """
    for left in storage.local_path(folder).glob(f"{STAGING}-{host}-*"):
        shutil.rmtree(left, ignore_errors=True)


def revision(checkout: Path) -> str | None:
    """The code's revision: SLUICE_REVISION in an image, git's in a checkout, with a `+` if something was changed."""
    if "SLUICE_REVISION" in os.environ:
        return os.environ["SLUICE_REVISION"]
    command = [
        "git",
        "-c",
        f"safe.directory={checkout}",  # another user's checkout, too, may say its own revision
        "-C",
        str(checkout),
        "describe",
        "--always",
        "--abbrev=40",
        "--exclude=*",
        "--dirty=+",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() or None


def _packages(folder: Path) -> dict[str, str]:
    """The installed versions of the packages that the component's environment names."""
    named = folder / "requirements.in"
    lines = named.read_text().splitlines() if named.exists() else []
    names = [
        line.split("==")[0].split("[")[0].strip()
        for line in lines
        if "==" in line and not line.startswith("#")
    ]
    return {name: version for name in names if (version := _version(name))}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _flag(name: str) -> str:
    return name.replace("_", "-")
