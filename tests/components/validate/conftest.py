"""Small preprocessed tables with sane defaults, and the data gate over them."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from components.preprocess.validate.component import ValidateMetrics, validate
from sluice.contract import MANIFEST, Output, Producer, Report, Role, Table, TableColumn
from sluice.ingest.quarantine import QUARANTINE_SCHEMA
from sluice.recipe import Columns, Data, Expectation, ValidateSettings
from sluice.recipe.measures import MEASURES

NOW = datetime(2030, 1, 1, tzinfo=UTC)
PRODUCER = Producer(
    component="preprocess", fingerprint="f", code="c", settings="s", started=NOW, finished=NOW
)
COLUMNS = (
    TableColumn(name="row_id", type="int64", nullable=False, role=Role.ID),
    TableColumn(name="household", type="string", role=Role.GROUP),
    TableColumn(name="combined_text", type="string", nullable=False, role=Role.TEXT),
    TableColumn(name="weight", type="double", role=Role.NUMERIC),
    TableColumn(name="fruit", type="string", nullable=False, role=Role.LABEL),
    TableColumn(name="fruit_encoded", type="int32", nullable=False, role=Role.LABEL, encodes="fruit"),
)
QUARANTINE = tuple(TableColumn(name=f.name, type=str(f.type), nullable=f.nullable) for f in QUARANTINE_SCHEMA)
AUDIT = tuple(TableColumn(name=name, type="double") for name in MEASURES)
SIZES = {"training": 8, "validation": 4, "test": 4}
Rows = list[dict[str, Any]]


def sane_rows() -> dict[str, Rows]:
    """Three splits in which nothing is wrong."""
    rows: dict[str, Rows] = {}
    first = 0
    for split, size in SIZES.items():
        rows[split] = [sane_row(first + i) for i in range(size)]
        first += size
    return rows


def sane_row(number: int) -> dict[str, Any]:
    label = number % 2
    return {
        "row_id": number,
        "household": f"house {number}",
        "combined_text": f"a basket of {number}",
        "weight": 1.5,
        "fruit": ("apple", "pear")[label],
        "fruit_encoded": label,
    }


@dataclass
class Gate:
    """What goes into the data gate; change what the test is about, then run it."""

    folder: Path
    rows: dict[str, Rows] = field(default_factory=sane_rows)
    quarantined: Rows = field(default_factory=list)
    measures: dict[str, float | None] | None = field(default_factory=dict)
    """What the audit measured; what isn't said is 0. None for a table of no row."""
    account: dict[str, Any] = field(default_factory=dict)
    """What differs from the account that fits the rows."""
    expectations: tuple[Expectation, ...] = (
        Expectation(type="expect_table_row_count_to_be_between", kwargs={"min_value": 1}),
    )
    limit: float = 0.0
    group: str | None = "household"

    @property
    def report(self) -> Path:
        return self.folder / "report"

    @property
    def document(self) -> dict[str, Any]:
        """validation.json, read as strictly as it is written."""
        return json.loads((self.report / "validation.json").read_text(), parse_constant=pytest.fail)

    @property
    def page(self) -> str:
        return (self.report / "index.html").read_text()

    def settings(self) -> ValidateSettings:
        return ValidateSettings(
            data=Data(files=("fruit.csv",), quarantine_limit=self.limit),
            columns=Columns(text=("note",), label="fruit", group=self.group),
            expectations=self.expectations,
        )

    def write_inputs(self) -> dict[str, str]:
        """The manifest URIs of what validate takes."""
        uris = {split: write_table(self.folder / split, COLUMNS, rows) for split, rows in self.rows.items()}
        uris["quarantine"] = write_table(self.folder / "quarantine", QUARANTINE, self.quarantined)
        uris["account"] = self._write_account()
        measured = [] if self.measures is None else [{**dict.fromkeys(MEASURES, 0.0), **self.measures}]
        uris["audit"] = write_table(self.folder / "audit", AUDIT, measured)
        return uris

    def run(self) -> ValidateMetrics:
        uris = self.write_inputs()
        account = Report.open(uris.pop("account"))
        tables = {name: Table.open(uri) for name, uri in uris.items()}
        return validate(
            **tables, account=account, settings=self.settings(), report=Output(Report, self.report)
        )

    def _write_account(self) -> str:
        counts = {f"{split}_rows": len(rows) for split, rows in self.rows.items()}
        quarantined = len(self.quarantined)
        account = {
            "rows_read": sum(counts.values()) + quarantined,
            "rows_quarantined": quarantined,
            "dropped": {},
        }
        output = Output(Report, self.folder / "account")
        (output.folder / "account.json").write_text(json.dumps({**account, **counts, **self.account}))
        output.finish(PRODUCER, [])
        return (output.folder / MANIFEST).as_uri()


def write_table(folder: Path, columns: tuple[TableColumn, ...], rows: Rows) -> str:
    output = Output(Table, folder)
    with output.writer(columns) as writer:
        writer.write(pa.RecordBatch.from_pylist(rows, schema=writer.schema))
    output.finish(PRODUCER, [])
    return (folder / MANIFEST).as_uri()


@pytest.fixture
def gate(tmp_path) -> Gate:
    """A gate that opens."""
    return Gate(tmp_path)
