"""Which encoding a CSV file is written in, and its bytes as UTF-8 while they are read.

A byte that the encoding doesn't have must cost its own row and no other, and a reader must be able to see it. So it is
carried along as bytes that UTF-8 doesn't have either, and the row ends in quarantine like any other with a wrong byte.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sluice.contract.errors import InputError
from sluice.ingest.quarantine import UTF16, WRONG_BYTE
from sluice.ingest.source import read_at_least

Declared = Literal["utf-8", "utf-16", "latin-1", "cp1252"]

MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
"""What a file may begin with to say its encoding."""

SAID = {"utf-8": "UTF-8", "utf-16-le": UTF16, "utf-16-be": UTF16, "latin-1": "Latin-1", "cp1252": "cp1252"}
DAMAGED = 0.01
"""The share of rows with wrong bytes up to which those rows are damaged; above it the encoding is another."""
_UTF32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)


@dataclass(frozen=True)
class Encoding:
    """A file's encoding."""

    codec: str
    mark: int
    """The bytes of its byte order mark."""

    @property
    def said(self) -> str:
        """What messages call it."""
        return SAID[self.codec]


def another_encoding(reasons: Mapping[str, int], rows: int, declared: Declared) -> str:
    """What to try where too many rows have wrong bytes for a few of them to be damaged; nothing otherwise.

    Args:
        reasons: quarantined rows by the kind of reason.
        rows: all rows that were read.
        declared: what the recipe says.
    """
    wrong = reasons.get(WRONG_BYTE, 0)
    if declared != "utf-8" or wrong <= DAMAGED * rows:
        return ""
    return (
        f"rows with wrong bytes: {wrong:,} of {rows:,}; "
        "if the files are Windows-1252 or Latin-1, write data.csv.encoding: cp1252 (or latin-1) into the recipe"
    )


def encoding_of(head: bytes, declared: Declared, name: str, said_by: str) -> Encoding:
    """A file's encoding, by its first bytes and the recipe's word.

    Args:
        head: the file's first bytes.
        declared: what the recipe says; a byte order mark goes before.
        name: the file, for messages.
        said_by: where the recipe says it, for messages.

    Raises:
        InputError: the first bytes can't be of that encoding.
    """
    if head.startswith(_UTF32):
        raise _refusal("the file is UTF-32", head, name, "Convert it: iconv -f UTF-32 -t UTF-8 FILE")
    for mark, codec in MARKS.items():
        if head.startswith(mark):
            return Encoding(codec, len(mark))
    if declared == "utf-16":
        return Encoding(_byte_order(head, name, said_by), 0)
    if b"\x00" in head[:4]:
        write = f"If it is, write {said_by}.encoding: utf-16"
        raise _refusal("the file seems to be UTF-16 without a byte order mark", head, name, write)
    return Encoding(declared, 0)


def _byte_order(head: bytes, name: str, said_by: str) -> str:
    """Half of the bytes of a header in UTF-16 are zero, the first or the second of each pair."""
    first, second = head[::2].count(0), head[1::2].count(0)
    if first == second:
        write = f"Write in {said_by}.encoding what it is: utf-8, latin-1 or cp1252"
        raise _refusal("the file is not UTF-16", head, name, write)
    return "utf-16-le" if second > first else "utf-16-be"


def _refusal(what: str, head: bytes, name: str, next_step: str) -> InputError:
    got = f"first bytes {head[:4].hex(' ')}"
    return InputError(
        what, where=name, got=got, allowed="UTF-8, UTF-16, Latin-1 or cp1252", next_step=next_step
    )


def as_utf8(stream: Any, encoding: Encoding, name: str) -> Any:
    """The stream behind its byte order mark, as UTF-8."""
    read_at_least(stream, encoding.mark, name)
    if encoding.codec == "utf-8":
        return stream
    return _Utf16(stream, encoding.codec) if encoding.said == UTF16 else _SingleBytes(stream, encoding.codec)


class _SingleBytes:
    """An encoding of one byte a character. A byte that it doesn't have stays as it is: UTF-8 has no such byte alone."""

    def __init__(self, stream: Any, codec: str) -> None:
        self._stream, self._codec = stream, codec

    def read(self, size: int) -> bytes:
        """Read on; give nothing at the end only."""
        raw: bytes = self._stream.read(size)
        if raw.isascii():
            return raw
        return raw.decode(self._codec, "surrogateescape").encode("utf-8", "surrogateescape")


class _Utf16:
    """UTF-16. Half of a surrogate pair stays a half, and so does a byte that is left over at the file's end."""

    def __init__(self, stream: Any, codec: str) -> None:
        self._stream, self._codec = stream, codec
        self._decoder = codecs.getincrementaldecoder(codec)("surrogatepass")

    def read(self, size: int) -> bytes:
        """Read on; give nothing at the end only."""
        while raw := self._stream.read(size):
            if text := self._decoder.decode(raw):
                return text.encode("utf-8", "surrogatepass")
        return self._rest().encode("utf-8", "surrogatepass")

    def _rest(self) -> str:
        left = self._decoder.getstate()[0]
        self._decoder.reset()
        whole = len(left) // 2 * 2
        odd = "".join(chr(0xDC00 + byte) for byte in left[whole:])
        return left[:whole].decode(self._codec, "surrogatepass") + odd
