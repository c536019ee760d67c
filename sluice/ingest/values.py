"""What a cell means: text is trimmed and blank is null; a number is finite or its row can't be kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Report = Callable[[NDArray[np.int64], Callable[[int], str]], None]
"""Takes the rows that can't be kept, and a function that says why one of them can't."""

# NaN and infinity parse, and are refused as what they are.
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$|^(?i:[+-]?(nan|inf|infinity))$"
_SHOWN = 60


def to_text(column: Any, report: Report) -> Any:
    """A column as trimmed strings, blanks as nulls."""
    text = pc.utf8_trim_whitespace(_strings(column, report))
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def to_numbers(column: Any, report: Report) -> Any:
    """A column as float64. What is no finite number is reported, and null in what is returned."""
    numbers = column.cast(pa.float64(), safe=False) if is_number(column.type) else _parse(column, report)
    infinite = np.flatnonzero(
        pc.invert(pc.fill_null(pc.is_finite(numbers), True)).to_numpy(zero_copy_only=False)
    )
    if len(infinite):
        report(infinite, lambda row: f"number not finite: {_show(column[row])}")
    return numbers


def _strings(column: Any, report: Report) -> Any:
    kind = column.type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return _decode(column.cast(pa.binary()), report)
    if pa.types.is_dictionary(kind):
        return _strings(column.dictionary_decode(), report)
    if pa.types.is_floating(kind):
        # Some writers mark a missing value by NaN; where a number is no quantity, it means nothing else.
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, kind), column)
    return column.cast(pa.string())


def _decode(column: Any, report: Report) -> Any:
    try:
        return column.cast(pa.string())
    except pa.ArrowInvalid:
        pass
    values = column.to_pylist()
    wrong = {row: value for row, value in enumerate(values) if value is not None and not _is_utf8(value)}
    report(np.array(list(wrong), np.int64), lambda row: f"wrong byte: {_wrong_byte(wrong[row])}")
    return pa.array([None if row in wrong else value for row, value in enumerate(values)], pa.binary()).cast(
        pa.string()
    )


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _wrong_byte(value: bytes) -> str:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"0x{value[error.start]:02x} is not UTF-8, after {value[: error.start][-20:].decode()!r}"
    raise AssertionError("only called for bytes that are no UTF-8")


def is_number(kind: Any) -> bool:
    """Whether a column's type is one of numbers, so that its cells need no parsing."""
    types = pa.types
    return bool(
        types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_boolean(kind)
    )


def _parse(column: Any, report: Report) -> Any:
    try:
        return column.cast(pa.float64())
    except pa.ArrowInvalid:
        pass
    good = pc.fill_null(pc.match_substring_regex(column, _NUMBER), True)
    wrong = np.flatnonzero(pc.invert(good).to_numpy(zero_copy_only=False))
    report(wrong, lambda row: f"not a number: {_show(column[row])}")
    return pc.if_else(good, column, pa.scalar(None, pa.string())).cast(pa.float64())


def _show(value: Any) -> str:
    text = str(value.as_py())
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")
