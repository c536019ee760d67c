"""Starts a run: reads the recipe, finds the data, and hands the graph to a runner."""

from __future__ import annotations

import hashlib
import importlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from orchestration.display import Display, summary
from orchestration.environment import IMAGES
from orchestration.graph import Graph
from orchestration.pipeline import build
from orchestration.runners.docker import Containers
from orchestration.runners.local import Processes
from orchestration.runners.walk import Launcher, Runner
from orchestration.runs import RunRecord
from sluice.contract import InputError, storage
from sluice.recipe import Recipe, parse_recipe
from sluice.recipe import read_recipe as recipe_text
from sluice.registry import ModelVersion, RegistryHome


@dataclass(frozen=True)
class Request:
    """What a person asks to run.

    Attributes:
        recipe: the recipe's path.
        store: the store's path or URI.
        data: the folder of raw files; a recipe with a sample generator beside it needs none.
        rows: how many rows to take.
        previous: an earlier run's training table to compare with, the path or URI of its manifest.
        thresholds: the metric gate's thresholds instead of the recipe's.
        runner: what runs the steps, one of `orchestration.runners.RUNNERS`.
        images: the record of built images.
        environment: the environment file.
    """

    recipe: Path
    store: str
    data: str | None = None
    rows: int | None = None
    previous: str | None = None
    thresholds: str = ""
    runner: str = "local"
    images: Path = IMAGES
    environment: Path | None = None


def start(request: Request, console: Console) -> RunRecord:
    """Run the pipeline for a recipe and print its summary.

    Raises:
        SluiceError: the recipe is wrong, the data is not there, or a step failed.
        KeyboardInterrupt: the run was interrupted; what it had begun is cleaned up.
    """
    began = time.monotonic()
    text, recipe = read_recipe(request.recipe)
    check_thresholds(request.thresholds)
    store = storage.to_uri(request.store)
    registry = RegistryHome.of_store(store)  # refused now, not after an hour of training
    graph, display = build(), Display(console)
    launcher = _launcher(request, graph, store)
    arguments = {
        "data": find_data(request, recipe, store, lambda said: console.print(Text(said), soft_wrap=True)),
        "rows": request.rows,
        "previous": storage.to_uri(request.previous) if request.previous else None,
        "thresholds": request.thresholds,
        "registry": registry.uri,
    }
    record = RunRecord.start(recipe.name, arguments, list(graph.steps))
    recipe_uri = storage.join(record.folder(store), "recipe.yaml")
    storage.write_bytes(recipe_uri, text.encode())
    runner = Runner(graph, store, text, recipe_uri, arguments, record, display.update, launcher)
    try:
        with display.showing():
            return runner.run()
    finally:
        seconds = time.monotonic() - began
        console.print(summary(record, graph, store, seconds, _registered(record, registry)), soft_wrap=True)


def _launcher(request: Request, graph: Graph, store: str) -> Launcher:
    """What starts the steps; what it lacks is told before anything is written."""
    if request.runner == "local":
        return Processes()
    data = storage.to_uri(request.data) if request.data else None
    return Containers.ready(graph, request.images, store, data)


def check_thresholds(text: str) -> None:
    """Refuse wrong thresholds before anything runs.

    Raises:
        InputError: the gate can't read them.
    """
    importlib.import_module("components.evaluate.gate").parse_thresholds(text)


def _registered(record: RunRecord, registry: RegistryHome) -> ModelVersion | None:
    """What the registry says today of the version that this run registered, or found registered."""
    if record.outcome != "done":
        return None
    for step in record.steps.values():
        if {"group", "version"} <= step.metrics.keys():
            return registry.open().get(step.metrics["group"], step.metrics["version"])
    return None


def read_recipe(path: Path) -> tuple[str, Recipe]:
    """A recipe's text and what it says.

    Raises:
        InputError: there is no such file.
        RecipeError: the recipe is wrong.
    """
    if not path.exists():
        nearby = ", ".join(sorted(str(p) for p in Path("recipes").glob("*.yaml"))) or "none"
        raise InputError("there is no recipe", where=path, allowed=f"recipes here: {nearby}")
    text = recipe_text(path)
    return text, parse_recipe(text, str(path))


def find_data(request: Request, recipe: Recipe, store: str, say: Callable[[str], Any]) -> str:
    """The URI of the raw files: what was asked for, or a sample made by the generator beside the recipe.

    Raises:
        InputError: neither is there.
    """
    if request.data:
        return storage.to_uri(request.data)
    generator = request.recipe.with_name(f"{request.recipe.stem.replace('-', '_')}_sample.py")
    if not generator.exists():
        raise InputError(
            "this recipe needs data",
            where=request.recipe,
            allowed=f"a folder that holds {', '.join(recipe.data.files)}",
            next_step="Name it: make run RECIPE=… DATA=<folder>, or --data",
        )
    return _sample(generator, recipe, store, say)


def _sample(generator: Path, recipe: Recipe, store: str, say: Callable[[str], Any]) -> str:
    """Make the sample once per version of its generator."""
    root = storage.local_path(storage.on_this_machine(store))
    version = hashlib.sha256(generator.read_bytes()).hexdigest()[:8]
    folder = root / "samples" / f"{recipe.name}-{version}"
    if not folder.exists():
        say(f"making the sample {folder}")
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent) as partial:
                _generate(generator, Path(partial, "sample"))
                storage.publish(Path(partial, "sample"), folder.as_uri(), last="")
        except OSError as error:
            raise storage.storage_error(error, folder) from error
    return folder.as_uri()


def _generate(generator: Path, folder: Path) -> None:
    command = [sys.executable, str(generator), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise InputError("the sample can't be made", where=generator, got=said[-1])
