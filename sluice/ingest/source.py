"""What every kind of raw file hands over, and how its bytes are read."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sluice.contract.errors import InputError
from sluice.ingest.quarantine import Quarantined
from sluice.recipe.model import ColumnType

PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
"""How a packed file begins."""


@dataclass(frozen=True)
class Chunk:
    """Some rows of a file, in order."""

    columns: Mapping[str, Any]
    """The columns that were asked for, as Arrow arrays."""
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
    originals: tuple[str, ...]
    """The columns' names as the file has them."""
    columns: tuple[str, ...]
    """The columns' names as the recipe has them; one may stand there twice."""
    encoding: str
    """What the file's text is written in, as messages call it."""

    def chunks(self, wanted: Sequence[str], kinds: Mapping[str, ColumnType]) -> Iterator[Chunk]:
        """Read the rows, in bounded memory: of each the wanted columns, where ``kinds`` says what some hold."""
        ...


def open_bytes(path: pathlib.Path) -> Any:
    """A stream of the file's bytes, unpacked where its first bytes say that it is packed."""
    packing = _packing(path)
    raw = pa.OSFile(str(path))
    return pa.CompressedInputStream(raw, packing) if packing else raw


def is_packed(path: pathlib.Path) -> bool:
    """Whether the file is gzip or zstd."""
    return _packing(path) is not None


def _packing(path: pathlib.Path) -> str | None:
    with path.open("rb") as file:
        head = file.read(4)
    return next((packing for magic, packing in PACKED.items() if head.startswith(magic)), None)


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


def read_at_least(stream: Any, size: int, name: str) -> bytes:
    """Read on, fewer bytes only where there are no more."""
    data = b""
    while len(data) < size and (more := read_bytes(stream, size - len(data), name)):
        data += more
    return data


def first_bytes(path: pathlib.Path, name: str, size: int) -> bytes:
    """The file's first bytes, unpacked; fewer only where there are no more."""
    with open_bytes(path) as stream:
        return read_at_least(stream, size, name)
