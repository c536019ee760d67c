"""`python -m benchmarks.gate`: what the data gate costs on a million and on five million rows, beside great-expectations as it is."""

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
SMALL = 10_000
BATCH = 100_000
SEED = 7
COLUMNS = {
    "row_id": ("int64", "id"),
    "account": ("string", "group"),
    "combined_text": ("string", "text"),
    "amount": ("double", "numeric"),
    "amount_scaled": ("double", None),
    "country": ("string", "categorical"),
    "country_encoded": ("int32", None),
    "currency": ("string", "categorical"),
    "kind": ("string", "label"),
    "kind_encoded": ("int32", "label"),
}
ENCODES = {"kind_encoded": "kind"}
COUNTRIES = [f"country {i}" for i in range(40)]
KINDS = [f"kind {i}" for i in range(12)]
EXPECTATIONS: list[tuple[str, dict[str, Any]]] = [
    ("table_row_count_to_be_between", {"min_value": 1000}),
    ("column_to_exist", {"column": "country_encoded"}),
    ("column_values_to_not_be_null", {"column": "combined_text"}),
    ("column_values_to_not_be_null", {"column": "kind"}),
    ("column_values_to_not_be_null", {"column": "amount", "mostly": 0.9}),
    ("column_values_to_be_unique", {"column": "row_id"}),
    ("column_values_to_be_between", {"column": "amount", "min_value": -1e6, "max_value": 1e6}),
    ("column_values_to_be_between", {"column": "amount_scaled", "min_value": -10, "max_value": 10}),
    ("column_mean_to_be_between", {"column": "amount", "min_value": 0, "max_value": 1e5}),
    ("column_stdev_to_be_between", {"column": "amount_scaled", "min_value": 0.5, "max_value": 2}),
    ("column_median_to_be_between", {"column": "amount", "min_value": 0}),
    ("column_min_to_be_between", {"column": "kind_encoded", "min_value": 0}),
    ("column_max_to_be_between", {"column": "country_encoded", "max_value": 39}),
    ("column_values_to_be_in_set", {"column": "currency", "value_set": ["EUR", "GBP", "USD"]}),
    ("column_values_to_match_regex", {"column": "account", "regex": r"^ACC-\d{8}$"}),
    ("column_value_lengths_to_be_between", {"column": "combined_text", "min_value": 3, "max_value": 400}),
    ("column_distinct_values_to_be_in_set", {"column": "kind", "value_set": KINDS}),
    ("column_unique_value_count_to_be_between", {"column": "country", "min_value": 30, "max_value": 50}),
    ("column_most_common_value_to_be_in_set", {"column": "currency", "value_set": ["EUR"]}),
    ("column_proportion_of_unique_values_to_be_between", {"column": "account", "min_value": 0.1}),
]


def main() -> None:
    """Print the table."""
    print(
        f"{len(EXPECTATIONS)} expectations of {len(COLUMNS)} columns, Data Docs and the gate's own checks included"
    )
    print(f"{'':34}{'seconds after imports':>24}{'CPU seconds':>14}{'peak memory':>14}")
    for rows in (MILLION, 5 * MILLION):
        with TemporaryDirectory() as folder:
            build(Path(folder), rows)
            ways = (
                {"the gate": "gate", "great-expectations on pandas": "plain"}
                if rows == MILLION
                else {"the gate": "gate"}
            )
            told = {name: measured(Path(folder), way) for name, way in ways.items()}
        for name, one in told.items():
            label = f"{rows:,} rows, {name}"
            print(
                f"{label:34}{one['seconds']:24.1f}{one['cpu']:14.1f}{one['peak_mb']:11,.0f} MB  {one['how']}"
            )


def measured(folder: Path, way: str) -> dict[str, Any]:
    """Run one way in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.gate", way, str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def build(folder: Path, rows: int) -> None:
    """Write what the gate takes: tables of ledger-like rows, an empty quarantine, the account and the audit."""
    from components.preprocess.validate.component import ValidateMetrics  # noqa: F401 fails early if it can't be imported
    from sluice.contract import Output, Report, TableColumn
    from sluice.ingest.quarantine import QUARANTINE_SCHEMA
    from sluice.recipe.measures import MEASURES

    columns = [
        TableColumn(name=name, type=kind, role=role, encodes=ENCODES.get(name))
        for name, (kind, role) in COLUMNS.items()
    ]
    sizes = {"training": rows, "validation": SMALL, "test": SMALL}
    first = 0
    for name, size in sizes.items():
        write(folder / name, columns, ledger(first, size))
        first += size
    quarantine = [TableColumn(name=f.name, type=str(f.type), nullable=f.nullable) for f in QUARANTINE_SCHEMA]
    write(folder / "quarantine", quarantine, [])
    measures = [TableColumn(name=name, type="double") for name in MEASURES]
    write(folder / "audit", measures, [{name: [0.0] for name in MEASURES}])
    account = {f"{name}_rows": size for name, size in sizes.items()}
    report = Output(Report, folder / "account")
    text = json.dumps({"rows_read": first, "rows_quarantined": 0, "dropped": {}, **account})
    (report.folder / "account.json").write_text(text)
    report.finish(producer(), [])


def write(folder: Path, columns: list[Any], batches: Any) -> None:
    """Write a table as a component would."""
    import pyarrow as pa

    from sluice.contract import Output, Table

    output = Output(Table, folder)
    with output.writer(columns) as writer:
        for batch in batches:
            writer.write(pa.RecordBatch.from_pydict(batch, schema=writer.schema))
    output.finish(producer(), [])


def producer() -> Any:
    """Who says to have written the tables."""
    from sluice.contract import Producer

    now = datetime(2030, 1, 1, tzinfo=UTC)
    return Producer(
        component="preprocess", fingerprint="f", code="c", settings="s", started=now, finished=now
    )


def ledger(first: int, rows: int) -> Iterator[dict[str, Any]]:
    """Rows like a ledger's, the same ones every time."""
    import numpy as np

    for begin in range(first, first + rows, BATCH):
        size = min(BATCH, first + rows - begin)
        random = np.random.default_rng((SEED, begin))
        kinds, countries = random.integers(0, len(KINDS), size), random.integers(0, len(COUNTRIES), size)
        amounts = random.lognormal(6, 1.5, size)
        words = random.integers(0, 3000, (size, 8))
        yield {
            "row_id": np.arange(begin, begin + size),
            "account": [f"ACC-{number:08}" for number in range(begin // 2, begin // 2 + size)],
            "combined_text": [
                f"invoice {a} for word{b} word{c} of lot {d} word{e}" for a, b, c, d, e, *_ in words
            ],
            "amount": [
                None if missing else amount
                for missing, amount in zip(random.random(size) < 0.02, amounts, strict=True)
            ],
            "amount_scaled": np.clip((amounts - 1200) / 3000, -1, 4),
            "country": [COUNTRIES[i] for i in countries],
            "country_encoded": countries.astype("int32"),
            "currency": [("EUR", "EUR", "GBP", "USD")[i] for i in random.integers(0, 4, size)],
            "kind": [KINDS[i] for i in kinds],
            "kind_encoded": kinds.astype("int32"),
        }


def expectations() -> list[Any]:
    """All of them of the training rows, and the first of the other tables."""
    from sluice.recipe import Expectation

    asked = [
        Expectation(type=f"expect_{kind}", kwargs=kwargs, tables=("train",)) for kind, kwargs in EXPECTATIONS
    ]
    small = Expectation(
        type="expect_table_row_count_to_be_between", kwargs={"min_value": 1}, tables=("validation", "test")
    )
    return [*asked, small]


def gate(folder: Path) -> str:
    """The component as it is; says how the training rows were judged."""
    from components.preprocess.validate.component import validate
    from sluice.contract import MANIFEST, Output, Report, Table
    from sluice.recipe import Columns, Data, ValidateSettings

    tables = {
        name: Table.open((folder / name / MANIFEST).as_uri())
        for name in ("training", "validation", "test", "quarantine", "audit")
    }
    settings = ValidateSettings(
        data=Data(files=("ledger.csv",)),
        columns=Columns(text=("text",), label="kind"),
        expectations=tuple(expectations()),
    )
    account = Report.open((folder / "account" / MANIFEST).as_uri())
    report = Output(Report, folder / f"report-{os.getpid()}")
    told = validate(**tables, account=account, settings=settings, report=report)
    assert told.passed, told.reasons
    return json.loads((report.folder / "validation.json").read_text())["tables"]["training"]["way"]


def plain(folder: Path) -> str:
    """The training rows in one frame, as great-expectations' own pages have it; no Data Docs, no checks."""
    import great_expectations as gx
    import pandas as pd
    from great_expectations.expectations.registry import get_expectation_impl

    files = sorted((folder / "training").glob("*.parquet"))
    frame = pd.read_parquet(files, columns=list(COLUMNS))
    context = gx.get_context(mode="ephemeral")
    asset = context.data_sources.add_pandas("pandas").add_dataframe_asset("training")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    asked = [get_expectation_impl(f"expect_{kind}")(**kwargs) for kind, kwargs in EXPECTATIONS]
    told = batch.validate(gx.ExpectationSuite("training", expectations=asked), result_format="BASIC")
    assert told.success
    return "all rows at once"


def child(way: str, folder: Path) -> None:
    """Import everything, then measure."""
    import duckdb  # noqa: F401
    import great_expectations
    import great_expectations.expectations  # noqa: F401

    import components.preprocess.validate.outofcore  # noqa: F401

    began, cpu = time.perf_counter(), time.process_time()
    how = {"gate": gate, "plain": plain}[way](folder)
    told = {
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "how": how,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    child(sys.argv[1], Path(sys.argv[2])) if len(sys.argv) > 1 else main()
