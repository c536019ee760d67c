"""A row that can't be read, the table that a user opens to see it, and how its text is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import pyarrow as pa

MAXIMUM_TEXT = 10_000
UTF16 = "UTF-16"
"""What messages call the encoding whose wrong pieces are two bytes long."""

WRONG_BYTE = "wrong byte"
"""The kind of reason of a row whose bytes are not of the file's encoding."""

QUARANTINE_SCHEMA = pa.schema(
    [
        pa.field("file", pa.string(), nullable=False),
        pa.field("line", pa.int64()),
        pa.field("row", pa.int64(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("column", pa.string()),
        pa.field("text", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Quarantined:
    """One row that can't be read."""

    file: str
    """The file, relative to the data folder."""
    line: int | None
    """The physical line its first byte stands on, the file's first being 1; Parquet has no lines."""
    row: int
    """Its place among the file's data rows, the first being 0."""
    reason: str
    """What is wrong: a kind, a colon, the details."""
    column: str | None
    """The column it is wrong in, where one can be named."""
    text: str
    """The row as it stands in the file; bytes that are no UTF-8 as ``\\xNN``."""

    @property
    def kind(self) -> str:
        """What is wrong, without the details."""
        return self.reason.partition(":")[0]

    @property
    def place(self) -> str:
        """The file and line, or file and row where there are no lines."""
        return f"{self.file} row {self.row}" if self.line is None else f"{self.file} line {self.line}"

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


def as_batch(rows: Sequence[Quarantined]) -> pa.RecordBatch:
    """The rows as part of the table that a user opens."""
    return pa.RecordBatch.from_pylist([asdict(row) for row in rows], schema=QUARANTINE_SCHEMA)


def readable(raw: bytes, encoding: str = "UTF-8") -> str:
    """A row's bytes as text that shows each wrong byte, cut off where it gets out of hand."""
    text = raw.rstrip(b"\r\n")
    if encoding == UTF16:
        text = text.decode("utf-8", "surrogatepass").encode("utf-8", "backslashreplace")
    return shorten(text.decode("utf-8", "backslashreplace"))


def wrong_byte(raw: bytes, encoding: str = "UTF-8") -> str:
    """What is wrong with bytes that are no UTF-8, or come from another encoding and were none there."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start][-20:].decode("utf-8", "ignore")
        wrong = f"0x{raw[error.start]:02x}"
        if encoding == UTF16:
            wrong = f"0x{ord(raw[error.start : error.start + 3].decode('utf-8', 'surrogatepass')):04x}"
        return f"{wrong} is not {encoding}, after {before!r}"
    raise AssertionError("only called for bytes that are no UTF-8")


def shorten(text: str) -> str:
    """Cut off a text that is too long to look at, and say so."""
    if len(text) <= MAXIMUM_TEXT:
        return text
    return f"{text[:MAXIMUM_TEXT]}… ({len(text):,} characters in all)"
