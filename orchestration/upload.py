"""Puts a data file or folder into an environment's bucket: digests checked on arrival, and what is there not sent again.

The folder on S3 has the data's digest in its name. So other data never takes the place of what a running pipeline
reads, no file of an older upload lies between the new ones, and an interrupted upload finds what it had sent.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import math
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.bucket import SHA256, encryption, head
from orchestration.environment import Environment, read_environment
from sluice.aws import client, speaking_of
from sluice.contract import InputError
from sluice.contract.manifest import digest_of

if TYPE_CHECKING:
    from rich.console import Console

MIB = 1 << 20
PART = 8 * MIB
"""A larger file goes in parts of this size, or of a larger one where it would take too many."""
PARTS = 10_000
"""S3 takes no more parts of one file."""
AT_ONCE = 4
"""Files or parts that are sent side by side."""


@dataclass(frozen=True)
class LocalFile:
    """A file to send, as it was when it was first read.

    Attributes:
        path: where it stands here.
        name: its path in the folder on S3.
        size: in bytes.
        sha256: of the whole file.
        parts: the sha256 of each part, in order.
    """

    path: Path
    name: str
    size: int
    sha256: str
    parts: tuple[bytes, ...]


@dataclass
class Tally:
    """What an upload did, in bytes and files."""

    sent: int = 0
    there: int = 0
    files: int = 0


def add_upload_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `upload`; the parsed options' `run` does it."""
    text = (
        "put a data file or folder into an environment's bucket; an interrupted upload goes on where it was"
    )
    verb = verbs.add_parser("upload", help=text, description=f"{text.capitalize()}.")
    verb.add_argument("data", type=_named, metavar="FILE|FOLDER", help="what to upload")
    verb.add_argument(
        "--environment", type=Path, required=True, metavar="FILE", help="the environment file: where to"
    )
    verb.set_defaults(run=run_upload)


def _named(text: str) -> Path:
    # as a path, no text is the folder that this is called in: the whole checkout
    if not text:
        raise argparse.ArgumentTypeError("no data is named: make upload ENV=staging DATA=<file or folder>")
    return Path(text)


def run_upload(options: argparse.Namespace) -> int:
    """Upload and print the URI to start with.

    Returns:
        0.

    Raises:
        SluiceError: the data can't be read, or the bucket can't be written.
    """
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    uri = upload(options.data, read_environment(options.environment), console)
    console.print(f"start with: --data {uri}")
    return 0


def upload(data: Path, environment: Environment, console: Console, patterns: tuple[str, ...] = ("*",)) -> str:
    """Upload a file or the files of a folder whose paths match a pattern.

    Returns:
        The URI of the folder that holds them.

    Raises:
        InputError: the data isn't there or can't be read.
        AwsError: the bucket can't be written.
    """
    paths = _paths(data, patterns)
    with _progress(console, "reading", sum(_size(path) for path in paths)) as advance:
        files = [_read(path, name, advance) for path, name in paths.items()]
    digest = digest_of({file.name: file.sha256 for file in files})[:12]
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", data.resolve().stem if data.is_file() else data.resolve().name)
    uri = f"{environment.store}/data/{name[:60].strip('-') or 'data'}-{digest}"
    tally = Tally()
    with _progress(console, "sending", sum(file.size for file in files)) as advance:
        _Upload(client("s3", environment.region), environment, uri, tally, advance).send(files)
    console.print(
        f"{tally.files} of {len(files)} files sent, {_shown(tally.sent)}; {_shown(tally.there)} were there already"
    )
    return uri


def part_size(size: int) -> int:
    """How large a file's parts are: the same for the same size, whole MiB, at most 10,000 of them."""
    return max(PART, math.ceil(size / PARTS / MIB) * MIB)


class _Upload:
    """Sends files to one folder on S3."""

    def __init__(
        self, s3: Any, environment: Environment, uri: str, tally: Tally, advance: Callable[[int], None]
    ) -> None:
        self.s3, self.tally, self.advance, self.uri = s3, tally, advance, uri
        self.bucket = environment.bucket
        self.prefix = uri.removeprefix(f"s3://{environment.bucket}/")
        self.encryption = encryption(environment)
        self.lock = threading.Lock()

    def send(self, files: list[LocalFile]) -> None:
        """Send what is not there, the small files side by side, the parts of each large one too."""
        _at_once(self._send_whole, (file for file in files if len(file.parts) == 1))
        for file in files:
            if len(file.parts) > 1 and not self._is_there(file):
                self._send_in_parts(file)

    def _send_whole(self, file: LocalFile) -> None:
        if self._is_there(file):
            return
        content = _part(file, 0)
        with speaking_of(f"{self.uri}/{file.name}"):
            self.s3.put_object(
                **self._key(file),
                Body=content,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=_base64(file.parts[0]),
                Metadata={SHA256: file.sha256},
                **self.encryption,
            )
        self._tell(sent=file.size, files=1)

    def _send_in_parts(self, file: LocalFile) -> None:
        with speaking_of(f"{self.uri}/{file.name}"):
            identity = self._begun(file) or self._begin(file)
            known = self._parts(file, identity)

            def send(number: int) -> None:
                digest = _base64(file.parts[number])
                content = _part(file, number)
                with speaking_of(f"{self.uri}/{file.name}"):
                    answer = self.s3.upload_part(
                        **self._key(file),
                        UploadId=identity,
                        PartNumber=number + 1,
                        Body=content,
                        ChecksumAlgorithm="SHA256",
                        ChecksumSHA256=digest,
                    )
                known[number] = {"ETag": answer["ETag"], "ChecksumSHA256": digest}
                self._tell(sent=len(content))

            _at_once(send, [number for number in range(len(file.parts)) if number not in known])
            parts = [{"PartNumber": number + 1, **known[number]} for number in range(len(file.parts))]
            self.s3.complete_multipart_upload(
                **self._key(file), UploadId=identity, MultipartUpload={"Parts": parts}
            )
        self._tell(files=1)

    def _key(self, file: LocalFile) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": f"{self.prefix}/{file.name}"}

    def _is_there(self, file: LocalFile) -> bool:
        found = head(self.s3, f"{self.uri}/{file.name}")
        same = found is not None and (found["ContentLength"], found["Metadata"].get(SHA256)) == (
            file.size,
            file.sha256,
        )
        if same:
            self._tell(there=file.size)
        return same

    def _begun(self, file: LocalFile) -> str | None:
        """The upload of this very file that was interrupted last, if one was."""
        key = self._key(file)
        answer = self.s3.list_multipart_uploads(Bucket=key["Bucket"], Prefix=key["Key"])
        begun = [upload for upload in answer.get("Uploads", []) if upload["Key"] == key["Key"]]
        return str(max(begun, key=lambda upload: upload["Initiated"])["UploadId"]) if begun else None

    def _begin(self, file: LocalFile) -> str:
        answer = self.s3.create_multipart_upload(
            **self._key(file),
            ChecksumAlgorithm="SHA256",
            Metadata={SHA256: file.sha256},
            **self.encryption,
        )
        return str(answer["UploadId"])

    def _parts(self, file: LocalFile, identity: str) -> dict[int, dict[str, str]]:
        """The parts that S3 holds already and that are what the file's parts are now."""
        known = {}
        pages = self.s3.get_paginator("list_parts").paginate(**self._key(file), UploadId=identity)
        for part in (part for page in pages for part in page.get("Parts", [])):
            number = part["PartNumber"] - 1
            if number < len(file.parts) and _same(part, file, number):
                wanted = _base64(file.parts[number])
                known[number] = {"ETag": part["ETag"], "ChecksumSHA256": wanted}
                self._tell(there=part["Size"])
        return known

    def _tell(self, sent: int = 0, there: int = 0, files: int = 0) -> None:
        with self.lock:
            self.tally.sent += sent
            self.tally.there += there
            self.tally.files += files
        self.advance(sent + there)


def _paths(data: Path, patterns: tuple[str, ...]) -> dict[Path, str]:
    """The files to send, with their names on S3.

    Raises:
        InputError: there are none, or something among them is no plain file.
    """
    if data.is_file():
        return {data: data.name}
    if not data.is_dir():
        raise InputError(
            "there is nothing to upload", where=data, got="nothing", allowed="a file or a folder of files"
        )
    found = {path: path.relative_to(data).as_posix() for path in sorted(_below(data))}
    wanted = {path: name for path, name in found.items() if any(fnmatch(name, p) for p in patterns)}
    for path in wanted:
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise InputError(
                "this is no plain file",
                where=path,
                got="a symbolic link" if path.is_symlink() else "a device, pipe or socket",
                allowed="files and folders",
                next_step="Put a copy of what it points to in its place, or leave it out",
            )
    files = {path: name for path, name in wanted.items() if path.is_file()}
    if not files:
        raise InputError(
            "the folder holds no file to upload",
            where=data,
            got=", ".join(list(found.values())[:10]) or "an empty folder",
            allowed=", ".join(patterns),
        )
    return files


def _below(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise _unreadable(Path(error.filename), error) from error

    for place, folders, files in os.walk(folder, onerror=refuse):
        yield from (Path(place, name) for name in (*folders, *files))


def _read(path: Path, name: str, advance: Callable[[int], None]) -> LocalFile:
    """Read a file once for its digests."""
    size = _size(path)
    whole, parts = hashlib.sha256(), []
    try:
        with path.open("rb") as file:
            while block := file.read(part_size(size)):
                whole.update(block)
                parts.append(hashlib.sha256(block).digest())
                advance(len(block))
    except OSError as error:
        raise _unreadable(path, error) from error
    return LocalFile(path, name, size, whole.hexdigest(), tuple(parts) or (hashlib.sha256().digest(),))


def _part(file: LocalFile, number: int) -> bytes:
    """One part of a file, which has to be what it was when it was read for its digest."""
    length = part_size(file.size)
    try:
        with file.path.open("rb") as stream:
            stream.seek(number * length)
            content = stream.read(length)
    except OSError as error:
        raise _unreadable(file.path, error) from error
    if hashlib.sha256(content).digest() != file.parts[number]:
        raise InputError(
            "the file changed while it was being uploaded",
            where=file.path,
            next_step="Run it again when nothing writes to the file any more",
        )
    return content


def _same(part: Mapping[str, Any], file: LocalFile, number: int) -> bool:
    """Whether a part on S3 is what the file's part is now. Servers that stand in for S3 may keep only its MD5."""
    if "ChecksumSHA256" in part:
        return bool(part["ChecksumSHA256"] == _base64(file.parts[number]))
    return bool(
        part["ETag"].strip('"') == hashlib.md5(_part(file, number), usedforsecurity=False).hexdigest()
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(
        "it can't be read", where=path, got=error.strerror, next_step="Give this user the right to read it"
    )


def _at_once(function: Callable[[Any], None], items: Iterable[Any]) -> None:
    """Call a function for every item, some side by side; the first failure ends it, and so does Ctrl-C."""
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        for _ in pool.map(function, items):
            pass
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _progress(console: Console, verb: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar in a terminal, nothing elsewhere."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn(verb), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(verb, total=total)
        yield lambda count: bar.advance(task, count)


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def _shown(count: int) -> str:
    from rich.filesize import decimal

    return decimal(count)
