"""Pass two: rows of a spool become rows of the three tables, in this process or in several side by side."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import connection, get_context, parent_process
from pathlib import Path

import numpy as np
import pyarrow as pa

from components.preprocess.plan import SPLITS, Plan
from components.preprocess.spool import FILE_BITS, GROUP, PLACE, read_stretch, stretches
from sluice.contract import Role, TableColumn
from sluice.features import FittedFeatures
from sluice.features.fitted import Learned
from sluice.recipe import names

Parted = tuple[pa.RecordBatch, ...]
"""Rows of the training, the validation and the test table."""

FOLD = TableColumn(name=names.FOLD, type="int8", role=Role.FOLD)
AHEAD = 2
"""Stretches that each process may be ahead of the writer."""


@dataclass(frozen=True)
class Transformer:
    """Turns a stretch of the spool into table rows."""

    plan: Plan
    starts: tuple[int, ...]
    """How many rows stand before each raw file's first."""
    learned: Learned

    @cached_property
    def _features(self) -> FittedFeatures:
        return FittedFeatures.of(self.learned)

    def transform(self, stretch: pa.RecordBatch) -> Parted:
        """The stretch's rows for each table, in order."""
        fates = self.plan.fates(stretch)
        kept = fates <= max(SPLITS)
        rows, fates = stretch.filter(pa.array(kept)), fates[kept]
        raw = rows.drop_columns([name for name in (PLACE, GROUP) if name in rows.schema.names])
        made = self._features.transform(raw.append_column(names.ROW_ID, pa.array(self._row_ids(rows))))
        if self.plan.settings.split.folds:
            made = made.append_column(names.FOLD, self.plan.folds_of(rows, fates))
        return tuple(made.filter(pa.array(fates == fate)) for fate in SPLITS)

    def _row_ids(self, rows: pa.RecordBatch) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Each row's place among all rows of the raw input, unreadable ones counted too."""
        places = rows.column(PLACE).to_numpy()
        ids: np.ndarray[tuple[int], np.dtype[np.int64]] = np.array(self.starts)[places >> FILE_BITS] + (
            places & ((1 << FILE_BITS) - 1)
        )
        return ids


def side_by_side(transformer: Transformer, spool: Path, workers: int) -> Iterator[Parted]:
    """The same stretches in the same order, transformed by several processes."""
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin, (transformer,))
    try:
        begun: deque[Future[Path]] = deque()
        for number in range(stretches(spool)):
            begun.append(pool.submit(_transform_to_file, spool, number))
            if len(begun) > AHEAD * workers:
                yield _taken(begun.popleft().result())
        while begun:
            yield _taken(begun.popleft().result())
    finally:
        pool.shutdown(cancel_futures=True)


_here: dict[str, Transformer] = {}
"""In a worker process: its transformer."""


def _begin(transformer: Transformer) -> None:
    """A worker process begins. What ends the whole step is its parent's business, and it ends with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    pa.set_cpu_count(1)
    _here["transformer"] = transformer


def _end_with_parent() -> None:
    if parent := parent_process():
        connection.wait([parent.sentinel])
        os._exit(1)


def _transform_to_file(spool: Path, number: int) -> Path:
    """Transform a stretch into a file beside the spool: cheaper than sending the rows to another process."""
    parted = _here["transformer"].transform(read_stretch(spool, number))
    path = spool.with_suffix(f".{number}")
    with pa.ipc.new_file(str(path), parted[0].schema) as file:
        for rows in parted:
            file.write_batch(rows)
    return path


def _taken(path: Path) -> Parted:
    with pa.memory_map(str(path)) as file:
        reader = pa.ipc.open_file(file)
        parted = tuple(reader.get_batch(number) for number in range(len(SPLITS)))
    path.unlink()  # the rows stay mapped until nobody holds them any more
    return parted
