"""Small finished artifacts for tests: a model, the reports on it and the tables behind it, as the steps leave them."""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from sluice.contract import (
    MANIFEST,
    Artifact,
    Features,
    Model,
    Output,
    Parent,
    Producer,
    Report,
    storage,
)
from sluice.registry import Candidate, Registry
from sluice.registry.embedded import EmbeddedRegistry
from sluice.registry.identity import DATABASE, note_database

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
METRICS = {"accuracy": 0.91, "macro_f1": 0.78, "loss": 0.31}
PASSED = {"passed": True, "reasons": []}
REFUSED = {"passed": False, "reasons": ["macro_f1 is 0.41, at least 0.6 is asked"]}

A = TypeVar("A", bound=Artifact)


def make(kind: type[A], place: Path | str, files: dict[str, str], parents: Sequence[Parent] = ()) -> A:
    """A finished artifact with these text files, in a folder or below a URI."""
    uri = storage.to_uri(place)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "artifact")
        output = Output(kind, folder)
        for name, text in files.items():
            (folder / name).write_text(text)
        producer = Producer(
            component="tests", fingerprint="0", code="0", settings="0", started=NOW, finished=NOW
        )
        output.finish(producer, parents)
        for name in (*files, MANIFEST):
            storage.write_bytes(storage.join(uri, name), (folder / name).read_bytes())
    return kind.open(storage.join(uri, MANIFEST))


def parent(name: str, artifact: Artifact) -> Parent:
    """An artifact as somebody's parent."""
    return Parent(name=name, uri=artifact.uri, digest=artifact.digest)


@dataclass
class Chain:
    """What the steps leave below `root`, from raw files to the reports on a model; sane unless told otherwise."""

    root: Path | str
    weights: str = "some weights"
    evaluated: dict[str, Any] = field(default_factory=lambda: dict(PASSED))
    validated: dict[str, Any] = field(default_factory=lambda: dict(PASSED))
    metrics: dict[str, Any] = field(default_factory=lambda: dict(METRICS))

    def __post_init__(self) -> None:
        raw = Parent(name="raw", uri=self.at("raw"), digest="a" * 64)
        # Only manifests are walked here, so that a features artifact can stand for the training table.
        self.training = make(Features, self.at("training"), {"rows": "1"}, [raw])
        self.features = make(Features, self.at("features"), {"labels": "[]"}, [raw])
        self.model = self._model()
        self.data_report = self._data_report()
        self.evaluation = self._evaluation()

    def at(self, name: str) -> str:
        """The URI of something in the chain."""
        return storage.join(storage.to_uri(self.root), name)

    def candidate(self, group: str = "invoices") -> Candidate:
        """The chain's model asking to be registered."""
        return Candidate(group, "invoices-demo", self.model, self.evaluation, self.data_report)

    def _model(self) -> Model:
        parents = [parent("training", self.training), parent("features", self.features)]
        return make(Model, self.at("model"), {"model.onnx": self.weights, "model.json": "{}"}, parents)

    def _data_report(self) -> Report:
        files = {"validation.json": json.dumps({"verdict": self.validated}), "index.html": "<p>data</p>"}
        return make(Report, self.at("data report"), files, [parent("training", self.training)])

    def _evaluation(self) -> Report:
        document = {
            "rows": 500,
            "metrics": self.metrics,
            "baselines": {"majority": {"macro_f1": 0.02}, "linear": {"macro_f1": 0.7, "accuracy": None}},
            "verdict": self.evaluated,
            "per_class": [{"label": "b c", "f1": 0.5}],
        }
        files = {
            "evaluation.json": json.dumps(document),
            "report.html": "<h1>report</h1>",
            "confusion.png": "png",
            "predictions.parquet": "rows",
        }
        parents = [parent("model", self.model), parent("test", self.features)]
        return make(Report, self.at("evaluation"), files, parents)


@dataclass(frozen=True)
class Place:
    """A registry, and the store of the models that it registers."""

    registry: Registry
    store: str

    def chain(self, name: str = "steps", **different: Any) -> Chain:
        """What the steps leave below a folder of the store."""
        return Chain(storage.join(self.store, name), **different)


def registry_in(folder: Path) -> EmbeddedRegistry:
    """An empty registry. MLflow takes seconds to make a database, so that each test gets a copy of the first."""
    folder.mkdir(parents=True)
    shutil.copy(_empty_database(), folder / DATABASE)
    note_database(folder)
    return EmbeddedRegistry(folder)


@functools.cache
def _empty_database() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="sluice-tests-"))
    atexit.register(shutil.rmtree, folder)
    with EmbeddedRegistry(folder)._client():
        return folder / DATABASE


def remove(uri: str) -> None:
    """Remove a file or a folder of the store."""
    filesystem, path = storage._open(uri)
    if filesystem.get_file_info(path).is_file:
        filesystem.delete_file(path)
    else:
        filesystem.delete_dir(path)


def replace(uri: str, other: Artifact) -> None:
    """Put another whole artifact in the place of one."""
    remove(storage.parent(uri))
    for file in storage.list_files(storage.parent(other.uri)):
        content = storage.read_bytes(storage.join(storage.parent(other.uri), file.path))
        storage.write_bytes(storage.join(storage.parent(uri), file.path), content)
