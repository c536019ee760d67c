"""What travels between steps: tables, features, models and reports, each a folder with a manifest that is written last."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Generic, Self, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from sluice.contract import storage
from sluice.contract.errors import (
    ArtifactMissing,
    ArtifactTampered,
    ContractError,
    SchemaMismatch,
)
from sluice.contract.manifest import (
    MANIFEST,
    Kind,
    Manifest,
    Parent,
    PayloadFile,
    Producer,
    content_digest,
    parse_manifest,
)
from sluice.contract.schema import Columns, Role, TableColumn, arrow_schema

ROW_GROUP = 65_536
"""Rows of a row group: what a reader or writer of a table holds in memory."""
ROWS_PER_PART = 16 * ROW_GROUP
"""Rows of a Parquet part."""


class Artifact:
    """A finished artifact. Opening reads its manifest; its payload is verified before the first byte is handed out."""

    kind: ClassVar[Kind]

    def __init__(self, uri: str, manifest: Manifest) -> None:
        self.uri = uri
        self.manifest = manifest

    @classmethod
    def open(cls, uri: str) -> Self:
        """Open the artifact whose manifest stands at `uri`.

        Raises:
            ArtifactMissing: there is no manifest.
            ContractError: it is malformed, of another kind, or of a newer contract.
        """
        manifest = read_manifest(uri)
        if manifest.kind != cls.kind:
            raise ContractError("wrong kind of artifact", where=uri, got=manifest.kind, allowed=cls.kind)
        return cls(uri, manifest)

    @property
    def digest(self) -> str:
        """The artifact's identity."""
        return self.manifest.digest

    @cached_property
    def folder(self) -> Path:
        """The payload as a local folder, verified: sizes and sha256 are those of the manifest.

        An artifact on S3 is downloaded once to a cache folder named by its digest.

        Raises:
            ArtifactTampered: a file is missing, or isn't what the manifest says.
        """
        folder = storage.parent(self.uri)
        local = storage.local_path(folder) if storage.is_local(folder) else self._download(folder)
        for file in self.manifest.files:
            verify(local / file.path, file, where=storage.join(folder, file.path))
        return local

    def _download(self, folder: str) -> Path:
        target = _cache() / self.digest
        if target.exists():
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{self.digest[:12]}-", dir=target.parent))
        try:
            for file in self.manifest.files:
                storage.download(storage.join(folder, file.path), partial / file.path)
            storage.publish(partial, target.as_uri(), last="")
        except FileNotFoundError as error:
            raise ArtifactTampered("a payload file is missing", where=folder, got=str(error)) from None
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return target


class Table(Artifact):
    """Rows as Parquet parts, read by row group: a table never has to fit in memory."""

    kind: ClassVar[Kind] = "table"

    @property
    def columns(self) -> Columns:
        """Every column, in order."""
        return self.manifest.columns or ()

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self.manifest.rows or 0

    def named(self, role: Role) -> list[str]:
        """The names of the readable columns of a role, in order."""
        return [c.name for c in self.columns if c.role == role and c.encodes is None]

    def encoded(self, role: Role) -> list[str]:
        """The names of the columns of a role in a model's form, in order."""
        return [c.name for c in self.columns if c.role == role and c.encodes is not None]

    def batches(
        self, columns: Sequence[str] | None = None, size: int = ROW_GROUP
    ) -> Iterator[pa.RecordBatch]:
        """The rows in order, at most `size` at a time; all columns, or those named."""
        names = [column.name for column in self.columns] if columns is None else list(columns)
        for file in self.manifest.files:
            part = pq.ParquetFile(self.folder / file.path, memory_map=True)
            self._check_schema(part.schema_arrow, file.path)
            yield from part.iter_batches(batch_size=size, columns=names)

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows at once. Only for what is known to be small."""
        names = [column.name for column in self.columns] if columns is None else list(columns)
        schema = arrow_schema([c for name in names for c in self.columns if c.name == name])
        return pa.Table.from_batches(self.batches(names), schema)

    def _check_schema(self, found: pa.Schema, part: str) -> None:
        expected = arrow_schema(self.columns)
        if not found.equals(expected):
            raise SchemaMismatch(
                "a part's Parquet schema is not the manifest's",
                where=f"{storage.parent(self.uri)}/{part}",
                got=found.to_string(show_schema_metadata=False).replace("\n", ", "),
                allowed=expected.to_string().replace("\n", ", "),
            )


class Features(Artifact):
    """Fitted transforms as JSON, Parquet and plain text; never a pickle."""

    kind: ClassVar[Kind] = "features"


class Model(Artifact):
    """A trained model: `model.onnx`, `model.safetensors`, its configuration, tokenizer, features and labels."""

    kind: ClassVar[Kind] = "model"


class Report(Artifact):
    """What people and gates read: HTML that opens from disk, PNG and JSON."""

    kind: ClassVar[Kind] = "report"


KINDS: dict[str, type[Artifact]] = {kind.kind: kind for kind in (Table, Features, Model, Report)}

A = TypeVar("A", bound=Artifact)


class Output(Generic[A]):
    """Where a component writes an artifact. Nothing of it is visible until the whole step has succeeded."""

    def __init__(self, kind: type[A], folder: Path) -> None:
        self.kind = kind
        self.folder = folder
        """An empty local folder: everything written there becomes the payload."""
        self.table: tuple[Columns, dict[str, int]] | None = None
        folder.mkdir(parents=True)

    def writer(self: Output[Table], columns: Sequence[TableColumn]) -> TableWriter:
        """Write this output as a table with these columns, in bounded memory; use it as a context manager."""
        return TableWriter(self, columns)

    def finish(self, producer: Producer, parents: Sequence[Parent]) -> Manifest:
        """Hash the payload and write the manifest, the last file of the artifact."""
        if self.kind is Table and self.table is None:
            raise ContractError("the component wrote no table to this output", where=self.folder.name)
        columns, rows = self.table or (None, {})
        files = tuple(
            _payload(path, self.folder, rows) for path in sorted(self.folder.rglob("*")) if path.is_file()
        )
        total = None if columns is None else sum(rows.values())
        manifest = Manifest(
            kind=self.kind.kind,
            files=files,
            columns=columns,
            rows=total,
            digest=content_digest(self.kind.kind, files, columns, total),
            producer=producer,
            parents=tuple(parents),
        )
        storage.write_bytes((self.folder / MANIFEST).as_uri(), manifest.to_json())
        return manifest


class TableWriter:
    """Writes a table's Parquet parts. Row groups and parts have the same rows however the rows arrive."""

    def __init__(self, output: Output[Table], columns: Sequence[TableColumn]) -> None:
        self.schema = arrow_schema(columns)
        self._output = output
        self._columns = tuple(columns)
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = 0
        self._rows: dict[str, int] = {}
        self._part: pq.ParquetWriter | None = None

    @property
    def rows(self) -> int:
        """Rows taken so far."""
        return sum(self._rows.values()) + self._pending_rows

    def write(self, batch: pa.RecordBatch) -> None:
        """Take some rows.

        Raises:
            SchemaMismatch: the batch's columns or types are not the table's.
        """
        if not batch.schema.equals(self.schema):
            raise SchemaMismatch(
                "rows don't fit the table they are written to",
                where=self._output.folder.name,
                got=batch.schema.to_string(show_schema_metadata=False).replace("\n", ", "),
                allowed=self.schema.to_string().replace("\n", ", "),
            )
        self._pending.append(batch)
        self._pending_rows += batch.num_rows
        while self._pending_rows >= ROW_GROUP:
            self._flush(ROW_GROUP)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None and (self._pending_rows or not self._rows):
            self._flush(self._pending_rows)
        if self._part is not None:
            self._part.close()
        if kind is None:
            self._output.table = (self._columns, self._rows)

    def _flush(self, rows: int) -> None:
        pending = pa.Table.from_batches(self._pending, self.schema)
        name = f"part-{sum(self._rows.values()) // ROWS_PER_PART:05}.parquet"
        if name not in self._rows:
            self._open_part(name)
        assert self._part is not None
        self._part.write_table(pending.slice(0, rows).combine_chunks(), row_group_size=ROW_GROUP)
        self._rows[name] += rows
        self._pending = pending.slice(rows).to_batches()
        self._pending_rows -= rows

    def _open_part(self, name: str) -> None:
        if self._part is not None:
            self._part.close()
        self._part = pq.ParquetWriter(self._output.folder / name, self.schema, compression="zstd")
        self._rows[name] = 0


def read_manifest(uri: str) -> Manifest:
    """Read the manifest at `uri`.

    Raises:
        ArtifactMissing: there is none.
        ContractError: it is malformed or of a newer contract.
    """
    try:
        return parse_manifest(storage.read_bytes(uri), uri)
    except FileNotFoundError:
        raise ArtifactMissing(
            "no artifact here: there is no manifest",
            where=uri,
            allowed=f"the URI of a {MANIFEST}",
            next_step="Run the step that makes it",
        ) from None


def open_artifact(uri: str) -> Artifact:
    """Open an artifact of whichever kind its manifest says."""
    manifest = read_manifest(uri)
    return KINDS[manifest.kind](uri, manifest)


def verify(path: Path, file: PayloadFile, *, where: str) -> None:
    """Check one payload file's size and sha256.

    Raises:
        ArtifactTampered: the file is missing or different.
    """
    if not path.is_file():
        raise ArtifactTampered("a payload file is missing", where=where, next_step=_REMAKE)
    if path.stat().st_size != file.bytes:
        raise ArtifactTampered(
            "a payload file's size is not the manifest's",
            where=where,
            got=f"{path.stat().st_size} bytes",
            allowed=f"{file.bytes} bytes",
            next_step=_REMAKE,
        )
    found = file_sha256(path)
    if found != file.sha256:
        raise ArtifactTampered(
            "a payload file's sha256 is not the manifest's",
            where=where,
            got=found,
            allowed=file.sha256,
            next_step=_REMAKE,
        )


_REMAKE = "The file was changed after it was written: remove the step's folder and run again"


def file_sha256(path: Path) -> str:
    """A local file's sha256."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _payload(path: Path, folder: Path, rows: dict[str, int]) -> PayloadFile:
    name = path.relative_to(folder).as_posix()
    return PayloadFile(
        path=name,
        bytes=path.stat().st_size,
        sha256=file_sha256(path),
        rows=rows.get(name),
    )


def _cache() -> Path:
    default = Path(tempfile.gettempdir()) / f"sluice-cache-{os.getuid()}"
    return Path(os.environ.get("SLUICE_CACHE", default))
