"""Some raw files, on one machine: counted and spooled in pass one, turned into table rows in pass two."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from components.preprocess.census import Census
from components.preprocess.plan import Plan
from components.preprocess.spool import Spool, read_all, stretches
from components.preprocess.transforming import Parted, Transformer, side_by_side
from sluice.contract import report
from sluice.features.fitted import Learned
from sluice.ingest import QUARANTINE_SCHEMA, Account, open_raw
from sluice.recipe.parts import PreprocessSettings

WORTH_PROCESSES = 4
"""Stretches that take no longer to transform than processes to start."""


class Shard:
    """Some of the raw files. `learn` is pass one; `tables` is pass two, which needs a plan for all files."""

    def __init__(
        self,
        raw: Path,
        settings: PreprocessSettings,
        folder: Path,
        rows: int | None = None,
        only: Collection[str] | None = None,
    ) -> None:
        """Name the files; nothing is read yet.

        Args:
            raw: the folder of raw files.
            settings: the recipe's part.
            folder: an empty folder for the spool.
            rows: how many rows to sample of all files together; all, if not given.
            only: the files to read; all that the recipe names, if not given.
        """
        self._raw, self._settings, self._rows, self._only = raw, settings, rows, only
        self._spool, self._quarantine = folder / "rows.arrow", folder / "quarantine.arrow"

    def learn(self) -> tuple[Census, Account]:
        """Read the raw files once, count the rows and spool them.

        Raises:
            InputError: a file or column is missing or wrong.
        """
        settings = self._settings
        table = open_raw(self._raw, settings.data, settings.columns, only=self._only)
        census = Census(settings, self._rows)
        numbers = {name: number for number, name in enumerate(table.files)}
        spool = Spool(self._spool, table.schema, settings.columns, numbers)
        read = 0
        with pa.ipc.new_file(str(self._quarantine), QUARANTINE_SCHEMA) as quarantine:
            for batch in table.batches(quarantine.write_batch):
                census.take(spool.add(batch))
                read += len(batch)
                report(f"read {read:,} rows")
        spool.close()
        return census, table.account

    def quarantined(self) -> Iterator[pa.RecordBatch]:
        """The rows that can't be read, in order."""
        return read_all(self._quarantine)

    def tables(
        self, plan: Plan, starts: Sequence[int], learned: Learned, workers: int | None = None
    ) -> Iterator[Parted]:
        """The rows of the three tables in raw order, stretch by stretch.

        Args:
            plan: what becomes of each row.
            starts: how many rows stand before each raw file's first.
            learned: the fitted features.
            workers: how many processes transform; as many as there are cores, if not given and if it pays.
        """
        count = stretches(self._spool)
        if workers is None:
            workers = len(os.sched_getaffinity(0)) if count > WORTH_PROCESSES else 1
        transformer = Transformer(plan, tuple(starts), learned)
        if workers > 1:
            yield from side_by_side(transformer, self._spool, workers)
        else:
            yield from map(transformer.transform, read_all(self._spool))
