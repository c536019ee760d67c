"""What a cell is when the recipe says what its column holds: a number, an integer or a date, or not what it should be."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sluice.ingest.values import Report, is_number, show
from sluice.recipe.model import ColumnType

Looks = Callable[[bytes], bool]
"""Says whether a cell, trimmed, is unmistakably what its column holds."""

LARGEST_INTEGER = 2**53
"""From here on a floating number can't tell an integer from its neighbour."""

_PLAIN = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
# NaN and infinity parse, and are refused as what they are.
_NOT_FINITE = r"(?i:nan|inf|infinity)"
_GROUPS = {" ": "[ \u00a0\u2009\u202f]", "'": "['\u2019]"}
"""A blank that groups digits is often one that doesn't break the line, an apostrophe often a typographer's."""

# What C's strptime reads otherwise than Python's: days past a month's end become the next month's, years of fewer
# than four digits and the sixtieth second pass. Python, which is slow and strict, decides on what could be such a value.
_EARLIEST = np.datetime64("1000-01-01", "s")
_LATE_DAY = "29|30|31"
_LEAP_SECOND = "6[01]"
# Arrow's strptime knows nothing of any others, or not what Python does.
_QUICK = re.compile(r"(?:[^%]|%[YymdHMSIpBb])*")


def parse(column: Any, kind: ColumnType, report: Report) -> Any:
    """A column as float64, or as timestamps for dates; what can't be parsed is reported, and null in what is returned.

    Args:
        column: trimmed strings, or what a Parquet file holds.
        kind: what its cells should be; anything but text.
        report: takes what isn't.
    """
    if kind.type == "date":
        return _dates(column, kind.format or "", report)
    numbers = (
        column.cast(pa.float64(), safe=False) if is_number(column.type) else _numbers(column, kind, report)
    )
    numbers = _without(
        numbers,
        pc.invert(pc.is_finite(numbers)),
        report,
        lambda row: f"number not finite: {show(column[row])}",
    )
    if kind.type == "number":
        return numbers
    large = pc.greater_equal(pc.abs(numbers), LARGEST_INTEGER)
    broken = pc.or_(pc.not_equal(numbers, pc.floor(numbers)), large)
    return _without(numbers, broken, report, lambda row: f"not an integer: {show(column[row])}")


def is_typed(column: Any, kind: ColumnType) -> bool:
    """Whether a file's column needs no parsing, because it holds numbers or dates and not their text."""
    return _is_date(column.type) if kind.type == "date" else is_number(column.type)


def _is_date(kind: Any) -> bool:
    return bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def looks_like(kind: ColumnType) -> Looks:
    """How a cell of that kind looks. Nothing looks like text: any cell can be one."""
    if kind.type == "date":
        return lambda cell: _date(cell.decode("utf-8", "replace"), kind.format or "") is not None
    pattern = re.compile(_pattern(kind))
    return lambda cell: pattern.search(cell.decode("utf-8", "replace")) is not None


def _without(values: Any, wrong: Any, report: Report, why: Callable[[int], str]) -> Any:
    rows = np.flatnonzero(pc.fill_null(wrong, False).to_numpy(zero_copy_only=False))
    if not len(rows):
        return values
    report(rows, why)
    return pc.if_else(pc.fill_null(wrong, False), pa.scalar(None, values.type), values)


def _numbers(column: Any, kind: ColumnType, report: Report) -> Any:
    if kind.decimal == ".":
        try:
            # With a decimal point, whatever is a number as it stands is that number, and most columns are all such.
            return column.cast(pa.float64())
        except pa.ArrowInvalid:
            pass
    good = pc.match_substring_regex(column, f"{_pattern(kind)}|^[+-]?{_NOT_FINITE}$")
    right = _without(column, pc.invert(good), report, lambda row: f"not a number: {show(column[row])}")
    return _plain(right, kind).cast(pa.float64())


@lru_cache
def _pattern(kind: ColumnType) -> str:
    """The whole of a cell that is a number."""
    sign, money, digits = "[+-]?", _money(kind), _digits(kind)
    plain = rf"(?:{sign}\s*{money}|{money}\s*{sign})\s*{digits}\s*{money}" if money else f"{sign}{digits}"
    if not kind.parentheses:
        return f"^(?:{plain})$"
    inside = (
        rf"{money}\s*\(\s*{money}\s*{digits}\s*{money}\s*\)\s*{money}" if money else rf"\(\s*{digits}\s*\)"
    )
    return f"^(?:{plain}|{inside})$"


def _money(kind: ColumnType) -> str:
    return f"(?:{'|'.join(map(re.escape, kind.currency))})?" if kind.currency else ""


def _digits(kind: ColumnType) -> str:
    plain = _PLAIN.replace(r"\.", re.escape(kind.decimal))
    if kind.thousands is None:
        return plain
    group = _group(kind.thousands)
    return rf"(?:[0-9]{{1,3}}(?:{group}[0-9]{{3}})+(?:{re.escape(kind.decimal)}[0-9]*)?|{plain})"


def _group(thousands: str) -> str:
    return _GROUPS.get(thousands, re.escape(thousands))


def _plain(column: Any, kind: ColumnType) -> Any:
    """Numbers that match the kind's pattern, as any reader writes them."""
    if kind.parentheses:
        column = pc.replace_substring(pc.replace_substring(column, "(", "-"), ")", "")
    if kind.currency:
        signs = "|".join(map(re.escape, kind.currency))
        column = pc.replace_substring_regex(column, rf"^([+-]?)\s*(?:{signs})\s*", r"\1")
        column = pc.replace_substring_regex(column, rf"\s*(?:{signs})\s*$", "")
    if kind.thousands:
        column = pc.replace_substring_regex(column, _group(kind.thousands), "")
    if kind.decimal == ",":
        column = pc.replace_substring(column, ",", ".")
    return pc.replace_substring_regex(column, r"\s+", "") if kind.currency or kind.parentheses else column


def _dates(column: Any, form: str, report: Report) -> Any:
    """Timestamps. A column's dates repeat, so each is read once a batch."""
    if _is_date(column.type):
        return column.cast(pa.timestamp("s"), safe=False)
    encoded = column.dictionary_encode()
    dates = _distinct_dates(encoded.dictionary, form).take(encoded.indices)
    wrong = pc.and_(pc.is_valid(column), pc.is_null(dates))
    return _without(dates, wrong, report, lambda row: f"not a date: {show(column[row])} is not {form}")


def _distinct_dates(texts: Any, form: str) -> Any:
    unclear = np.ones(len(texts), np.bool_)
    seconds: NDArray[np.int64] = np.zeros(len(texts), np.int64)
    if _QUICK.fullmatch(form):
        quick = pc.strptime(texts, format=form, unit="s", error_is_null=True)
        unclear = pc.fill_null(_unclear(quick, texts), True).to_numpy(zero_copy_only=False).copy()
        seconds = pc.fill_null(quick.cast(pa.int64()), 0).to_numpy().copy()
    missing = np.zeros(len(texts), np.bool_)
    for place in np.flatnonzero(unclear).tolist():
        date = _date(texts[place].as_py(), form)
        missing[place] = date is None
        seconds[place] = date or 0
    return pa.array(seconds, mask=missing).cast(pa.timestamp("s"))


def _unclear(dates: Any, texts: Any) -> Any:
    early = pc.less(dates, pa.scalar(_EARLIEST))
    past_the_end = pc.and_(pc.less_equal(pc.day(dates), 3), pc.match_substring_regex(texts, _LATE_DAY))
    return pc.or_(pc.or_(early, past_the_end), pc.match_substring_regex(texts, _LEAP_SECOND))


@lru_cache(maxsize=65_536)
def _date(text: str, form: str) -> int | None:
    """A date's seconds since 1970, strictly; of a time zone's date, in Greenwich."""
    try:
        date = datetime.datetime.strptime(text, form)
    except ValueError:
        return None
    moment = date if date.tzinfo else date.replace(tzinfo=datetime.UTC)
    return int((moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)) // datetime.timedelta(seconds=1))
