"""A data set taken through preprocess, the audit and the data gate, as a recipe says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.preprocess.audit.component import audit
from components.preprocess.component import preprocess
from components.preprocess.validate.component import validate
from sluice.contract import Call, Component, Result, Table, run, storage

SPLITS = ("training", "validation", "test")


@dataclass(frozen=True)
class Done:
    """A component's call and its result."""

    call: Call
    result: Result

    @property
    def folder(self) -> Path:
        """Where the result is."""
        return storage.local_path(self.call.folder)

    def manifest(self, output: str) -> str:
        """The manifest of an output."""
        return self.call.output_uri(output)


@dataclass(frozen=True)
class Audited:
    """What the steps left."""

    preprocessed: Done
    audited: Done
    judged: Done

    def table(self, split: str) -> Table:
        """A split's rows."""
        return Table.open(self.preprocessed.manifest(split))

    @property
    def report(self) -> dict[str, Any]:
        """What the audit's report says."""
        found: dict[str, Any] = json.loads((self.audited.folder / "report" / "audit.json").read_text())
        return found

    @property
    def measures(self) -> dict[str, float | None]:
        """What the data gate can ask for."""
        (row,) = Table.open(self.audited.manifest("measures")).read().to_pylist()
        return dict(row)

    @property
    def findings(self) -> list[str]:
        """What the audit found to be looked at, each with its severity."""
        return [f"{finding['severity']}: {finding['what']}" for finding in self.report["findings"]]

    @property
    def refusals(self) -> list[str]:
        """Why the data gate stays shut; empty if it is open."""
        return list(self.judged.result.metrics["reasons"])


def take(recipe: str, raw: Path, store: Path, rows: int | None = None) -> Audited:
    """Run the three steps."""
    made = step(preprocess, store, recipe, raw=str(raw), rows=rows)
    tables = {name: made.manifest(name) for name in (*SPLITS, "account")}
    found = step(audit, store, recipe, **tables, features=made.manifest("features"))
    more = {"quarantine": made.manifest("quarantine"), "audit": found.manifest("measures")}
    return Audited(made, found, step(validate, store, recipe, **tables, **more))


def step(component: Callable[..., Any], store: Path, recipe: str, **arguments: Any) -> Done:
    """Run a component in this process."""
    call = Call(Component.of(component), storage.to_uri(store), arguments, recipe)
    return Done(call, run(call))
