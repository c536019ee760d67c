"""Where each CSV record starts and ends, and which lines can't be one.

The usual readers let one unclosed quote swallow the lines after it, up to the next quote, without a word. Here
a record whose quoting is broken costs its own line only: reading goes on with the next line. Lines whose quotes
are plain, which is nearly all of them, are found by numpy at once; the others are scanned one by one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

MAXIMUM_RECORD_BYTES = 1 << 20
MAXIMUM_RECORD_LINES = 1_000

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_NEWLINE, _RETURN, _QUOTE = b'\n\r"'
_QUOTED = re.compile(rb'"[^"]*+(?:""[^"]*+)*+"')
_OPEN = "unclosed quote"
_STRAY = "stray quote: text follows a closing quote, or a quote is opened and not closed"


@dataclass(frozen=True)
class Fault:
    """A line, or several, that can't be read as a record."""

    start: int
    end: int
    line: int
    reason: str


@dataclass(frozen=True)
class Records:
    """The records of a block: the bytes each spans, and the block's line (from 0) that each starts on."""

    start: Ints
    end: Ints
    line: Ints
    faults: list[Fault]
    consumed: int
    """Bytes dealt with; what follows belongs to a record that isn't complete yet."""
    lines: int
    """Physical lines dealt with."""


@cache
def _edges(delimiter: bytes) -> Bools:
    """Which bytes may stand beside a cell's quotes."""
    return np.isin(np.arange(256), [delimiter[0], _NEWLINE, _RETURN, _QUOTE])


@cache
def _unquoted(delimiter: bytes) -> re.Pattern[bytes]:
    return re.compile(b"[^" + re.escape(delimiter) + rb"\r\n]*+")


def split_records(
    block: bytes, *, final: bool, is_whole_row: Callable[[bytes], bool], delimiter: bytes = b","
) -> Records:
    """Find the records of a block.

    Args:
        block: bytes that begin with a record and end with a line's end or, where final, with the file's.
        final: whether the file ends here.
        is_whole_row: says whether a physical line, read alone, is unmistakably a row.
        delimiter: the byte between two cells.
    """
    return _Splitter(block, final, is_whole_row, delimiter).split()


class _Splitter:
    def __init__(
        self, block: bytes, final: bool, is_whole_row: Callable[[bytes], bool], delimiter: bytes
    ) -> None:
        self.block, self.final, self.is_whole_row, self.delimiter = block, final, is_whole_row, delimiter
        data = np.frombuffer(block, np.uint8)
        self.starts, self.ends, blank = _lines(data, has_returns=b"\r" in block)
        has_quotes = b'"' in block
        self.plain = (
            _plain(data, self.ends, _edges(delimiter)) if has_quotes else np.ones(len(self.ends), np.bool_)
        )
        self.begins = ~blank
        self.record_ends = self.ends.copy()
        self.faults: list[Fault] = []

    def split(self) -> Records:
        free = 0
        for index in np.flatnonzero(~self.plain).tolist():
            if index >= free:
                free = self._take(index)
                if free == index:
                    return self._records(index)
        return self._records(len(self.starts))

    def _take(self, index: int) -> int:
        """Read the record that starts on a line; give the line after it, or the same line if it isn't complete."""
        start = int(self.starts[index])
        end, broken = _scan(self.block, start, self.delimiter)
        last = int(np.searchsorted(self.ends, end))
        too_long = _too_long(end - start, last - index + 1)
        if broken == _OPEN and not self.final and not too_long:
            return index
        if broken or too_long:
            return self._fault(index, index, _explain(broken, too_long))
        if last > index and self._swallows(index, last):
            return self._fault(index, index, _swallowed(last - index + 1))
        self.begins[index + 1 : last + 1] = False
        self.record_ends[index] = self.ends[last]
        return last + 1

    def _swallows(self, first: int, last: int) -> bool:
        """Whether what looks like one quoted cell is an unclosed quote and rows up to the next quote.

        A cell's first line or its last may look like a row by itself, but not both, and none between them.
        """
        whole = [self.is_whole_row(self.block[self.starts[i] : self.ends[i]]) for i in range(first, last + 1)]
        return any(whole[1:-1]) or (whole[0] and whole[-1])

    def _fault(self, index: int, last: int, reason: str) -> int:
        self.faults.append(Fault(int(self.starts[index]), int(self.ends[last]), index, reason))
        self.begins[index : last + 1] = False
        return last + 1

    def _records(self, lines: int) -> Records:
        line = np.flatnonzero(self.begins[:lines])
        consumed = int(self.ends[lines - 1]) if lines else 0
        return Records(self.starts[line], self.record_ends[line], line, self.faults, consumed, lines)


def _lines(data: NDArray[np.uint8], *, has_returns: bool) -> tuple[Ints, Ints, Bools]:
    """Each physical line's first byte, the byte after its end, and whether there is nothing on it."""
    newline = data == _NEWLINE
    if has_returns:
        returns = np.flatnonzero(data == _RETURN)
        followed = np.zeros(len(returns), np.bool_)
        inside = returns + 1 < len(data)
        followed[inside] = newline[returns[inside] + 1]
        newline[returns[~followed]] = True
    ends = np.flatnonzero(newline) + 1
    if len(data) and (not len(ends) or ends[-1] < len(data)):
        ends = np.append(ends, len(data))
    starts = np.concatenate([np.zeros(min(len(ends), 1), np.int64), ends[:-1]])
    first = data[starts]
    return starts, ends, (first == _NEWLINE) | (first == _RETURN)


def _plain(data: NDArray[np.uint8], ends: Ints, edge: Bools) -> Bools:
    """Lines whose every quote opens at a field's start, closes at a field's end or is one of a doubled pair."""
    plain = np.ones(len(ends), np.bool_)
    quotes = np.flatnonzero(data == _QUOTE)
    line = np.searchsorted(ends, quotes, side="right")
    ordinal = np.arange(len(quotes)) - np.searchsorted(line, line)
    before = edge[data[np.maximum(quotes - 1, 0)]] | (quotes == 0)
    after = edge[data[np.minimum(quotes + 1, len(data) - 1)]]
    plain[line[~np.where(ordinal % 2 == 0, before, after)]] = False
    plain &= np.bincount(line, minlength=len(ends)) % 2 == 0
    return plain


def _scan(block: bytes, position: int, delimiter: bytes) -> tuple[int, str | None]:
    """Where the record's text ends (before its line end), and what is wrong with its quotes."""
    cell, between = _unquoted(delimiter), delimiter[0]
    while True:
        if block.startswith(b'"', position):
            quoted = _QUOTED.match(block, position)
            if quoted is None:
                return len(block), _OPEN
            position = quoted.end()
            if position < len(block) and block[position] not in (between, _NEWLINE, _RETURN):
                return position, _STRAY
        else:
            unquoted = cell.match(block, position)
            position = unquoted.end() if unquoted else position
        if position >= len(block) or block[position] != between:
            return position, None
        position += 1


def _too_long(size: int, lines: int) -> str | None:
    if size <= MAXIMUM_RECORD_BYTES and lines <= MAXIMUM_RECORD_LINES:
        return None
    return f"{lines:,} lines and {size:,} bytes"


def _explain(broken: str | None, too_long: str | None) -> str:
    if broken == _STRAY:
        return _STRAY
    span = f" in {too_long}" if too_long else " up to the end of the file"
    if broken is None:
        return (
            f"oversized record: a quoted cell makes it {too_long}; the lines after its first are read as rows"
        )
    return f"{_OPEN}: a quote is opened and not closed{span}; the lines after it are read as rows"


def _swallowed(lines: int) -> str:
    return (
        f"swallowed rows: a quoted cell runs over {lines} lines, some of which alone are whole rows; "
        "the lines after its first are read as rows"
    )
