"""The real data sets: as the publishers wrote them, and as Sluice's reader gives them."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from collections.abc import Hashable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from sluice.ingest import Account, open_raw
from sluice.recipe import parse_recipe, read_recipe
from sluice.recipe.model import Columns, Data, Recipe

RECIPES = Path(__file__).parents[2] / "recipes"


class Read(NamedTuple):
    """A data set as the reader gives it, and what became of every row."""

    table: pa.Table
    account: Account

    def column(self, name: str) -> list[Any]:
        """A column's values."""
        values: list[Any] = self.table[name].to_pylist()
        return values

    def nulls(self, *names: str) -> dict[str, int]:
        """How many values are missing in these columns, or in all of them."""
        return {name: self.table[name].null_count for name in names or self.table.column_names}


def raw_rows(file: Path) -> list[dict[str, str]]:
    """Every row as text, untouched, by the standard library's reader."""
    with gzip.open(file, "rt", encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def recipe(name: str) -> Recipe:
    """A shipped recipe."""
    file = RECIPES / f"{name}.yaml"
    return parse_recipe(read_recipe(file), str(file))


def read(folder: Path, data: Data, columns: Columns | None = None) -> Read:
    """All rows; nothing may be quarantined."""
    raw = open_raw(folder, data, columns)
    table = pa.Table.from_batches(list(raw.batches()))
    assert (raw.account.rows_quarantined, raw.account.balanced) == (0, True)
    return Read(table, raw.account)


def read_by(name: str, folder: Path) -> Read:
    """All rows, as a shipped recipe says."""
    said = recipe(name)
    return read(folder, said.data, said.columns)


def at_least(counts: Counter[Hashable], rows: int) -> int:
    """How many values have so many rows."""
    return sum(count >= rows for count in counts.values())
