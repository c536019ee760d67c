"""A hospital's real ledger is read whole."""

from __future__ import annotations

import pyarrow.compute as pc

from sluice.ingest import open_raw
from sluice.recipe.model import Data

AREA = {"from": "expense_area", "pattern": r"^\(id:(?P<area_id>\d+)\)\s*(?P<area_name>.*)$"}
KIND = {"from": "expense_type", "pattern": r"^\((?P<code>\d+)\)\s*(?P<description>.*)$"}


def test_every_row_of_the_real_ledger_is_kept_in_batches(real_ledger):
    data = Data.model_validate(
        {"files": ["*.csv.gz"], "derive": [AREA, KIND], "types": {"amount": {"type": "number"}}}
    )
    table = open_raw(real_ledger, data)
    amounts, descriptions, areas, largest = 0.0, set(), set(), 0
    for batch in table.batches():
        amounts += pc.sum(batch["amount"]).as_py()
        descriptions.update(pc.unique(batch["description"]).to_pylist())
        areas.update(zip(batch["area_id"].to_pylist(), batch["area_name"].to_pylist(), strict=True))
        largest = max(largest, len(batch))
    assert (table.account.rows_read, table.account.rows_kept, table.account.rows_quarantined) == (
        167_107,
        167_107,
        0,
    )
    assert [count.unmatched for count in table.account.derived] == [0, 0]
    assert (len(descriptions), len(areas)) == (82, 2_016)
    assert largest < 60_000
    assert amounts > 0
