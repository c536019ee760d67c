"""CSV files, gzip too: the header, and every record as fields or as a quarantined row with its line."""

from __future__ import annotations

import csv
import io
import itertools
import pathlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from sluice.contract.errors import InputError
from sluice.ingest.names import standardise_all
from sluice.ingest.quarantine import Quarantined, readable
from sluice.ingest.records import Fault, Records, split_records
from sluice.ingest.source import Chunk, first_bytes, open_bytes, read_bytes

BLOCK_BYTES = 8 << 20
HEADER_BYTES = 1 << 20
MAXIMUM_LINE_BYTES = 8 << 20
_BOM = b"\xef\xbb\xbf"
_OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_NUMBER = re.compile(rb'[ "]*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[ "\r\n]*')


@dataclass(frozen=True)
class Header:
    """A CSV file's first record."""

    names: tuple[str, ...]
    end: int
    """The byte after it."""
    lines: int
    """Physical lines up to its end."""


class CsvFile:
    """A CSV file whose header is known."""

    def __init__(self, path: pathlib.Path, name: str, block_bytes: int = BLOCK_BYTES) -> None:
        self.path, self.name, self.block_bytes = path, name, block_bytes
        self.header = read_header(first_bytes(path, name, HEADER_BYTES), name)
        self.columns = standardise_all(self.header.names, name)

    def chunks(self, numeric: frozenset[str]) -> Iterator[Chunk]:
        """Read the rows block by block."""
        line, row = self.header.lines + 1, 0
        for block, records in self._blocks(_WholeRow(self.columns, numeric)):
            yield self._chunk(block, records, line, row)
            line += records.lines
            row += len(records.line) + len(records.faults)

    def _blocks(self, is_whole_row: Callable[[bytes], bool]) -> Iterator[tuple[bytes, Records]]:
        """Blocks of whole lines; a record that isn't complete stays for the next block."""
        with open_bytes(self.path) as stream:
            _skip(stream, self.header.end, self.name)
            rest = b""
            while data := read_bytes(stream, self.block_bytes, self.name):
                rest += data
                if cut := _last_line_end(rest):
                    block = rest[:cut]
                    records = split_records(block, final=False, is_whole_row=is_whole_row)
                    yield block, records
                    rest = rest[records.consumed :]
                elif len(rest) > MAXIMUM_LINE_BYTES:
                    raise _no_lines(self.name)
            if rest:
                yield rest, split_records(rest, final=True, is_whole_row=is_whole_row)

    def _chunk(self, block: bytes, records: Records, first_line: int, first_row: int) -> Chunk:
        rows, fault_rows = _places(records, first_row)
        columns, ragged = _parse(_without(block, records), len(self.columns))
        if len(columns[0]) + len(ragged) != len(records.line):
            raise InputError(
                "the file's records can't be told apart",
                where=f"{self.name} lines {first_line:,} to {first_line + records.lines:,}",
                got=f"{len(columns[0]) + len(ragged):,} records one way, {len(records.line):,} the other",
                next_step="Save the file again as CSV UTF-8, with quotes doubled inside quoted cells",
            )

        def text(record: int) -> str:
            return readable(block[records.start[record] : records.end[record]])

        good = np.ones(len(records.line), np.bool_)
        good[list(ragged)] = False
        places = np.flatnonzero(good)
        lines = records.line + first_line
        unreadable = [
            Quarantined(self.name, int(lines[i]), int(rows[i]), reason, None, text(i))
            for i, reason in ragged.items()
        ]
        for fault, place in zip(records.faults, fault_rows.tolist(), strict=True):
            unreadable.append(self._faulty(block, fault, first_line, place))
        unreadable.sort(key=lambda row: row.row)
        return Chunk(columns, rows[good], lines[good], lambda row: text(int(places[row])), unreadable)

    def _faulty(self, block: bytes, fault: Fault, first_line: int, row: int) -> Quarantined:
        text = readable(block[fault.start : fault.end])
        return Quarantined(self.name, first_line + fault.line, row, fault.reason, None, text)


def read_header(head: bytes, name: str) -> Header:
    """Read a CSV file's header out of its first bytes.

    Raises:
        InputError: the file is empty, holds a header only, or isn't UTF-8 with commas.
    """
    _refuse_utf16(head, name)
    offset = len(_BOM) if head.startswith(_BOM) else 0
    body = head[offset:]
    if not body.strip():
        raise InputError(
            "the file is empty", where=name, allowed="a header and rows", next_step="Fetch it again"
        )
    records = split_records(body, final=True, is_whole_row=lambda _: False)
    if records.faults and (not len(records.line) or records.faults[0].line < records.line[0]):
        raise InputError(
            "the header's quotes are broken",
            where=f"{name} line {records.faults[0].line + 1}",
            got=readable(body[records.faults[0].start : records.faults[0].end]),
            next_step="Close the quote in the header",
        )
    end = int(records.end[0])
    if not body[end:].strip(b"\r\n"):
        raise InputError(
            "the file has a header and no rows",
            where=name,
            allowed="at least one row",
            next_step="Fetch it again",
        )
    return Header(_header_names(body[:end], name), offset + end, _count_lines(body[:end]))


def _header_names(raw: bytes, name: str) -> tuple[str, ...]:
    try:
        text = raw.lstrip(b"\r\n").decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(
            "the header is not UTF-8", where=name, got=_printable(raw), next_step="Save the file as CSV UTF-8"
        ) from None
    names = tuple(next(csv.reader(io.StringIO(text, newline=""))))
    if len(names) == 1:
        _refuse_other_delimiters(names[0], name)
    return names


def _printable(raw: bytes) -> str:
    """What a terminal can show: a binary file's first line holds control characters, too."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in readable(raw))


def _refuse_utf16(head: bytes, name: str) -> None:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in head[:4]:
        raise InputError(
            "the file is UTF-16 or UTF-32",
            where=name,
            got=f"first bytes {head[:4].hex(' ')}",
            allowed="UTF-8, with or without a byte order mark",
            next_step="Convert it: iconv -f UTF-16 -t UTF-8 FILE, or save as CSV UTF-8",
        )


def _refuse_other_delimiters(header: str, name: str) -> None:
    for delimiter, spoken in _OTHER_DELIMITERS.items():
        if delimiter in header:
            raise InputError(
                f"the file seems to be separated by {spoken}",
                where=name,
                got=repr(header),
                allowed="commas between columns",
                next_step="Save the file as CSV with commas",
            )


def _count_lines(raw: bytes) -> int:
    return raw.count(b"\n") + raw.count(b"\r") - raw.count(b"\r\n")


def _skip(stream: Any, size: int, name: str) -> None:
    while size:
        size -= len(read_bytes(stream, size, name))


def _last_line_end(data: bytes) -> int:
    """The byte after the last complete line; a return at the very end may have its newline to come."""
    return data.rfind(b"\n") + 1 or data.rfind(b"\r", 0, max(len(data) - 1, 0)) + 1


def _no_lines(name: str) -> InputError:
    return InputError(
        f"a line is longer than {MAXIMUM_LINE_BYTES >> 20} MiB",
        where=name,
        allowed="CSV or Parquet, gzip too",
        next_step="See that the file is a CSV file",
    )


def _places(records: Records, first_row: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where records and faults stand among the file's rows."""
    fault_lines = np.array([fault.line for fault in records.faults], np.int64)
    together = np.sort(np.concatenate([records.line, fault_lines]))
    rows = first_row + np.searchsorted(together, records.line)
    return rows, first_row + np.searchsorted(together, fault_lines)


def _without(block: bytes, records: Records) -> bytes:
    """The block's complete records, faulty lines cut out."""
    if not records.faults:
        return block if records.consumed == len(block) else block[: records.consumed]
    edges = [0, *itertools.chain.from_iterable((f.start, f.end) for f in records.faults), records.consumed]
    return b"".join(block[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True))


def _parse(data: bytes, count: int) -> tuple[list[Any], dict[int, str]]:
    """Cut records into fields of bytes; records with too few or too many come apart, by their place."""
    if not data:
        return [pa.array([], pa.binary()) for _ in range(count)], {}
    if _is_utf8(data):
        return _parse_as(data, count, "utf8")
    # The parser gives up on a row that is both ragged and no UTF-8, because it can't show it. As latin-1 it can.
    columns, ragged = _parse_as(data, count, "latin1")
    return [_undo_latin1(column) for column in columns], ragged


def _is_utf8(data: bytes) -> bool:
    try:
        pa.array([data], pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        return False
    return True


def _parse_as(data: bytes, count: int, encoding: str) -> tuple[list[Any], dict[int, str]]:
    ragged: dict[int, str] = {}

    def set_aside(row: Any) -> str:
        # Row numbers are there because the parser runs in one thread.
        ragged[row.number - 1] = f"ragged row: {row.actual_columns} fields, {row.expected_columns} columns"
        return "skip"

    names = [str(position) for position in range(count)]
    # As latin-1 a byte becomes two at most, and the file stays one block.
    block_size = 2 * len(data) + 1
    table = pa_csv.read_csv(
        pa.BufferReader(data),
        read_options=pa_csv.ReadOptions(
            use_threads=False, block_size=block_size, column_names=names, encoding=encoding
        ),
        parse_options=pa_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=set_aside),
        convert_options=pa_csv.ConvertOptions(
            check_utf8=False, column_types=dict.fromkeys(names, pa.binary()), strings_can_be_null=False
        ),
    )
    return [column.combine_chunks() for column in table.columns], ragged


def _undo_latin1(column: Any) -> Any:
    text = column.cast(pa.string())
    if pc.all(pc.string_is_ascii(text)).as_py():
        return column
    return pa.array([value.encode("latin-1") for value in text.to_pylist()], pa.binary())


class _WholeRow:
    """Whether a physical line alone is unmistakably a row: each column has a field, each number is one.

    It tells a quoted cell with line breaks in it from an unclosed quote that swallowed rows up to a stray one.
    """

    def __init__(self, columns: Sequence[str], numeric: frozenset[str]) -> None:
        self.count = len(columns)
        self.numbers = [place for place, column in enumerate(columns) if column in numeric]

    def __call__(self, line: bytes) -> bool:
        fields = line.split(b",")
        if not self.numbers or len(fields) != self.count:
            return False
        return all(_NUMBER.fullmatch(fields[place]) for place in self.numbers)
