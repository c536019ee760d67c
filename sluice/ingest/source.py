"""What every kind of raw file hands over, and how its bytes are read."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sluice.contract.errors import InputError
from sluice.ingest.quarantine import Quarantined


@dataclass(frozen=True)
class Chunk:
    """Some rows of a file, in order."""

    columns: Sequence[Any]
    """One Arrow array per column of the file."""
    rows: NDArray[np.int64]
    """Each row's place among the file's data rows, unreadable ones counted too."""
    lines: NDArray[np.int64] | None
    """The physical line that each row starts on."""
    text: Callable[[int], str]
    """A row of this chunk as it stands in the file."""
    unreadable: Sequence[Quarantined]
    """Rows between these that have no fields."""


class SourceFile(Protocol):
    """An opened raw file: its header is known, its rows are not read yet."""

    name: str
    columns: tuple[str, ...]

    def chunks(self, numeric: frozenset[str]) -> Iterator[Chunk]:
        """Read the rows, in bounded memory. ``numeric`` names the columns that hold numbers."""
        ...


def open_bytes(path: pathlib.Path) -> Any:
    """A stream of the file's bytes, unpacked where it is gzip."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    raw = pa.OSFile(str(path))
    return pa.CompressedInputStream(raw, "gzip") if packed else raw


def read_bytes(stream: Any, size: int, name: str) -> bytes:
    """Read on; give nothing at the end.

    Raises:
        InputError: the file is cut off or damaged.
    """
    try:
        data: bytes = stream.read(size)
    except OSError as error:
        raise InputError(
            "the file is cut off or damaged", where=name, got=error, next_step="Fetch the file again"
        ) from None
    return data


def first_bytes(path: pathlib.Path, name: str, size: int) -> bytes:
    """The file's first bytes, unpacked where it is gzip; fewer only where there are no more."""
    with open_bytes(path) as stream:
        data = b""
        while len(data) < size and (more := read_bytes(stream, size - len(data), name)):
            data += more
    return data
