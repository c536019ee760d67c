"""Texts that are nearly equal: candidates by MinHash and locality-sensitive hashing, each verified by counting."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from components.preprocess.audit.record import Alike, NearDuplicates
from components.preprocess.audit.rows import SPLITS, Rows, shortened
from sluice.recipe import COMBINED_TEXT

THRESHOLD = 0.8
"""From so much in common on, as the Jaccard index of their runs of words, two texts are nearly equal."""
RUN = 3
"""Words of a run."""
TEXTS = 100_000
"""Different texts that are compared at most."""
CHARACTERS = 48_000_000
"""Characters of texts that are compared at most; they are held in memory."""
PERMUTATIONS, BANDS = 120, 24
"""A pair with exactly the threshold in common becomes a candidate with a probability of 0.9999."""
CANDIDATES = 100
"""So many candidates of a text are looked at; a text with more has near ones among them."""
SHOWN = 5
TEXTS_AT_ONCE = 5_000


def find_near_duplicates(rows: Rows) -> NearDuplicates:
    """Rows whose features differ, though their texts are equal or nearly so."""
    texts, sampled = _choose(rows)
    found = Found(texts)
    found.compare()
    looked_at, unseen, within, across = _count(rows, found)
    return NearDuplicates(
        threshold=THRESHOLD,
        texts=len(texts),
        rows_looked_at=looked_at,
        sampled=sampled,
        within=within,
        across=across,
        unseen=unseen,
        examples=found.examples(),
    )


def _choose(rows: Rows) -> tuple[list[tuple[int, str, int]], bool]:
    """Different texts, each with its key and its splits as bits; and whether they are a sample."""
    count, characters = rows.query(
        f"SELECT count(*), coalesce(sum(length), 0)::BIGINT FROM "
        f'(SELECT hash("{COMBINED_TEXT}") AS text, any_value(length("{COMBINED_TEXT}")) AS length FROM every GROUP BY 1)'
    )[0]
    share = min(1.0, TEXTS / max(count, 1), CHARACTERS / max(characters, 1))
    chosen = "true" if share == 1 else f"hash(text) < {int(share * 2**64)}::UBIGINT"
    rows.connection.execute(
        "CREATE TABLE texts AS SELECT text, min(row) AS first, bit_or((1 << split)::UTINYINT) AS splits "
        f"FROM keyed WHERE {chosen} GROUP BY text"
    )
    found = rows.query(
        f'SELECT text, "{COMBINED_TEXT}", splits FROM texts JOIN every ON first = row_id ORDER BY first'
    )
    return [(key, text, splits) for key, text, splits in found], share < 1


class Found:
    """Which texts are near which."""

    def __init__(self, texts: Sequence[tuple[int, str, int]]) -> None:
        self.texts = texts
        self.near = np.zeros(len(texts), np.uint8)
        """The splits, as bits, in which each text has a near one."""
        self.pairs: list[tuple[float, int, int]] = []

    def compare(self) -> None:
        """Find each text's near ones."""
        from rensa import RMinHash, RMinHashLSH

        index = RMinHashLSH(THRESHOLD, PERMUTATIONS, BANDS)
        kept = []
        for start in range(0, len(self.texts), TEXTS_AT_ONCE):
            runs = [sorted(_runs(text)) for _, text, _ in self.texts[start : start + TEXTS_AT_ONCE]]
            hashes = RMinHash.from_token_sets(runs, PERMUTATIONS, 42)
            index.insert_many(hashes, start)
            kept += hashes
        for place, hashed in enumerate(kept):
            self._verify(place, index.query(hashed))

    def _verify(self, place: int, candidates: Iterable[int]) -> None:
        """Count what a text has in common with its candidates; those before it have been counted from their side."""
        later = sorted(other for other in candidates if other > place)[:CANDIDATES]
        if not later:
            return
        mine = _runs(self.texts[place][1])
        for other in later:
            theirs = _runs(self.texts[other][1])
            common = len(mine & theirs)
            if mine and common >= THRESHOLD * (len(mine) + len(theirs) - common):
                self._note(place, other, common / (len(mine) + len(theirs) - common))

    def _note(self, one: int, other: int, similarity: float) -> None:
        self.near[one] |= self.texts[other][2]
        self.near[other] |= self.texts[one][2]
        self.pairs.append((similarity, one, other))
        if len(self.pairs) > 1000:
            self.pairs = self._best(self.pairs)

    def _best(self, pairs: list[tuple[float, int, int]]) -> list[tuple[float, int, int]]:
        """Pairs over two splits first, then the most alike."""
        return sorted(pairs, key=lambda p: (self.texts[p[1]][2] == self.texts[p[2]][2], -p[0], p[1], p[2]))[
            :SHOWN
        ]

    def examples(self) -> tuple[Alike, ...]:
        """Some pairs."""
        return tuple(
            Alike(
                similarity=similarity,
                texts=(shortened(self.texts[one][1]), shortened(self.texts[other][1])),
                splits=(_first_split(self.texts[one][2]), _first_split(self.texts[other][2])),
            )
            for similarity, one, other in self._best(self.pairs)
        )


def _runs(text: str) -> set[str]:
    """A text's runs of words; a shorter text is one run. An empty text has none, and is near to nothing."""
    words = text.lower().split()
    return {" ".join(words[i : i + RUN]) for i in range(max(len(words) - RUN + 1, min(len(words), 1)))}


def _first_split(bits: int) -> str:
    return next(split for i, split in enumerate(SPLITS) if bits & 1 << i)


def _count(rows: Rows, found: Found) -> tuple[int, int, int, int]:
    """Rows looked at, those among them that aren't training's, with a near row in their split, with one in training.

    A near row has a near text, or the same text and other features.
    """
    near: Any = pa.table(
        {"text": pa.array([key for key, _, _ in found.texts], pa.uint64()), "near": pa.array(found.near)}
    )
    rows.connection.register("near_texts", near)
    answer = rows.query(
        """
        WITH inputs AS (SELECT k.text, k.split, k.key, count(*) AS n FROM keyed k JOIN near_texts USING (text) GROUP BY ALL),
        same AS (SELECT text, split, count(*) AS keys, any_value(key) AS key FROM inputs GROUP BY ALL),
        judged AS (
            SELECT i.split, i.n,
                here.keys > 1 OR (near & (1 << i.split)) > 0 AS within,
                (near & 1) > 0 OR coalesce(learned.keys > 1 OR learned.key <> i.key, false) AS across
            FROM inputs i JOIN near_texts USING (text)
            JOIN same here ON here.text = i.text AND here.split = i.split
            LEFT JOIN same learned ON learned.text = i.text AND learned.split = 0
        )
        SELECT coalesce(sum(n), 0)::BIGINT, coalesce(sum(n) FILTER (split > 0), 0)::BIGINT,
            coalesce(sum(n) FILTER (within), 0)::BIGINT, coalesce(sum(n) FILTER (split > 0 AND across), 0)::BIGINT
        FROM judged
        """
    )[0]
    rows.connection.unregister("near_texts")
    looked_at, unseen, within, across = answer
    return looked_at, unseen, within, across
