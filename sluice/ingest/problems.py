"""The rows of one chunk that can't be kept, each with the first thing that is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sluice.ingest.quarantine import Quarantined
from sluice.ingest.source import Chunk
from sluice.ingest.values import Report


class Problems:
    """Collects what the columns of a chunk report."""

    def __init__(self, file: str, chunk: Chunk) -> None:
        self._file, self._chunk = file, chunk
        self._found: dict[int, Quarantined] = {}

    def of(self, column: str) -> Report:
        """Where one column's problems are reported."""
        return partial(self._add, column)

    def good(self) -> NDArray[np.bool_] | None:
        """Which rows of the chunk nothing is wrong with; None for all."""
        if not self._found:
            return None
        good = np.ones(len(self._chunk.rows), np.bool_)
        good[list(self._found)] = False
        return good

    def rows(self) -> list[Quarantined]:
        """Every row that can't be kept, in the file's order; those without fields too."""
        return sorted([*self._chunk.unreadable, *self._found.values()], key=lambda row: row.row)

    def _add(self, column: str, rows: NDArray[np.int64], why: Callable[[int], str]) -> None:
        for row in rows.tolist():
            if row not in self._found:
                self._found[row] = self._quarantined(column, row, why(row))

    def _quarantined(self, column: str, row: int, why: str) -> Quarantined:
        chunk = self._chunk
        line = None if chunk.lines is None else int(chunk.lines[row])
        reason = why.replace(": ", f": {column}: ", 1)
        return Quarantined(self._file, line, int(chunk.rows[row]), reason, column, chunk.text(row))
