"""What columns are called: the standard spelling, and the names of the columns that preprocessing adds."""

from __future__ import annotations

import re
import unicodedata

ROW_ID = "row_id"
"""The added column that numbers the raw rows; it tells a row apart in every table made from them."""
COMBINED_TEXT = "combined_text"
"""The added column that holds the text columns, joined and normalised."""

FOLD = "fold"
"""The added column that holds a row's fold, where the recipe asks for folds."""


def standardise(name: str) -> str:
    """The standard spelling: trimmed, lower case, every run of other characters than letters and digits one underscore."""
    composed = unicodedata.normalize("NFC", name).lower()
    return re.sub(r"[\W_]+", "_", composed).strip("_")


def encoded(column: str) -> str:
    """The added column that holds a category's, a level's or a label's index."""
    return f"{column}_encoded"


def scaled(column: str) -> str:
    """The added column that holds a number, clipped and standardised."""
    return f"{column}_scaled"


def missing(column: str) -> str:
    """The added column that says whether a number was missing."""
    return f"{column}_missing"
