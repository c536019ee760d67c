"""How long texts are in tokens of the recipe's tokenizer, and how many the model would cut off."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from components.preprocess.audit.record import Lengths
from components.preprocess.audit.rows import Rows, quoted
from sluice.backbone import open_tokenizer
from sluice.recipe import COMBINED_TEXT
from sluice.recipe.parts import Reading

ROWS = 50_000
CHARACTERS = 40_000_000
"""So many rows and characters are tokenised at most."""
AT_ONCE = 1_000
STEPS = 20
PERCENTILES = (5, 25, 50, 75, 95, 99, 100)


def find_lengths(rows: Rows, reading: Reading) -> Lengths:
    """Count the tokens of texts.

    Raises:
        ResourceMissing: the backbone's tokenizer isn't here.
    """
    counts, sampled = _count(rows, open_tokenizer(reading.backbone))
    found = {f"{p}%": int(np.percentile(counts, p)) for p in PERCENTILES} if len(counts) else {}
    return Lengths(
        backbone=reading.backbone,
        maximum=reading.maximum_tokens,
        texts=len(counts),
        sampled=sampled,
        percentiles=found,
        cut_off=int((counts > reading.maximum_tokens).sum()),
        histogram=_histogram(counts),
    )


def _count(rows: Rows, tokenizer: Any) -> tuple[np.ndarray[Any, np.dtype[np.int64]], bool]:
    """Each text's tokens, special ones included, and whether it was a sample."""
    tokenizer.no_truncation()
    tokenizer.no_padding()
    text = quoted(COMBINED_TEXT)
    mean = max(rows.one(f"SELECT avg(length({text})) FROM every") or 1, 1)
    wanted = min(ROWS, int(CHARACTERS / mean))
    counts: list[int] = []
    asked = rows.connection.execute(f"SELECT {text} FROM every WHERE {rows.sampled(rows.total, wanted)}")
    while texts := asked.fetchmany(AT_ONCE):
        counts += [len(one.ids) for one in tokenizer.encode_batch_fast([text for (text,) in texts])]
    return np.array(sorted(counts), np.int64), rows.total > wanted


def _histogram(counts: np.ndarray[Any, np.dtype[np.int64]]) -> dict[str, int]:
    """Twenty steps up to the 99th percentile; what is longer is in the last one."""
    if not len(counts):
        return {}
    last = max(int(np.percentile(counts, 99)), STEPS)
    edges = sorted({round(last * i / STEPS) for i in range(STEPS)})
    bounds = np.searchsorted(counts, [*edges, counts[-1] + 1])
    return {str(edge): int(high - low) for edge, (low, high) in zip(edges, pairwise(bounds), strict=True)}
