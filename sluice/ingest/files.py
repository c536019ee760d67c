"""Which raw files the recipe means, and what each one is by its first bytes."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping, Sequence

from sluice.contract.errors import InputError
from sluice.ingest.csv_file import BLOCK_BYTES, CsvFile
from sluice.ingest.parquet_file import ParquetFile
from sluice.ingest.source import SourceFile, first_bytes, is_packed
from sluice.recipe.model import Csv

SHOWN_FILES = 20


def resolve(folder: pathlib.Path, patterns: Sequence[str], said_by: str) -> list[pathlib.Path]:
    """The files that names and globs mean, each once: sorted within a glob, in the order of the patterns.

    Raises:
        InputError: the folder isn't there, a pattern means no file, or one may not be read.
    """
    if not folder.is_dir():
        raise InputError(
            "the data folder isn't there", where=folder, allowed="a folder", next_step="Correct DATA=<folder>"
        )
    _require_permission(folder, os.R_OK | os.X_OK)
    found: dict[pathlib.Path, None] = {}
    for pattern in patterns:
        found.update(dict.fromkeys(_matches(folder, pattern, said_by)))
    for path in found:
        _require_permission(path, os.R_OK)
    return list(found)


def _require_permission(path: pathlib.Path, mode: int) -> None:
    if not os.access(path, mode):
        raise InputError(
            "this user may not read it", where=path, next_step="Give this user the right to read it"
        )


def _matches(folder: pathlib.Path, pattern: str, said_by: str) -> list[pathlib.Path]:
    relative = pathlib.PurePosixPath(pattern)
    if relative.is_absolute() or ".." in relative.parts:
        raise InputError(
            f"{said_by} names {pattern!r}, which is outside the data folder",
            where=folder,
            allowed="a name or glob relative to the data folder",
            next_step="Put the file into the folder and name it without the path",
        )
    candidates = {folder / pattern, *folder.glob(pattern)} if relative.parts else set()
    matches = sorted(path for path in candidates if path.is_file())
    if not matches:
        raise InputError(
            f"{said_by} names {pattern!r}, and no file matches",
            where=folder,
            got=_listing(folder),
            allowed="a file name or glob that matches at least one file",
            next_step="Correct the name in the recipe, or the data folder",
        )
    return matches


def _listing(folder: pathlib.Path) -> str:
    names = sorted(path.name + ("/" if path.is_dir() else "") for path in folder.iterdir())
    if not names:
        return "an empty folder"
    more = f" and {len(names) - SHOWN_FILES:,} more" if len(names) > SHOWN_FILES else ""
    return "a folder with " + ", ".join(names[:SHOWN_FILES]) + more


def open_source(
    folder: pathlib.Path,
    path: pathlib.Path,
    written: Csv,
    rename: Mapping[str, str],
    said_by: str,
    block_bytes: int = BLOCK_BYTES,
) -> SourceFile:
    """Open a file as what its first bytes say it is, whatever its name.

    Args:
        folder: the data folder.
        path: the file.
        written: how it is written if it is CSV.
        rename: the recipe's other names for its columns.
        said_by: where the recipe says how it is written, for messages.
        block_bytes: how much of a CSV file is read at once.

    Raises:
        InputError: it is empty, no table, or its header is wrong.
    """
    name = path.relative_to(folder).as_posix()
    head = first_bytes(path, name, 4)
    if head == b"PAR1":
        if is_packed(path):
            raise _refusal(
                "the file is Parquet, packed once more", name, "Unpack it; Parquet is packed inside"
            )
        return ParquetFile(path, name, rename)
    if head.startswith(b"PK\x03\x04"):
        what = "the file is a zip archive or a spreadsheet"
        raise _refusal(what, name, "Unpack it, or save the sheet as CSV UTF-8")
    return CsvFile(path, name, written, rename, said_by, block_bytes)


def _refusal(what: str, name: str, next_step: str) -> InputError:
    allowed = "CSV, packed with gzip or zstd too, or Parquet"
    return InputError(what, where=name, allowed=allowed, next_step=next_step)
