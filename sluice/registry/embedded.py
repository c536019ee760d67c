"""The registry on this machine: MLflow on SQLite, `mlflow.db` with `mlflow-artifacts` beside it in one folder.

A model stays in the store where train put it; the registry holds its URI and digest, what was measured and every
decision, as MLflow model versions, runs and tags, so that MLflow's own pages show them too.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sluice.contract import RegistryError, Report, storage
from sluice.contract.lineage import lineage_of
from sluice.registry.base import Candidate, Registry, new_version, recorded
from sluice.registry.identity import DATABASE, note_database
from sluice.registry.lock import alone
from sluice.registry.reading import decision_key, read_versions, version_tags
from sluice.registry.records import Decision, ModelVersion
from sluice.registry.verdicts import metrics_of

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

ARTIFACTS = "mlflow-artifacts"
PARTIAL = ".mlflow.db.partial"
BATCH = 1000
"""Metrics that MLflow takes at a time."""


class EmbeddedRegistry(Registry):
    """Versions in MLflow's SQLite store. Writers take turns; readers don't wait for them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.uri = folder.as_uri()

    def _alone(self) -> AbstractContextManager[None]:
        return alone(self.folder)

    def _versions(self, group: str | None = None) -> tuple[ModelVersion, ...]:
        versions = read_versions(self.folder / DATABASE)
        return tuple(version for version in versions if group in (None, version.group))

    def _add(self, candidate: Candidate, decision: Decision) -> ModelVersion:
        with self._client() as client:
            run = self._log_run(client, candidate)
            version = new_version(candidate, decision)
            _make_group(client, candidate.group)
            made = client.create_model_version(
                candidate.group, storage.parent(candidate.model.uri), run, tags=version_tags(version)
            )
        return self.get(candidate.group, int(made.version))

    def _record(self, version: ModelVersion, decision: Decision) -> None:
        key = decision_key(len(version.history))
        with self._client() as client:
            # The decision counts; `status` repeats it for MLflow's pages and filters.
            client.set_model_version_tag(version.group, str(version.version), key, decision.model_dump_json())
            client.set_model_version_tag(version.group, str(version.version), "status", decision.after.value)

    def _log_run(self, client: MlflowClient, candidate: Candidate) -> str:
        """Keep what was measured, what it was made from and the evaluation's pages as an MLflow run."""
        experiment = self._experiment(client, candidate.group)
        run = str(client.create_run(experiment, run_name=candidate.recipe).info.run_id)
        try:
            _log_metrics(client, run, metrics_of(candidate.evaluation))
            for name, value in _parameters(candidate).items():
                client.log_param(run, name, value)
            _log_pages(client, run, candidate.evaluation)
        except BaseException:
            client.set_terminated(run, "FAILED")
            raise
        client.set_terminated(run)
        return run

    def _experiment(self, client: MlflowClient, name: str) -> str:
        known = client.get_experiment_by_name(name)
        if known is not None:
            return str(known.experiment_id)
        return str(client.create_experiment(name, artifact_location=(self.folder / ARTIFACTS).as_uri()))

    @contextmanager
    def _client(self) -> Iterator[MlflowClient]:
        """A client of the registry's database, which is made if need be; its errors become ours."""
        _quieten()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from mlflow.exceptions import MlflowException
            from sqlalchemy.exc import SQLAlchemyError

            try:
                if not (self.folder / DATABASE).exists():
                    self._create()
                yield _connect(self.folder / DATABASE)
            except (MlflowException, SQLAlchemyError) as error:
                raise RegistryError(
                    "MLflow's store refuses",
                    where=self.folder / DATABASE,
                    got=str(error).splitlines()[0].rstrip("."),
                    next_step="Free some disk space or give this user the right to write there, and run again",
                ) from error

    def _create(self) -> None:
        """Make the database beside its place and move it there: one that was killed half-way is never opened."""
        partial = self.folder / PARTIAL
        for left in self.folder.glob(f"{PARTIAL}*"):
            left.unlink()
        _connect(partial)
        partial.replace(self.folder / DATABASE)
        note_database(self.folder)


def _quieten() -> None:
    """Telemetry off, and nothing logged: its errors become ours. MLflow reads these when it is imported."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["DO_NOT_TRACK"] = "true"
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "CRITICAL")


def _connect(database: Path) -> MlflowClient:
    from mlflow.tracking import MlflowClient

    uri = f"sqlite:///{database}"
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _make_group(client: MlflowClient, group: str) -> None:
    if not client.search_registered_models(f"name = '{group}'"):
        client.create_registered_model(group)


def _log_metrics(client: MlflowClient, run: str, metrics: dict[str, float]) -> None:
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    logged = [Metric(name, value, now, 0) for name, value in metrics.items()]
    for start in range(0, len(logged), BATCH):
        client.log_batch(run, metrics=logged[start : start + BATCH])


def _log_pages(client: MlflowClient, run: str, evaluation: Report) -> None:
    """Copy what people read; predictions and other tables stay in the report."""
    for file in evaluation.manifest.files:
        if Path(file.path).suffix != ".parquet":
            folder = Path("evaluation", file.path).parent
            client.log_artifact(run, str(evaluation.folder / file.path), folder.as_posix())


def _parameters(candidate: Candidate) -> dict[str, str]:
    """The recipe's name and the digest of everything that the evaluated model came from."""
    reports = {"evaluation": candidate.evaluation, "data_report": candidate.data_report}
    trees = [lineage_of(recorded(name, report)) for name, report in reports.items()]
    return {"recipe": candidate.recipe} | {node.name: node.digest for tree in trees for node in tree.walk()}
