"""A small warehouse's parcels: recipes' sections and raw rows with sane defaults."""

from __future__ import annotations

import pyarrow as pa

from sluice.features import FittedFeatures, Learning
from sluice.recipe import Columns, FeatureSettings, Text

COLUMNS = Columns(
    id="parcel",
    text=("note", "street"),
    categorical=("colour",),
    hierarchical={"place": ("country", "town")},
    numeric=("weight",),
    label="kind",
    group="sender",
)

ROW = {
    "row_id": 0,
    "parcel": "p-1",
    "sender": "s-1",
    "note": "Two red boxes",
    "street": "High Street 5",
    "colour": "red",
    "country": "UK",
    "town": "London",
    "weight": 1.0,
    "kind": "box",
}


def rows(*changes: dict[str, object], without: tuple[str, ...] = ()) -> pa.RecordBatch:
    """One row for each dict of what is different from ROW; columns `without` left out."""
    numbers = {"row_id": pa.int64(), "weight": pa.float64()}
    schema = pa.schema([(name, numbers.get(name, pa.string())) for name in ROW if name not in without])
    data = [{**ROW, "row_id": number, **change} for number, change in enumerate(changes)]
    return pa.RecordBatch.from_pylist(data, schema=schema)


def fitted(
    *batches: pa.RecordBatch, columns: Columns = COLUMNS, text: Text | None = None, **settings: object
) -> FittedFeatures:
    """Features fitted on these rows; text as it is, no clipping unless said otherwise."""
    chosen = FeatureSettings(**{"clip_iqr": None, **settings})
    return FittedFeatures.fit(Learning.of(batches, columns), columns, text or Text(), chosen)
