"""Columns made of other columns: cut out by regular expressions, or recoded value by value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sluice.contract.errors import InputError
from sluice.recipe.model import Derive, Recode

Made = tuple[dict[str, Any], Any]
"""The new columns, and which rows have a value that the rule has no answer for."""


def see_that_it_compiles(rule: Derive) -> None:
    """See that RE2 takes the pattern; Python's own, which the recipe is checked with, takes more.

    Raises:
        InputError: it doesn't.
    """
    try:
        pc.extract_regex(pa.array([], pa.string()), rule.pattern)
    except pa.ArrowInvalid as error:
        raise InputError(
            "data.derive has a pattern that can't be used",
            where=f"from: {rule.source}",
            got=f"{rule.pattern!r}: {error}",
            allowed="RE2 syntax: no look-ahead, no look-behind, no back-references",
            next_step="Write the pattern without them",
        ) from None


def derive(column: Any, rule: Derive) -> Made:
    """Cut a column of strings."""
    return _by_distinct_values(column, lambda values: _cut(values, rule))


def recode(column: Any, rule: Recode) -> Made:
    """Recode a column of strings."""
    return _by_distinct_values(column, lambda values: _recoded(values, rule))


def _cut(column: Any, rule: Derive) -> Made:
    cut = pc.extract_regex(column, rule.pattern)
    missed = pc.and_(pc.is_valid(column), pc.is_null(cut))
    return {name: _blank_to_null(pc.struct_field(cut, name)) for name in rule.columns}, missed


def _recoded(column: Any, rule: Recode) -> Made:
    place = pc.index_in(column, value_set=pa.array(rule.values, pa.string()))
    new = pa.array(rule.values.values(), pa.string()).take(place)
    return {rule.to: new}, pc.and_(pc.is_valid(column), pc.is_null(place))


def _by_distinct_values(column: Any, make: Callable[[Any], Made]) -> Made:
    """What a rule makes of a column; of each value once where values repeat, as most columns' do."""
    encoded = column.dictionary_encode()
    if 2 * len(encoded.dictionary) > len(column):
        return make(column)
    new, missed = make(encoded.dictionary)
    return (
        {name: each.take(encoded.indices) for name, each in new.items()},
        pc.fill_null(missed.take(encoded.indices), False),
    )


def _blank_to_null(column: Any) -> Any:
    text = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
