"""A place with a small recipe, its raw data and a store; and what a person gets who types a command there."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from orchestration.runs import RunRecord
from sluice.contract import MANIFEST, Table, storage
from tests.builders.backbones import Backbone

STEPS = {
    "preprocess": "preprocess",
    "audit": "preprocess.audit",
    "validate": "preprocess.validate",
    "train": "train",
    "evaluate": "evaluate",
    "register": "register",
}
"""Each step and its component."""
KINDS = ("bag", "box", "sack")
HEADER = ("Parcel", " Note ", "Colour", "Weight", "Kind")


def recipe(backbone: Backbone, **sections: dict[str, Any]) -> str:
    """A whole recipe's text; each section given is merged over the one that trains in a second."""
    document: dict[str, Any] = {
        "version": 1,
        "name": "parcels",
        "data": {"files": ["parcels.csv"], "quarantine_limit": 0.05},
        "columns": {
            "id": "parcel",
            "text": ["note"],
            "categorical": ["colour"],
            "numeric": ["weight"],
            "label": "kind",
        },
        "split": {"train": 0.6, "validation": 0.2, "test": 0.2},
        "expectations": [
            {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 5}},
            {
                "type": "expect_column_values_to_be_between",
                "kwargs": {"column": "weight", "max_value": 1000},
            },
        ],
        "model": {
            "backbone": str(backbone.folder),
            "weights_sha256": backbone.sha256,
            "maximum_tokens": 16,
            "hidden_layers": [8],
            "embedding_size": 3,
        },
        "training": {"epochs": 1, "batch_size": 8, "learning_rate": 1e-3, "precision": "float32"},
        "gates": {
            "at_least": {"accuracy": 0.05},
            "linear_baseline": {"waived_because": "random weights, one epoch: it is here to be quick"},
        },
        "registry": {"group": "parcels"},
    }
    for name, change in sections.items():
        document[name] = {**document.get(name, {}), **change} if isinstance(change, dict) else change
    return yaml.safe_dump(document, sort_keys=False)


def parcel(number: int, **changes: object) -> dict[str, object]:
    """A raw row; every third is of the same kind, and its note says so."""
    kind = KINDS[number % 3]
    return {
        "Parcel": f"p-{number}",
        " Note ": f"small round {kind} {number % 10}",
        "Colour": ("red", "blue", "green")[number % 3],
        "Weight": number / 2,
        "Kind": kind,
        **changes,
    }


def parcels(count: int = 90, **changes: object) -> list[dict[str, object]]:
    """Raw rows."""
    return [parcel(number, **changes) for number in range(count)]


def csv_text(rows: Sequence[dict[str, object]], header: Sequence[str] = HEADER) -> str:
    """The rows as a CSV file; None is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([row[name] for name in header] for row in rows)
    return text.getvalue()


@dataclass(frozen=True)
class Done:
    """What a command left: its exit status, and what it printed."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The printed lines, runs of blanks as one."""
        return [" ".join(line.split()) for line in self.out.splitlines()]


@dataclass(frozen=True)
class Place:
    """A folder with a clone of the project, a recipe, raw data and a store. Every path has a blank in it."""

    root: Path
    clone: Path
    backbone: Backbone

    def __post_init__(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)

    @property
    def data(self) -> Path:
        return self.root / "raw data"

    @property
    def store(self) -> Path:
        return self.root / "a store"

    @property
    def recipe_path(self) -> Path:
        return self.root / "the recipe.yaml"

    def put(self, content: str | bytes | list[dict[str, object]], name: str = "parcels.csv") -> None:
        """Write a raw file."""
        text = csv_text(content) if isinstance(content, list) else content
        (self.data / name).write_bytes(text.encode() if isinstance(text, str) else text)

    def write_recipe(self, **sections: Any) -> None:
        """Write the usual recipe with sections changed."""
        self.recipe_path.write_text(recipe(self.backbone, **sections))

    def command(self, *words: object) -> list[str]:
        """`python -m orchestration …` as a list."""
        return [sys.executable, "-m", "orchestration", *map(str, words)]

    def type(self, *words: object, wrap: Sequence[str] = (), **environment: str) -> Done:
        """Type a command in the clone."""
        done = subprocess.run(
            [*wrap, *self.command(*words)],
            cwd=self.clone,
            env=self.environment(**environment),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def environment(self, **more: str) -> dict[str, str]:
        """This process's, without a way back to the checkout that the tests run in."""
        return {**{k: v for k, v in os.environ.items() if k != "PYTHONPATH"}, **more}

    def run_words(self, *words: object) -> list[object]:
        """What follows `python -m orchestration`."""
        return ["run", self.recipe_path, "--data", self.data, "--store", self.store, *words]

    def run(self, *words: object, wrap: Sequence[str] = (), **environment: str) -> Done:
        """Run the pipeline."""
        return self.type(*self.run_words(*words), wrap=wrap, **environment)

    @property
    def record(self) -> RunRecord:
        """The latest run's record."""
        runs = (self.store / "runs").glob("*/run.json")
        return RunRecord.model_validate_json(max(runs, key=lambda file: file.stat().st_mtime_ns).read_bytes())

    @property
    def states(self) -> dict[str, str]:
        """Each step's state in the latest run."""
        return {name: str(step.state) for name, step in self.record.steps.items()}

    def folder(self, step: str) -> Path:
        """A step's folder in this store, by the latest run's fingerprint."""
        fingerprint = self.record.steps[step].fingerprint
        assert fingerprint is not None
        return self.store / "steps" / STEPS[step] / fingerprint.digest[:16]

    def rows(self, output: str, column: str) -> list[Any]:
        """A column of one of the tables that preprocess wrote."""
        table = Table.open((self.folder("preprocess") / output / MANIFEST).as_uri())
        return table.read([column]).column(0).to_pylist()

    def forget(self, step: str) -> None:
        """Remove a step's results, as if it had never run."""
        shutil.rmtree(self.store / "steps" / STEPS[step])
        if step == "register":
            shutil.rmtree(self.store / "registry")

    def half_made(self) -> list[Path]:
        """What stands in the store that is no whole result: staging folders, folders without a result."""
        folders = [folder for component in (self.store / "steps").iterdir() for folder in component.iterdir()]
        return [folder for folder in folders if not (folder / "result.json").is_file()]

    def copy_to(self, root: Path) -> Place:
        """The same place elsewhere, with the store and all that is finished in it."""
        shutil.copytree(self.root, root)
        return replace(self, root=root)


def step_process(place: Place, step: str) -> int | None:
    """The living process of a step that works on this place's store."""
    module, store = f"components.{STEPS[step]}".encode(), storage.to_uri(place.store).encode()
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = entry.read_bytes().split(b"\0")
            if module in words and store in words:
                return int(entry.parent.name)
    return None


def kill_in(place: Place, step: str, moment: Callable[[], bool]) -> Done:
    """Run, and kill -9 the step's process as soon as `moment` has come."""
    running = subprocess.Popen(
        place.command(*place.run_words()),
        cwd=place.clone,
        env=place.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with running:
        while running.poll() is None and not moment():
            time.sleep(0.002)
        victim = step_process(place, step)
        assert victim is not None, f"{step} had ended before it could be killed"
        os.kill(victim, signal.SIGKILL)
        out, err = running.communicate(timeout=300)
    return Done(running.returncode, out, err)


def without_blanks(text: str) -> str:
    """Text with every run of blanks and line ends as one blank."""
    return re.sub(r"\s+", " ", text)
