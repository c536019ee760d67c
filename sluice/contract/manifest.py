"""What an artifact says about itself: `manifest.json`, the file that is written last."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any, Literal

from pydantic import ValidationError, field_validator

from sluice.contract.errors import ContractError, ContractTooNew
from sluice.contract.schema import Columns
from sluice.contract.settings import Strict, first_problem

CONTRACT_VERSION = "1.0"
MANIFEST = "manifest.json"

Kind = Literal["table", "features", "model", "report"]


class PayloadFile(Strict):
    """One file of the artifact."""

    path: str
    """Relative to the manifest, with forward slashes."""
    bytes: int
    sha256: str
    rows: int | None = None
    """Rows of a Parquet part of a table."""

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, value: str) -> str:
        if value.startswith("/") or ".." in value.split("/"):
            raise ValueError(f"{value!r} points outside the artifact")
        return value


class Parent(Strict):
    """An artifact that this one was made from."""

    name: str
    """The name of the input that it was."""
    uri: str
    """Its manifest's URI."""
    digest: str


class Producer(Strict):
    """Who made the artifact, with what."""

    component: str
    fingerprint: str
    """What the result was computed from, as one digest."""
    code: str
    """The digest of the component's code, or of its image."""
    settings: str
    """The digest of its part of the recipe."""
    parameters: dict[str, Any] = {}
    """The plain values that it was given, such as a row limit."""
    metrics: dict[str, Any] = {}
    """What it returned; a gate's verdict and reasons are here too."""
    revision: str | None = None
    """The version control revision of the code; ends in `+` if the checkout had changes."""
    packages: dict[str, str] = {}
    """Versions of the packages that the component's environment names."""
    started: datetime
    finished: datetime


class Manifest(Strict):
    """Everything that a reader checks before it reads, and the artifact's lineage."""

    contract: str = CONTRACT_VERSION
    kind: Kind
    files: tuple[PayloadFile, ...]
    columns: Columns | None = None
    """A table's columns."""
    rows: int | None = None
    """A table's rows."""
    digest: str
    """The sha256 over all of the above: the artifact's identity. It does not depend on who made it or when."""
    producer: Producer
    parents: tuple[Parent, ...] = ()

    def expected_digest(self) -> str:
        """The digest that these contents have."""
        return content_digest(self.kind, self.files, self.columns, self.rows, self.contract)

    def to_json(self) -> bytes:
        """The text of `manifest.json`."""
        return self.model_dump_json(indent=2).encode() + b"\n"


def content_digest(
    kind: Kind,
    files: tuple[PayloadFile, ...],
    columns: Columns | None = None,
    rows: int | None = None,
    contract: str = CONTRACT_VERSION,
) -> str:
    """The identity of an artifact with these contents."""
    return digest_of(
        {
            "contract": contract,
            "kind": kind,
            "files": [file.model_dump() for file in files],
            "columns": None if columns is None else [column.model_dump() for column in columns],
            "rows": rows,
        }
    )


def digest_of(value: Any) -> str:
    """The sha256 of a JSON value in its one canonical form: sorted keys, no blanks, no NaN."""
    text = json.dumps(
        value,
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    )
    return hashlib.sha256(text.encode()).hexdigest()


def parse_manifest(text: bytes, where: str) -> Manifest:
    """Read and check a manifest's own text.

    Raises:
        ContractTooNew: it was written by a newer contract.
        ContractError: it is not a manifest, or its digest is not that of its contents.
    """
    document = _json_object(text, where)
    _check_version(document.get("contract"), where)
    try:
        manifest = Manifest.model_validate(document)
    except ValidationError as error:
        raise ContractError("the manifest is malformed", where=where, got=first_problem(error)) from None
    if manifest.digest != manifest.expected_digest():
        raise ContractError(
            "the manifest was changed after it was written",
            where=where,
            got=f"digest {manifest.expected_digest()}",
            allowed=f"digest {manifest.digest}",
            next_step="Remove the artifact's folder and run the step that makes it again",
        )
    return manifest


def _json_object(text: bytes, where: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ContractError("the manifest is not JSON", where=where, got=str(error)) from None
    if not isinstance(document, dict):
        raise ContractError(
            "the manifest is not a JSON object",
            where=where,
            got=type(document).__name__,
        )
    return document


def _check_version(version: object, where: str) -> None:
    try:
        number = tuple(int(part) for part in str(version).split("."))
    except ValueError:
        raise ContractError("the manifest has no contract version", where=where, got=repr(version)) from None
    if number > tuple(int(part) for part in CONTRACT_VERSION.split(".")):
        raise ContractTooNew(
            "the artifact was written by a newer contract than this Sluice reads",
            where=where,
            got=f"contract {version}",
            allowed=f"contract {CONTRACT_VERSION} or older",
            next_step="Update Sluice, or run the step that makes it again with this one",
        )
