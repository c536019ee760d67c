"""The second pass: learn from the training rows on disk, then write each row to its table, batch by batch."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from components.preprocess.fates import SPLITS, Decision, Fate
from components.preprocess.spool import Spool
from sluice.contract import Output, Table, TableWriter, report
from sluice.features import FittedFeatures
from sluice.recipe.parts import PreprocessSettings


def fit(spool: Spool, decision: Decision, settings: PreprocessSettings) -> FittedFeatures:
    """Learn labels, categories and numbers on the training rows alone."""
    columns = settings.columns
    learned_from = [columns.label, *columns.categorical, *columns.numeric]
    learned_from += [name for levels in columns.hierarchical.values() for name in levels]
    training = spool.batches(decision.fates == Fate.TRAINING, list(dict.fromkeys(learned_from)))
    return FittedFeatures.fit((rows for _, rows in training), columns, settings.text, settings.features)


def write_tables(
    spool: Spool, decision: Decision, fitted: FittedFeatures, outputs: Sequence[Output[Table]]
) -> None:
    """Write training, validation and test rows, each table in raw order."""
    writers = [output.writer(fitted.table_columns) for output in outputs]
    with writers[0], writers[1], writers[2]:
        _write(spool, decision, fitted, writers)


def _write(spool: Spool, decision: Decision, fitted: FittedFeatures, writers: Sequence[TableWriter]) -> None:
    kept = decision.fates <= max(SPLITS)
    done, total = 0, int(kept.sum())
    for places, raw_rows in spool.batches(kept):
        fates, rows = decision.fates[places], fitted.transform(raw_rows)
        for fate, writer in zip(SPLITS, writers, strict=True):
            writer.write(rows.filter(pa.array(fates == fate)))
        done += len(places)
        report(f"normalised and wrote {done:,} of {total:,} rows", fraction=done / total)
