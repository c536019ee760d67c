"""Where bytes live: `file://` folders and `s3://` prefixes behind the few verbs that artifacts need.

S3 goes through pyarrow's filesystem and honours AWS_ENDPOINT_URL, AWS_REGION and the usual credential chain.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import pyarrow as pa
from pyarrow import fs

from sluice.contract.errors import StorageError

BLOCK = 8 << 20
"""Bytes copied or hashed at a time."""
BEGINNING = 2 << 20
"""Bytes of a file that hold its header, wherever it stands."""


class StoredFile(NamedTuple):
    """A file below a folder: its path relative to that folder, with forward slashes, and its size in bytes."""

    path: str
    bytes: int


def to_uri(location: str | Path) -> str:
    """A `file://` or `s3://` URI without a trailing slash, from a URI or a local path.

    Raises:
        StorageError: the scheme is neither file nor s3.
    """
    text = str(location)
    if "://" not in text:
        return Path(text).expanduser().resolve().as_uri()
    if urlsplit(text).scheme not in ("file", "s3"):
        raise StorageError(
            "no storage for this scheme",
            where=text,
            allowed="file://, s3:// or a local path",
        )
    return text.rstrip("/")


def is_local(uri: str) -> bool:
    """Whether the URI names a place on this machine."""
    return uri.startswith("file://")


def on_this_machine(store: str) -> str:
    """Where a store keeps what can't stand on S3 (samples, logs, the embedded registry): the store, or `artifacts` here."""
    return store if is_local(store) else to_uri("artifacts")


def local_path(uri: str) -> Path:
    """The path behind a `file://` URI."""
    return Path(unquote(urlsplit(uri).path))


def join(uri: str, *parts: str) -> str:
    """The URI of something below `uri`."""
    tail = "/".join(part.strip("/") for part in parts)
    if is_local(uri):
        return (local_path(uri) / tail).as_uri()
    return f"{uri.rstrip('/')}/{tail}"


def parent(uri: str) -> str:
    """The URI of the folder that holds `uri`."""
    return uri.rsplit("/", 1)[0]


def exists(uri: str) -> bool:
    """Whether a file stands at `uri`."""
    with _speaking_of(uri):
        filesystem, path = _open(uri)
        return bool(filesystem.get_file_info(path).type == fs.FileType.File)


def list_files(uri: str, patterns: tuple[str, ...] = ("*",)) -> list[StoredFile]:
    """Every file below the folder whose relative path matches a pattern, sorted by path."""
    with _speaking_of(uri):
        filesystem, path = _open(uri)
        selector = fs.FileSelector(path, recursive=True, allow_not_found=True)
        infos = [info for info in filesystem.get_file_info(selector) if info.type == fs.FileType.File]
        files = [StoredFile(info.path[len(path) :].lstrip("/"), info.size) for info in infos]
    return sorted(file for file in files if any(fnmatch(file.path, pattern) for pattern in patterns))


def read_bytes(uri: str) -> bytes:
    """The whole content of a small file.

    Raises:
        FileNotFoundError: nothing stands there.
        StorageError: the store can't be reached.
    """
    with _speaking_of(uri):
        filesystem, path = _open(uri)
        with filesystem.open_input_stream(path, compression=None) as stream:
            return bytes(stream.read())


def write_bytes(uri: str, content: bytes) -> None:
    """Write a small file; a reader sees the old content or the new, never a part."""
    with _speaking_of(uri):
        if not is_local(uri):
            filesystem, path = _open(uri)
            with filesystem.open_output_stream(path, compression=None) as stream:
                stream.write(content)
            return
        target = local_path(uri)
        _make_folder(target.parent, uri)
        partial = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.partial")
        try:
            partial.write_bytes(content)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)


def sha256_of(uri: str) -> str:
    """The file's sha256, read in blocks."""
    digest = hashlib.sha256()
    with _speaking_of(uri):
        filesystem, path = _open(uri)
        with filesystem.open_input_stream(path, compression=None) as stream:
            while block := stream.read(BLOCK):
                digest.update(block)
    return digest.hexdigest()


def download(uri: str, target: Path) -> None:
    """Copy one file to a local path."""
    with _speaking_of(uri):
        target.parent.mkdir(parents=True, exist_ok=True)
        filesystem, path = _open(uri)
        with filesystem.open_input_stream(path, compression=None) as stream, target.open("wb") as out:
            shutil.copyfileobj(stream, out, BLOCK)


def download_columns(uri: str, target: Path) -> None:
    """Copy so much of a file that its columns can be read: its beginning, or of Parquet its schema and one row of nulls."""
    with _speaking_of(uri):
        target.parent.mkdir(parents=True, exist_ok=True)
        filesystem, path = _open(uri)
        with filesystem.open_input_file(path) as source:
            beginning = source.read(BEGINNING)
            if not beginning.startswith(b"PAR1"):
                target.write_bytes(beginning)
                return
            from pyarrow import parquet

            schema = parquet.read_schema(source)
            nulls = [pa.nulls(1, column.type) for column in schema]
            parquet.write_table(pa.table(nulls, names=schema.names), target)


def publish(folder: Path, uri: str, *, last: str) -> bool:
    """Make a finished local folder appear at `uri`, whole or not at all; the folder is gone afterwards.

    On this machine that is one rename. On S3 every file is uploaded, the one named `last` after all others, and a
    reader takes the folder for absent until it is there.

    Args:
        folder: the finished folder; for a `file://` target on the same filesystem.
        uri: where it shall appear.
        last: the file whose presence says that the folder is complete.

    Returns:
        False if another process had already published the same folder; ours is dropped then.
    """
    with _speaking_of(uri):
        try:
            return _rename(folder, local_path(uri), last) if is_local(uri) else _upload(folder, uri, last)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _make_folder(folder: Path, uri: str) -> None:
    """Make a folder; where none can be made (`/proc`), that is no missing file, which callers have an answer to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError as error:
        raise storage_error(error, uri) from error


def _rename(folder: Path, target: Path, last: str) -> bool:
    _make_folder(target.parent, target.as_uri())
    if target.exists() and not (target / last).exists():
        shutil.rmtree(target)  # somebody removed its last file: it is not a result any more
    try:
        folder.rename(target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def _upload(folder: Path, uri: str, last: str) -> bool:
    if exists(join(uri, last)):
        return False
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    for file in sorted(files, key=lambda file: file.relative_to(folder).as_posix() == last):
        filesystem, path = _open(join(uri, file.relative_to(folder).as_posix()))
        with file.open("rb") as source, filesystem.open_output_stream(path, compression=None) as out:
            shutil.copyfileobj(source, out, BLOCK)
    return True


def _open(uri: str) -> tuple[fs.FileSystem, str]:
    if is_local(uri):
        return fs.LocalFileSystem(), str(local_path(uri))
    return _s3(), uri.removeprefix("s3://")


def _s3() -> fs.FileSystem:
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    return _s3_client(region, endpoint)


@lru_cache
def _s3_client(region: str | None, endpoint: str | None) -> fs.FileSystem:
    """One client per address: making one costs far more than using it."""
    scheme, _, host = (endpoint or "").rpartition("://")
    return fs.S3FileSystem(
        region=region,
        scheme=scheme or "https",
        endpoint_override=host or None,
        connect_timeout=10,
        request_timeout=60,
        allow_delayed_open=True,  # a small file is one request, and not the three of an upload in parts
        retry_strategy=fs.AwsStandardS3RetryStrategy(
            max_attempts=int(os.environ.get("AWS_MAX_ATTEMPTS", "3"))
        ),
    )


@contextmanager
def _speaking_of(uri: str) -> Iterator[None]:
    """Turn what the operating system or the S3 client says into the family's words."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException) as error:
        raise storage_error(error, uri) from error


def storage_error(error: Exception, where: object) -> StorageError:
    """The family's error for an OSError: a full disk and a refused permission are told apart from the rest."""
    number = getattr(error, "errno", None)
    if number in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(
            "the disk is full",
            where=where,
            next_step="Free some space and run again: finished steps are reused, nothing half-written is left",
        )
    if number in (errno.EACCES, errno.EPERM, errno.EROFS) or "ACCESS_DENIED" in str(error):
        return StorageError(
            "permission refused",
            where=where,
            got=str(error),
            next_step="Give this user the right to read and write there, or name another store with --store",
        )
    return StorageError(
        "the store can't be read or written",
        where=where,
        got=str(error),
        next_step="Check the address, AWS_ENDPOINT_URL, the region, the credentials and the network"
        if str(where).startswith("s3://")
        else "Check the path",
    )
