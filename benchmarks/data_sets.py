"""What the audit and the data gate say of the real data sets: `python -m benchmarks.data_sets`, for the README's section."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.preprocess.audit.component import audit
from components.preprocess.component import preprocess
from components.preprocess.validate.component import validate
from sluice.contract import Call, Component, Result, Table, run, storage
from sluice.recipe import parse_recipe, read_recipe
from sluice.recipe.model import Recipe

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("SLUICE_DATA") or ROOT.parent / "shared" / "data")
SPLITS = ("training", "validation", "test")


def main() -> None:
    """Print what is said of each data set that is there."""
    found = False
    for recipe, folder in shipped():
        found = True
        with tempfile.TemporaryDirectory() as store:
            print_audited(
                recipe.name, take(read_recipe(ROOT / "recipes" / f"{recipe.name}.yaml"), folder, Path(store))
            )
    if not found:
        sys.exit(f"no real data: {DATA} holds none of the recipes' files (SLUICE_DATA names another place)")


def shipped() -> Iterator[tuple[Recipe, Path]]:
    """The recipes whose files are there, and the folders that hold them."""
    for path in sorted((ROOT / "recipes").glob("*.yaml")):
        recipe = parse_recipe(read_recipe(path), str(path))
        folders = (folder for folder in sorted(DATA.glob("*")) if (folder / recipe.data.files[0]).is_file())
        yield from ((recipe, folder) for folder in folders)


def print_audited(name: str, said: Audited) -> None:
    """The account, the measures, the findings and the verdict."""
    account, judged = said.preprocessed.result.metrics, said.judged.result.metrics
    rows = ", ".join(f"{said.table(split).rows:,} {split}" for split in SPLITS)
    dropped = ", ".join(f"{count:,} {rule}" for rule, count in account["dropped"].items() if count) or "none"
    print(f"{name}: {account['rows_read']:,} rows read; {rows}; dropped: {dropped}")
    for measure, value in said.measures.items():
        print(f"  {measure:<30} {'–' if value is None else f'{value:.4g}'}")
    for finding in said.findings:
        print(f"  {finding}")
    verdict = "open" if judged["passed"] else f"shut: {'; '.join(said.refusals)}"
    print(
        f"  data gate {verdict}; {judged['expectations_evaluated']} answers, {judged['warnings']} warnings\n",
        flush=True,
    )


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


if __name__ == "__main__":
    main()
