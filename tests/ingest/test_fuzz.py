"""Dirty CSV files of every kind, beside readers that share nothing with this one but the rules."""

from __future__ import annotations

import csv
import io
import pathlib
import tempfile

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sluice.ingest.csv_file import CsvFile
from sluice.recipe.model import Csv
from tests.ingest.build import read, write

same_everywhere = settings(derandomize=True, deadline=None, max_examples=300)
soup = st.lists(
    st.sampled_from([b"a", b",", b'"', b"\n", b"\r", b" ", b"\xff", b'",', b'"\n', b'""', b"b,c\n"]),
    max_size=40,
)


def line_end(text: bytes, start: int) -> int:
    """The byte after the end of the line that starts here."""
    for position in range(start, len(text)):
        if text[position : position + 2] == b"\r\n":
            return position + 2
        if text[position] in b"\r\n":
            return position + 1
    return len(text)


def record(text: bytes, position: int) -> tuple[list[bytes], int] | None:
    """One record, byte by byte, and where the next begins; None where its quotes are broken."""
    fields, field, state = [], b"", "start"
    while position < len(text):
        byte = text[position : position + 1]
        if state == "quoted":
            if byte == b'"':
                state = "closed"
            else:
                field += byte
        elif state == "closed" and byte == b'"':
            field, state = field + byte, "quoted"
        elif byte in (b"\r", b"\n"):
            return [*fields, field], line_end(text, position)
        elif byte == b",":
            fields, field, state = [*fields, field], b"", "start"
        elif state == "closed":
            return None
        elif state == "start" and byte == b'"':
            state = "quoted"
        else:
            field, state = field + byte, "plain"
        position += 1
    return None if state == "quoted" else ([*fields, field], position)


def read_slowly(text: bytes, columns: int) -> tuple[list[tuple[int, list[bytes]]], list[int]]:
    """Rows with the lines they start on, and the lines that no row starts on."""
    rows, bad = [], []
    position, line = 0, 2
    while position < len(text):
        if text[position] in b"\r\n":
            end = line_end(text, position)
        else:
            found = record(text, position)
            end = found[1] if found else line_end(text, position)
            if found and len(found[0]) == columns:
                rows.append((line, found[0]))
            else:
                bad.append(line)
        while position < end:
            position = line_end(text, position)
            line += 1
    return rows, bad


@pytest.mark.parametrize("block_bytes", [1, 7, 64, 1 << 20])
@same_everywhere
@given(parts=soup)
@example(parts=[b'a,"b\n', b'c,"d"\n'])
@example(parts=[b'"\n"\n', b'a,b"\n', b'"'])
def test_any_bytes_are_read_as_the_slow_reader_reads_them(block_bytes, parts):
    body = b"".join(parts)
    if not body.strip(b"\r\n"):
        body += b"a,b"
    with tempfile.TemporaryDirectory() as name:
        path = write(pathlib.Path(name), "rows.csv", b"x,y\n" + body)
        chunks = list(CsvFile(path, "rows.csv", Csv(), {}, block_bytes=block_bytes).chunks(["x", "y"], {}))
    rows, bad = read_slowly(body, 2)
    kept = [
        (line, [pa.array(cells).cast(pa.binary())[row].as_py() for cells in chunk.columns.values()])
        for chunk in chunks
        for row, line in enumerate(chunk.lines.tolist())
    ]
    unreadable = [each for chunk in chunks for each in chunk.unreadable]
    assert kept == rows
    assert [each.line for each in unreadable] == bad
    places = sorted(
        [row for chunk in chunks for row in chunk.rows.tolist()] + [each.row for each in unreadable]
    )
    assert places == list(range(len(rows) + len(bad)))


cell = st.text(st.sampled_from('ab ",\n\ré£'), max_size=8)
table = st.lists(st.lists(cell, min_size=1, max_size=4), min_size=1, max_size=12)


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@same_everywhere
@given(rows=table, wrong=st.sets(st.integers(0, 11)))
def test_a_well_quoted_file_is_read_as_the_csv_module_reads_it(quoting, rows, wrong):
    text = io.StringIO()
    csv.writer(text, quoting=quoting, lineterminator="\r\n").writerows(rows)
    again = [row for row in csv.reader(io.StringIO(text.getvalue(), newline="")) if row]
    lines = io.StringIO()
    for place, row in enumerate(rows):
        # A wrong byte, as a private character until the text is bytes.
        marked = [row[0] + "\ue000", *row[1:]] if place in wrong else row
        csv.writer(lines, quoting=quoting, lineterminator="\r\n").writerow(marked)
    raw = lines.getvalue().encode().replace("\ue000".encode(), b"\xff")
    if not raw.strip(b"\r\n"):
        return
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write(folder, "rows.csv", b"x,y\n" + raw)
        result = read(folder)
    expected = [
        [cell.strip() or None for cell in row]
        for place, row in enumerate(rows)
        if len(row) == 2 and place not in wrong
    ]
    assert [[row["x"], row["y"]] for row in result.rows] == expected
    assert result.account.rows_read == len(rows)
    assert len(again) == len(rows)
