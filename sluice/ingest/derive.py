"""Columns cut out of other columns by regular expressions."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sluice.contract.errors import InputError
from sluice.ingest.account import EXAMPLE_VALUES, DerivedCount, add_examples
from sluice.recipe.model import Derive


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


def derive(column: Any, rule: Derive) -> tuple[dict[str, Any], Any]:
    """Cut a column of strings: the new columns, and which rows have a value that the pattern doesn't match."""
    cut = pc.extract_regex(column, rule.pattern)
    missed = pc.and_(pc.is_valid(column), pc.is_null(cut))
    return {name: _blank_to_null(pc.struct_field(cut, name)) for name in rule.columns}, missed


def count_missed(column: Any, missed: Any, count: DerivedCount) -> None:
    """Count the rows that the pattern didn't match, and remember some of their values."""
    values = column.filter(missed)
    count.unmatched += len(values)
    if len(values) and len(count.examples) < EXAMPLE_VALUES:
        add_examples(count.examples, pc.unique(values).to_pylist())


def _blank_to_null(column: Any) -> Any:
    text = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
