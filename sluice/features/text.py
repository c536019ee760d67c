"""How texts are joined and normalised, word by word; each distinct word is worked out once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sluice.recipe.model import Text

REMEMBERED_WORDS = 1_000_000
"""Distinct words whose result is kept; then the memory starts anew."""


class TextNormaliser:
    """Normalises texts as the recipe says, in this order:

    1. ``lowercase``: the whole text, by Unicode's rules.
    2. ``letters_only``: every character but a to z (and A to Z, if case is kept) and white space is dropped, not
       replaced: "co-op 7" becomes "coop".
    3. ``remove_stopwords``: words that stand in the list are dropped, whatever their case.
    4. ``lemmatize``: each word is replaced by its noun lemma; WordNet knows words in lower case only.

    Once one of 2 to 4 is on, words are separated by one blank and none stands at either end. Else white space stays
    as it is.
    """

    def __init__(
        self, settings: Text, stopwords: Iterable[str] = (), lemmatise: Callable[[str], str] | None = None
    ) -> None:
        self.settings = settings
        self._words = _Words(frozenset(stopwords), lemmatise)
        self._by_word = bool(stopwords) or lemmatise is not None
        self._dropped = re.compile(r"[^a-z\s]" if settings.lowercase else r"[^A-Za-z\s]")

    def __call__(self, text: str) -> str:
        """One text, normalised."""
        if self.settings.lowercase:
            text = text.lower()
        if self.settings.letters_only:
            text = self._dropped.sub("", text)
        if self._by_word:
            return " ".join(filter(None, map(self._words.__getitem__, text.split())))
        return " ".join(text.split()) if self.settings.letters_only else text


class _Words(dict[str, str]):
    """What becomes of each word; empty if it is dropped."""

    def __init__(self, stopwords: frozenset[str], lemmatise: Callable[[str], str] | None) -> None:
        self._stopwords = stopwords
        self._lemmatise = lemmatise or str

    def __missing__(self, word: str) -> str:
        if len(self) >= REMEMBERED_WORDS:
            self.clear()
        self[word] = result = "" if word.lower() in self._stopwords else self._lemmatise(word)
        return result


def join_texts(columns: Sequence[Any]) -> Iterator[str]:
    """Each row's texts joined by one blank, nulls left out; empty where all are null.

    Not Arrow's binary_join_element_wise: where it skips nulls, it gives no row at all for a row of nulls.
    """
    parts = zip(*(column.to_pylist() for column in columns), strict=True)
    return (" ".join(part for part in row if part is not None) for row in parts)


def trimmed(column: Any) -> Any:
    """A column as trimmed strings, blanks as nulls: what the raw data's reader gives, and a request need not."""
    text = pc.utf8_trim_whitespace(column.cast(pa.string()))
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
