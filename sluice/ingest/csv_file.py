"""CSV files, packed or not: the header, and every record as fields or as a quarantined row with its line."""

from __future__ import annotations

import csv
import io
import itertools
import pathlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from sluice.contract.errors import InputError
from sluice.ingest.encoding import as_utf8, encoding_of
from sluice.ingest.names import names_of
from sluice.ingest.quarantine import Quarantined, readable
from sluice.ingest.records import Fault, Records, split_records
from sluice.ingest.source import Chunk, first_bytes, open_bytes, read_at_least, read_bytes
from sluice.ingest.typed import Looks, looks_like
from sluice.recipe.model import ColumnType, Csv

BLOCK_BYTES = 8 << 20
HEADER_BYTES = 1 << 20
MAXIMUM_LINE_BYTES = 8 << 20
DELIMITERS = {"comma": b",", "semicolon": b";", "tab": b"\t", "bar": b"|"}
"""What the recipe calls them, and what they are."""

_LINE_END = re.compile(rb"\r\n|\r|\n")
_SPOKEN = {"comma": "commas", "semicolon": "semicolons", "tab": "tabs", "bar": "vertical bars"}


@dataclass(frozen=True)
class Header:
    """A CSV file's first record."""

    names: tuple[str, ...]
    end: int
    """The byte after it, as UTF-8."""
    lines: int
    """Physical lines up to its end."""


class CsvFile:
    """A CSV file whose header is known.

    Args:
        path: the file.
        name: what messages call it.
        written: how it is written.
        rename: the recipe's other names for its columns.
        said_by: where the recipe says how it is written, for messages.
        block_bytes: how much of it is read at once.
    """

    def __init__(
        self,
        path: pathlib.Path,
        name: str,
        written: Csv,
        rename: Mapping[str, str],
        said_by: str = "data.csv",
        block_bytes: int = BLOCK_BYTES,
    ) -> None:
        self.path, self.name, self.block_bytes = path, name, block_bytes
        self._delimiter = DELIMITERS[written.delimiter]
        self._encoding = encoding_of(first_bytes(path, name, HEADER_BYTES), written.encoding, name, said_by)
        self.encoding = self._encoding.said
        with open_bytes(path) as raw:
            head = read_at_least(as_utf8(raw, self._encoding, name), HEADER_BYTES, name)
        self.header = read_header(head, name, written, self.encoding, said_by)
        self.originals = self.header.names
        self.columns = names_of(self.originals, rename)

    def chunks(self, wanted: Sequence[str], kinds: Mapping[str, ColumnType]) -> Iterator[Chunk]:
        """Read the rows block by block."""
        places = {column: self.columns.index(column) for column in wanted}
        line, row = self.header.lines + 1, 0
        for block, records in self._blocks(_WholeRow(self.columns, kinds, self._delimiter)):
            yield self._chunk(block, records, places, line, row)
            line += records.lines
            row += len(records.line) + len(records.faults)

    def _blocks(self, is_whole_row: Callable[[bytes], bool]) -> Iterator[tuple[bytes, Records]]:
        """Blocks of whole lines; a record that isn't complete stays for the next block."""
        with open_bytes(self.path) as raw:
            stream = as_utf8(raw, self._encoding, self.name)
            rest = read_at_least(stream, self.header.end, self.name)[self.header.end :]
            while data := read_bytes(stream, self.block_bytes, self.name):
                rest += data
                if cut := _last_line_end(rest):
                    block = rest[:cut]
                    records = self._split(block, is_whole_row, final=False)
                    yield block, records
                    rest = rest[records.consumed :]
                elif len(rest) > MAXIMUM_LINE_BYTES:
                    raise _no_lines(self.name)
            if rest:
                yield rest, self._split(rest, is_whole_row, final=True)

    def _split(self, block: bytes, is_whole_row: Callable[[bytes], bool], *, final: bool) -> Records:
        return split_records(block, final=final, is_whole_row=is_whole_row, delimiter=self._delimiter)

    def _chunk(
        self, block: bytes, records: Records, wanted: Mapping[str, int], first_line: int, first_row: int
    ) -> Chunk:
        rows, fault_rows = _places(records, first_row)
        cells, ragged = _Parser(len(self.columns), [*wanted.values()], self._delimiter).parse(
            _without(block, records)
        )
        columns = dict(zip(wanted, cells, strict=True))
        if len(cells[0]) + len(ragged) != len(records.line):
            raise InputError(
                "the file's records can't be told apart",
                where=f"{self.name} lines {first_line:,} to {first_line + records.lines:,}",
                got=f"{len(cells[0]) + len(ragged):,} records one way, {len(records.line):,} the other",
                next_step="Save the file again as CSV UTF-8, with quotes doubled inside quoted cells",
            )

        def text(record: int) -> str:
            return readable(block[records.start[record] : records.end[record]], self.encoding)

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
        text = readable(block[fault.start : fault.end], self.encoding)
        return Quarantined(self.name, first_line + fault.line, row, fault.reason, None, text)


def read_header(head: bytes, name: str, written: Csv, encoding: str, said_by: str) -> Header:
    """Read a CSV file's header out of its first bytes.

    Raises:
        InputError: the file is empty, holds a header only, or isn't written as the recipe says.
    """
    offset = _offset(head, written.header_line, name, said_by)
    body = head[offset:]
    if not body.strip():
        raise InputError(
            "the file is empty", where=name, allowed="a header and rows", next_step="Fetch it again"
        )
    delimiter = DELIMITERS[written.delimiter]
    records = split_records(body, final=True, is_whole_row=lambda _: False, delimiter=delimiter)
    if records.faults and (not len(records.line) or records.faults[0].line < records.line[0]):
        raise InputError(
            "the header's quotes are broken",
            where=f"{name} line {written.header_line + records.faults[0].line}",
            got=readable(body[records.faults[0].start : records.faults[0].end]),
            next_step="Close the quote in the header",
        )
    end = int(records.end[0])
    if not body[end:].strip(b"\r\n"):
        raise InputError(
            "the file has a header and no rows",
            where=name,
            allowed="at least one row",
            next_step=_without_rows(said_by),
        )
    names = _header_names(body[:end], name, delimiter, encoding, said_by)
    if len(names) == 1:
        _refuse_other_delimiters(names[0], name, written, said_by)
    return Header(names, offset + end, _count_lines(head[: offset + end]))


def _without_rows(said_by: str) -> str:
    left_out = ", or leave it out of data.files if it is to have none" if said_by == "data.csv" else ""
    return f"Fetch it again{left_out}"


def _offset(head: bytes, line: int, name: str, said_by: str) -> int:
    """Where a line begins."""
    offset = 0
    for passed in range(1, line):
        end = _LINE_END.search(head, offset)
        if end is None:
            raise InputError(
                f"{said_by}.header_line is a line that isn't there",
                where=name,
                got=f"line {line}; the file has {passed}",
                allowed=f"a line in the file's first {HEADER_BYTES >> 20} MiB",
                next_step=f"Correct {said_by}.header_line in the recipe",
            )
        offset = end.end()
    return offset


def _header_names(raw: bytes, name: str, delimiter: bytes, encoding: str, said_by: str) -> tuple[str, ...]:
    try:
        text = raw.lstrip(b"\r\n").decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(
            f"the header is not {encoding}",
            where=name,
            got=_printable(readable(raw, encoding)),
            next_step=f"If the file is Latin-1 or Windows-1252, write {said_by}.encoding: cp1252; "
            "or save it as CSV UTF-8",
        ) from None
    return tuple(next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter.decode())))


def _printable(text: str) -> str:
    """What a terminal can show: a binary file's first line holds control characters, too."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _refuse_other_delimiters(header: str, name: str, written: Csv, said_by: str) -> None:
    for other, delimiter in DELIMITERS.items():
        if delimiter.decode() in header:
            raise InputError(
                f"the file seems to be separated by {_SPOKEN[other]}",
                where=name,
                got=repr(header),
                allowed=f"{_SPOKEN[written.delimiter]} between columns, as {said_by}.delimiter says",
                next_step=f"Write {said_by}.delimiter: {other} into the recipe",
            )


def _count_lines(raw: bytes) -> int:
    return raw.count(b"\n") + raw.count(b"\r") - raw.count(b"\r\n")


def _last_line_end(data: bytes) -> int:
    """The byte after the last complete line; a return at the very end may have its newline to come."""
    return max(data.rfind(b"\n"), data.rfind(b"\r", 0, max(len(data) - 1, 0))) + 1


def _no_lines(name: str) -> InputError:
    return InputError(
        f"a line is longer than {MAXIMUM_LINE_BYTES >> 20} MiB",
        where=name,
        allowed="CSV, packed with gzip or zstd too, or Parquet",
        next_step="See that the file is a CSV file",
    )


def _places(records: Records, first_row: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where records and faults stand among the file's rows."""
    if not records.faults:
        return np.arange(first_row, first_row + len(records.line)), np.empty(0, np.int64)
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


class _Parser:
    """Cuts records into fields of bytes; records with too few or too many come apart, by their place."""

    def __init__(self, count: int, wanted: Sequence[int], delimiter: bytes) -> None:
        self.names = [str(place) for place in range(count)]
        self.wanted = [str(place) for place in wanted]
        self.delimiter = delimiter.decode()

    def parse(self, data: bytes) -> tuple[list[Any], dict[int, str]]:
        """The wanted columns of the records, and what is wrong with the ragged ones."""
        if not data:
            return [pa.array([], pa.binary()) for _ in self.wanted], {}
        if _is_utf8(data):
            return self._parse_as(data, "utf8", pa.string())
        # The parser gives up on a row that is both ragged and no UTF-8, because it can't show it. As latin-1 it can.
        columns, ragged = self._parse_as(data, "latin1", pa.binary())
        return [_undo_latin1(column) for column in columns], ragged

    def _parse_as(self, data: bytes, encoding: str, kind: Any) -> tuple[list[Any], dict[int, str]]:
        ragged: dict[int, str] = {}

        def set_aside(row: Any) -> str:
            # Row numbers are there because the parser runs in one thread.
            ragged[row.number - 1] = (
                f"ragged row: {row.actual_columns} fields, {row.expected_columns} columns"
            )
            return "skip"

        # As latin-1 a byte becomes two at most, and the file stays one block.
        block_size = 2 * len(data) + 1
        table = pa_csv.read_csv(
            pa.BufferReader(data),
            read_options=pa_csv.ReadOptions(
                use_threads=False, block_size=block_size, column_names=self.names, encoding=encoding
            ),
            parse_options=pa_csv.ParseOptions(
                delimiter=self.delimiter, newlines_in_values=True, invalid_row_handler=set_aside
            ),
            convert_options=pa_csv.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(self.wanted, kind),
                include_columns=self.wanted,
                strings_can_be_null=False,
            ),
        )
        return [column.combine_chunks() for column in table.columns], ragged


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        pa.array([data], pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        return False
    return True


def _undo_latin1(column: Any) -> Any:
    text = column.cast(pa.string())
    if pc.all(pc.string_is_ascii(text)).as_py():
        return column
    return pa.array([value.encode("latin-1") for value in text.to_pylist()], pa.binary())


class _WholeRow:
    """Whether a physical line alone is unmistakably a row: each column has a field, each number and date is one.

    It tells a quoted cell with line breaks in it from an unclosed quote that swallowed rows up to a stray one.
    """

    def __init__(self, columns: Sequence[str], kinds: Mapping[str, ColumnType], delimiter: bytes) -> None:
        self.count, self.delimiter = len(columns), delimiter
        self.looks: list[tuple[int, Looks]] = [
            (place, looks_like(kinds[column])) for place, column in enumerate(columns) if column in kinds
        ]

    def __call__(self, line: bytes) -> bool:
        fields = line.split(self.delimiter)
        if not self.looks or len(fields) != self.count:
            return False
        return all(looks(fields[place].strip(b' "\r\n')) for place, looks in self.looks)
