"""Which registry this is: a random identity in `registry.json`, beside the database it speaks of."""

from __future__ import annotations

import uuid
from pathlib import Path

from pydantic import ValidationError

from sluice.contract import RegistryError, Strict, first_problem, storage
from sluice.registry.lock import alone

IDENTITY = "registry.json"
DATABASE = "mlflow.db"


class Identity(Strict):
    """The content of `registry.json`."""

    identity: str
    database: bool = False
    """Whether the database was made. If it is gone later, all versions are, and this is not the same registry any more."""


def identity_of(folder: Path) -> str:
    """The identity of the registry in this folder. One that isn't there yet gets it now, and keeps it.

    Raises:
        RegistryError: the file is damaged.
        StorageError: the folder can't be written.
    """
    if known := _read(folder):
        return known.identity
    with alone(folder):
        return (_read(folder) or _write(folder, Identity(identity=uuid.uuid4().hex))).identity


def note_database(folder: Path) -> None:
    """Remember that the database was made. For a writer that is alone."""
    known = _read(folder) or Identity(identity=uuid.uuid4().hex)
    _write(folder, known.model_copy(update={"database": True}))


def _read(folder: Path) -> Identity | None:
    uri = (folder / IDENTITY).as_uri()
    try:
        known = Identity.model_validate_json(storage.read_bytes(uri))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise RegistryError(
            "the registry's identity is damaged",
            where=uri,
            got=first_problem(error),
            next_step="Remove this file: its versions are in the database beside it, and the next run makes a new one",
        ) from None
    return None if known.database and not (folder / DATABASE).exists() else known


def _write(folder: Path, identity: Identity) -> Identity:
    storage.write_bytes((folder / IDENTITY).as_uri(), identity.model_dump_json(indent=2).encode() + b"\n")
    return identity
