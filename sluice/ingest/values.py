"""What a cell's text is: trimmed, a blank one null, and nothing in it that no text can hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sluice.ingest.quarantine import WRONG_BYTE, wrong_byte

Report = Callable[[NDArray[np.int64], Callable[[int], str]], None]
"""Takes the rows that can't be kept, and a function that says why one of them can't."""

_SHOWN = 60


def to_text(column: Any, report: Report, encoding: str = "UTF-8") -> Any:
    """A column as trimmed strings, blanks as nulls. Wrong bytes and NULs are reported.

    Args:
        column: a column as the file has it.
        report: takes the rows whose cell can't be text.
        encoding: what the file is written in, for messages.
    """
    strings = _strings(column, report, encoding)
    _report_nuls(strings, report)
    text = pc.utf8_trim_whitespace(strings)
    blank = pc.equal(pc.binary_length(text), 0)
    return pc.if_else(blank, pa.scalar(None, pa.string()), text) if pc.any(blank).as_py() else text


def _strings(column: Any, report: Report, encoding: str) -> Any:
    kind = column.type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return _decode(column.cast(pa.binary()), report, encoding)
    if pa.types.is_dictionary(kind):
        return _strings(column.dictionary_decode(), report, encoding)
    if pa.types.is_floating(kind):
        # Some writers mark a missing value by NaN; where a number is no quantity, it means nothing else.
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, kind), column)
    return column.cast(pa.string())


def _decode(column: Any, report: Report, encoding: str) -> Any:
    try:
        return column.cast(pa.string())
    except pa.ArrowInvalid:
        pass
    values = column.to_pylist()
    wrong = {row: value for row, value in enumerate(values) if value is not None and not _is_utf8(value)}
    report(np.array(list(wrong), np.int64), lambda row: f"{WRONG_BYTE}: {wrong_byte(wrong[row], encoding)}")
    return pa.array([None if row in wrong else value for row, value in enumerate(values)], pa.binary()).cast(
        pa.string()
    )


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _report_nuls(column: Any, report: Report) -> None:
    """A NUL is what a damaged file or a binary one has; no writer means it, and many readers end a text at it."""
    data = column.buffers()[2]
    if data is None or b"\0" not in data.to_pybytes():
        return
    has_nul = pc.fill_null(pc.match_substring(column, "\0"), False)
    report(
        np.flatnonzero(has_nul.to_numpy(zero_copy_only=False)),
        lambda row: f"NUL byte: in {show(column[row])}",
    )


def is_number(kind: Any) -> bool:
    """Whether a column's type is one of numbers, so that its cells need no parsing."""
    types = pa.types
    return bool(
        types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_boolean(kind)
    )


def show(value: Any) -> str:
    """A cell's value in a message, cut off where it is long."""
    text = str(value.as_py())
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")
