"""Small raw files, recipes and runs of the component."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from components.preprocess.component import preprocess
from sluice.contract import Call, Component, Table, run, storage

HEADER = ("parcel", "note", "street", "colour", "country", "town", "weight", "kind", "sender")
KINDS = ("bag", "box", "sack")

RECIPE: dict[str, Any] = {
    "version": 1,
    "name": "parcels",
    "data": {"files": ["parcels.csv"]},
    "columns": {
        "id": "parcel",
        "text": ["note", "street"],
        "categorical": ["colour"],
        "hierarchical": {"place": ["country", "town"]},
        "numeric": ["weight"],
        "label": "kind",
    },
    "split": {"train": 0.6, "validation": 0.2, "test": 0.2, "seed": 3},
    "expectations": [{"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}}],
    "model": {"backbone": "package:none", "weights_sha256": "0" * 64},
    "registry": {"group": "parcels"},
}


def parcel(number: int, **changes: object) -> dict[str, object]:
    """A raw row; every third is of the same kind."""
    return {
        "parcel": f"p-{number}",
        "note": f"The {number} dogs",
        "street": "High Street",
        "colour": ("red", "blue")[number % 2],
        "country": "UK",
        "town": ("London", "York")[number % 2],
        "weight": number / 2,
        "kind": KINDS[number % 3],
        "sender": f"s-{number % 11}",
        **changes,
    }


def parcels(count: int = 60, **changes: object) -> list[dict[str, object]]:
    """Raw rows."""
    return [parcel(number, **changes) for number in range(count)]


def csv_text(rows: list[dict[str, object]], header: tuple[str, ...] = HEADER) -> str:
    """The rows as a CSV file; None is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([row[name] for name in header] for row in rows)
    return text.getvalue()


def recipe(**sections: dict[str, Any]) -> str:
    """The recipe's text; each section given is merged over the default one."""
    document = {name: value for name, value in RECIPE.items() if name not in sections}
    document |= {name: {**RECIPE.get(name, {}), **change} for name, change in sections.items()}
    return yaml.safe_dump(document, sort_keys=False)


@dataclass(frozen=True)
class Place:
    """A folder with raw data, a recipe and a store."""

    root: Path

    def __post_init__(self) -> None:
        for path in (self.data, self.store):
            path.mkdir(parents=True, exist_ok=True)

    @property
    def data(self) -> Path:
        return self.root / "raw data"

    @property
    def store(self) -> Path:
        return self.root / "a store"

    def put(self, content: str | bytes | list[dict[str, object]], name: str = "parcels.csv") -> None:
        text = csv_text(content) if isinstance(content, list) else content
        (self.data / name).write_bytes(text.encode() if isinstance(text, str) else text)

    def arguments(self, recipe_text: str, *more: str) -> list[str]:
        """The command line."""
        path = self.root / "recipe.yaml"
        path.write_text(recipe_text)
        return ["--store", str(self.store), "--recipe", str(path), "--raw", str(self.data), *more]

    def run(self, recipe_text: str | None = None, rows: int | None = None) -> Made:
        """Run the component, in this process."""
        text = recipe() if recipe_text is None else recipe_text
        call = Call(
            Component.of(preprocess), storage.to_uri(self.store), {"raw": str(self.data), "rows": rows}, text
        )
        result = run(call)
        return Made(storage.local_path(call.folder), result.metrics, result.outputs)


@dataclass(frozen=True)
class Made:
    """A result."""

    folder: Path
    metrics: dict[str, Any]
    digests: dict[str, str]

    def table(self, name: str) -> Table:
        return Table.open((self.folder / name / "manifest.json").as_uri())

    def rows(self, *names: str) -> list[dict[str, Any]]:
        """The rows of these tables, of all three splits if none is named."""
        return [row for name in names or SPLITS for row in self.table(name).read().to_pylist()]

    @property
    def account(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.folder / "account" / "account.json").read_text())
        return content


SPLITS = ("training", "validation", "test")
