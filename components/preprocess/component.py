"""Preprocess: from raw files to training, validation and test tables and the features fitted on the training rows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

from components.preprocess.account import ACCOUNT, PreprocessMetrics, metrics_of
from sluice.contract import Features, InputError, Output, Report, Role, Source, Table, roles
from sluice.job.cluster import ADDRESS
from sluice.recipe.parts import PreprocessSettings

if TYPE_CHECKING:
    from components.preprocess.cluster import Shards
    from components.preprocess.shard import Shard

Rows = Annotated[Output[Table], roles(Role.TEXT, Role.LABEL, Role.ID)]


def preprocess(
    raw: Source,
    settings: PreprocessSettings,
    training: Rows,
    validation: Rows,
    test: Rows,
    features: Output[Features],
    quarantine: Output[Table],
    account: Output[Report],
    rows: int | None = None,
) -> PreprocessMetrics:
    """Read raw files, split the rows, learn features on the training rows, and write tables.

    Args:
        raw: the folder of raw files.
        settings: data, columns, text, rare classes, split and features of the recipe.
        training: the rows to learn from.
        validation: the rows to pick the best epoch by.
        test: the rows that evaluation alone sees.
        features: what was learned on the training rows, to be applied everywhere.
        quarantine: the rows that can't be read, with the reason.
        account: where every row went, as account.json.
        rows: take only this many rows, by seeded sampling.
    """
    # late: --help needs none of it
    from components.preprocess.plan import decide
    from components.preprocess.writing import require_rows, write_quarantine, write_tables
    from sluice.features import FittedFeatures

    _require_positive(rows)
    # The spool stands beside the outputs: what a killed process leaves of it is cleared away with them.
    with (
        TemporaryDirectory(dir=training.folder.parent) as folder,
        _reading(raw, settings, rows, Path(folder)) as shard,
    ):
        census, read = shard.learn()
        write_quarantine(shard.quarantined(), quarantine)
        require_rows(read, raw)
        plan, outcome = decide(census)
        fitted = FittedFeatures.fit(census.learning, settings.columns, settings.text, settings.features)
        fitted.save(features.folder)
        starts = list(accumulate(read.rows_by_file.values(), initial=0))
        parted = shard.tables(plan, starts, fitted.learned)
        kept = write_tables(parted, outcome.rows, fitted, settings, (training, validation, test))
    metrics = metrics_of(read, plan, outcome, kept)
    (account.folder / ACCOUNT).write_text(metrics.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return metrics


@contextmanager
def _reading(
    raw: Source, settings: PreprocessSettings, rows: int | None, folder: Path
) -> Iterator[Shard | Shards]:
    """The raw files: here, or on the machines of the cluster that the environment names."""
    if address := os.environ.get(ADDRESS):
        from components.preprocess.cluster import shards

        with shards(raw, settings, rows, address) as found:
            yield found
    else:
        from components.preprocess.shard import Shard

        yield Shard(raw.local(settings), settings, folder, rows)


def _require_positive(rows: int | None) -> None:
    if rows is not None and rows < 1:
        raise InputError(
            "rows is no number of rows", where="preprocess --rows", got=rows, allowed="1 or more"
        )
