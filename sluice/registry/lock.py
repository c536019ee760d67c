"""One writer at a time: a lock file beside the registry, given back by the operating system however a process ends."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sluice.contract import RegistryError
from sluice.contract.storage import storage_error

LOCK = "registry.lock"
PATIENCE = 120.0
"""Seconds to wait for another writer. The first one makes the database, which takes some of them."""
PAUSE = 0.05
"""Seconds between two attempts."""


@contextmanager
def alone(folder: Path, patience: float = PATIENCE) -> Iterator[None]:
    """Keep every other writer of the registry in this folder out; the folder is made if need be.

    Raises:
        RegistryError: another process kept the lock for longer than `patience` seconds.
        StorageError: the folder can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / LOCK).open("w")
    except OSError as error:
        raise storage_error(error, folder) from error
    with stream:
        _wait(stream.fileno(), folder, patience)
        yield


def _wait(file: int, folder: Path, patience: float) -> None:
    give_up = time.monotonic() + patience
    while not _taken(file):
        if time.monotonic() > give_up:
            raise RegistryError(
                "another process is writing to the registry",
                where=folder,
                got=f"its lock was held for {patience:g} seconds",
                next_step="Wait until it has finished, then try again",
            )
        time.sleep(PAUSE)


def _taken(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
