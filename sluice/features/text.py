"""How texts are joined and normalised: a batch of texts as one run of bytes, and each distinct word once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sluice.recipe.model import Text

BATCH_ROWS = 131_072
"""Texts within which repeated ones are found."""
PIECE_BYTES = 8 << 20
"""Bytes of text that are normalised at once; a larger piece has more words in common, and takes more memory."""
REMEMBERED_SHARE = 2
"""Words are remembered up to one byte for so many of the texts that come: finding them again costs time too."""
ROW_END = b"\xff "
"""A word of its own that stands before, between and behind texts: UTF-8 has no such byte."""


class _Memory(NamedTuple):
    """Words met before, and what becomes of them; both with a blank behind. The first is the row end."""

    words: bytes
    results: Any


NOTHING = _Memory(ROW_END, pa.array([""]))


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
        self._settings = settings
        self._stopwords = frozenset(stopwords)
        self._lemmatise = lemmatise or str
        self._memory = NOTHING
        self._by_word = settings.letters_only or settings.remove_stopwords or settings.lemmatize
        self._table, self._deleted = _byte_rules(settings)

    def normalise(self, *columns: Any) -> Any:
        """Each row's texts joined by one blank, nulls left out, and normalised; empty where all are null.

        Args:
            columns: arrays of strings, chunked or not, of one length.

        Returns:
            An array of strings without nulls.
        """
        rows = pa.table(list(columns), names=[str(number) for number, _ in enumerate(columns)])
        done = [self._batch(_joined(batch.columns)) for batch in rows.to_batches(BATCH_ROWS)]
        return pa.chunked_array(done, pa.string()).combine_chunks()

    def _batch(self, texts: Any) -> Any:
        if not self._by_word and not self._settings.lowercase:
            return texts
        repeated = texts.dictionary_encode()
        done = [self._piece(self._unicode(piece)) for piece in _pieces(repeated.dictionary)]
        return pa.concat_arrays(done).take(repeated.indices)

    def _unicode(self, texts: Any) -> Any:
        """What bytes can't do, for the texts that aren't plain ASCII."""
        other = pc.invert(pc.string_is_ascii(texts))
        if not pc.any(other).as_py():
            return texts
        done = map(self._unicode_text, texts.filter(other).to_pylist())
        return pc.replace_with_mask(texts, other, pa.array(done, pa.string()))

    def _unicode_text(self, text: str) -> str:
        if self._settings.lowercase:
            text = text.lower()
        if self._by_word:
            text = " ".join(text.split())
        return text.encode("ascii", "ignore").decode() if self._settings.letters_only else text

    def _piece(self, texts: Any) -> Any:
        """Texts whose non-ASCII part is done. Python sees each new word once; the rest is done in whole arrays."""
        if not self._by_word:
            return pc.ascii_lower(texts)
        content = _run_together(texts, b" " + ROW_END)
        memory = self._memory if len(self._memory.words) * REMEMBERED_SHARE <= len(content) else NOTHING
        content = b"".join((memory.words, ROW_END, content, b" ", ROW_END)).translate(
            self._table, self._deleted
        )
        words = _words(content).dictionary_encode()
        # The remembered words stand first, so that they have the numbers of their results.
        known = len(memory.results)
        new = words.dictionary[known:].cast(pa.string()).to_pylist()
        results = pa.concat_arrays([memory.results, pa.array(map(self._result, new), pa.string())])
        # Assigned at once: threads may share a normaliser.
        self._memory = _Memory(_run_together(words.dictionary, b"").to_pybytes(), results)
        return _rows(results, words.indices[known:])

    def _result(self, word_and_blank: str) -> str:
        """What becomes of a word, with a blank behind; empty if it is dropped."""
        word = word_and_blank[:-1]
        if not word or word.lower() in self._stopwords:
            return ""
        return f"{self._lemmatise(word)} "


def trimmed(column: Any) -> Any:
    """A column as trimmed strings, blanks as nulls: what the raw data's reader gives, and a request need not."""
    text = pc.utf8_trim_whitespace(column.cast(pa.string()))
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def _byte_rules(settings: Text) -> tuple[bytes, bytes]:
    """What becomes of each ASCII character, white space a blank, and which of them are deleted."""
    table, deleted = bytearray(range(256)), bytearray()
    for code in range(128):
        character = chr(code)
        if character.isspace():
            table[code] = ord(" ")
        elif settings.lowercase:
            table[code] = ord(character.lower())
        if settings.letters_only and not (character.isalpha() or character.isspace()):
            deleted.append(code)
    return bytes(table), bytes(deleted)


def _joined(columns: list[Any]) -> Any:
    first, *others = (column.cast(pa.string()) for column in columns)
    if not others:
        return first.fill_null("")
    # Where Arrow skips nulls, it gives no row at all for a row of nulls: such a row gets an empty text.
    lacking = first.is_null()
    for column in others:
        lacking = pc.and_(lacking, column.is_null())
    first = pc.if_else(lacking, "", first)
    return pc.binary_join_element_wise(first, *others, " ", null_handling="skip")


def _pieces(texts: Any) -> Iterator[Any]:
    if texts.nbytes <= PIECE_BYTES or len(texts) == 1:
        yield texts
    else:
        half = len(texts) // 2
        yield from _pieces(texts[:half])
        yield from _pieces(texts[half:])


def _run_together(texts: Any, between: bytes) -> Any:
    """All texts in one buffer."""
    one_row = pa.ListArray.from_arrays(pa.array([0, len(texts)], pa.int32()), texts.cast(pa.binary()))
    return pc.binary_join(one_row, between)[0].as_buffer()


def _words(content: bytes) -> Any:
    """Its words as an array, each with the blank behind it; where blanks follow each other, some are but a blank."""
    blanks = np.flatnonzero(np.frombuffer(content, np.uint8) == ord(" "))
    ends = np.zeros(len(blanks) + 1, np.int32)
    np.add(blanks, 1, out=ends[1:], casting="unsafe")
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(content)]
    return pa.BinaryArray.from_buffers(pa.binary(), len(blanks), buffers)


def _rows(results: Any, numbers: Any) -> Any:
    """Texts from the results' numbers, word by word. 0 is a row end, whose result is empty."""
    _, ends, content = results.take(numbers).buffers()
    row_ends = np.frombuffer(ends, np.int32)[np.flatnonzero(numbers.to_numpy() == 0)]
    texts = pa.StringArray.from_buffers(len(row_ends) - 1, pa.py_buffer(row_ends), content)
    return pc.ascii_rtrim_whitespace(texts)
