"""Small tables with a parcel's columns, as preprocess writes them, and the audit over them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from components.preprocess.audit.component import AuditMetrics, audit
from components.preprocess.audit.record import Audit
from sluice.contract import Features, Output, Report, Table
from sluice.features import FittedFeatures, Learning
from sluice.recipe import AuditSettings, Columns, FeatureSettings, Text
from sluice.recipe.parts import Reading
from tests.builders.parcels import COLUMNS, finished

Row = Mapping[str, Any]
SPLITS = ("training", "validation", "test")


def row(note: str, kind: str, **more: Any) -> dict[str, Any]:
    """A parcel: red, from York in the UK, of weight 1, unless something else is said."""
    return {
        "note": note,
        "kind": kind,
        "colour": "red",
        "country": "UK",
        "town": "York",
        "weight": 1.0,
        **more,
    }


@dataclass
class Audited:
    """What the audit is given; change what the test is about, then run it."""

    folder: Path
    backbone: str
    training: Sequence[Row] = ()
    validation: Sequence[Row] = ()
    test: Sequence[Row] = ()
    previous: Sequence[Row] | Audited | str | None = None
    """An earlier run's training rows, an earlier audit, or where its table is said to stand."""
    columns: Columns = COLUMNS
    text: Text = field(default_factory=Text)
    maximum_tokens: int = 16
    removed: Mapping[str, int] = field(default_factory=dict)

    def run(self) -> AuditMetrics:
        """Write the inputs, and call the component."""
        fitted = self.fitted()
        features = Output(Features, self.folder / "features")
        fitted.save(features.folder)
        account = Output(Report, self.folder / "account")
        (account.folder / "account.json").write_text(json.dumps({"removed_classes": dict(self.removed)}))
        previous = self.previous
        if isinstance(previous, Audited):
            previous = str(previous.folder / "training" / "manifest.json")
        elif previous is not None and not isinstance(previous, str):
            previous = self._table("previous", fitted, previous, 0).uri
        places = [0, len(self.training), len(self.training) + len(self.validation)]
        tables = {
            name: self._table(name, fitted, getattr(self, name), place)
            for name, place in zip(SPLITS, places, strict=True)
        }
        measures = Output(Table, self.folder / "measures")
        metrics = audit(
            **tables,
            features=finished(features),
            account=finished(account),
            settings=self.settings,
            report=Output(Report, self.folder / "report"),
            measures=measures,
            previous=previous,
        )
        finished(measures)
        return metrics

    @property
    def report(self) -> Path:
        """Where the report is."""
        return self.folder / "report"

    @property
    def measured(self) -> list[dict[str, float | None]]:
        """The rows of the table of measures."""
        return Table.open((self.folder / "measures" / "manifest.json").as_uri()).read().to_pylist()

    @property
    def settings(self) -> AuditSettings:
        reading = Reading(backbone=self.backbone, maximum_tokens=self.maximum_tokens)
        return AuditSettings(columns=self.columns, model=reading)

    @property
    def found(self) -> Audit:
        """Run it, and read audit.json as strictly as it is written."""
        self.run()
        return Audit.model_validate_json((self.report / "audit.json").read_bytes(), strict=True)

    def fitted(self) -> FittedFeatures:
        """What is learned on the training rows."""
        learning = Learning.of([self._raw(self.training)], self.columns)
        return FittedFeatures.fit(learning, self.columns, self.text, FeatureSettings())

    def _raw(self, rows: Sequence[Row], first: int = 0) -> pa.RecordBatch:
        columns = self.columns
        texts = [*columns.text, *columns.categorical, *sum(columns.hierarchical.values(), ()), columns.label]
        kinds = dict.fromkeys(texts, pa.string()) | dict.fromkeys(columns.numeric, pa.float64())
        arrays = {name: pa.array([one.get(name) for one in rows], kind) for name, kind in kinds.items()}
        return pa.record_batch({"row_id": pa.array(range(first, first + len(rows)), pa.int64()), **arrays})

    def _table(self, name: str, fitted: FittedFeatures, rows: Sequence[Row], first: int) -> Table:
        output = Output(Table, self.folder / name)
        with output.writer(fitted.table_columns) as writer:
            writer.write(fitted.transform(self._raw(rows, first)))
        return finished(output)
