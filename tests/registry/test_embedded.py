"""MLflow's store holds, shows and keeps what Sluice says."""

from __future__ import annotations

import json

import pytest

from sluice.contract import RegistryError
from sluice.registry import RegistryHome, Status
from tests.registry.builders import REFUSED, Chain

PENDING, APPROVED, REJECTED = Status


@pytest.fixture
def place(embedded):
    return embedded


@pytest.fixture
def mlflow_client(registry):
    """MLflow's own word for what is stored."""
    with registry._client() as client:
        yield client


def test_mlflow_holds_what_sluice_says(registry, chain, mlflow_client):
    version = registry.register(chain.candidate(), who="x")
    stored = mlflow_client.get_model_version("invoices", "1")
    run = mlflow_client.get_run(stored.run_id)
    assert stored.source == chain.model.uri.removesuffix("/manifest.json")
    assert stored.tags["model.digest"] == chain.model.digest
    assert stored.tags["evaluation.uri"] == chain.evaluation.uri
    assert stored.tags["status"] == "PendingManualApproval"
    assert json.loads(stored.tags["decision.0000"])["who"] == "x"
    assert stored.creation_timestamp == version.created.timestamp() * 1000
    assert run.data.metrics == version.metrics
    assert run.info.status == "FINISHED"
    assert run.data.params == {
        "recipe": "invoices-demo",
        "evaluation": chain.evaluation.digest,
        "data_report": chain.data_report.digest,
        "model": chain.model.digest,
        "training": chain.training.digest,
        "features": chain.features.digest,
        "test": chain.features.digest,
        "raw": "a" * 64,
    }


def test_mlflow_shows_the_evaluations_pages_but_not_its_tables(registry, chain, mlflow_client):
    registry.register(chain.candidate(), who="x")
    run = mlflow_client.get_model_version("invoices", "1").run_id
    pages = [file.path for file in mlflow_client.list_artifacts(run, "evaluation")]
    assert pages == ["evaluation/confusion.png", "evaluation/evaluation.json", "evaluation/report.html"]
    copies = registry.folder.glob("mlflow-artifacts/*/artifacts/evaluation/report.html")
    assert [page.read_text() for page in copies] == ["<h1>report</h1>"]


def test_a_model_that_is_registered_again_leaves_no_second_run(registry, chain, mlflow_client):
    for who in ("x", "y"):
        registry.register(chain.candidate(), who=who)
    experiment = mlflow_client.get_experiment_by_name("invoices").experiment_id
    assert len(mlflow_client.search_runs([experiment])) == 1


def test_reading_without_mlflow_agrees_with_mlflow(registry, chain, another, mlflow_client):
    registry.register(chain.candidate(), who="x")
    registry.register(another("2", weights="other").candidate(), who="x")
    registry.decide("invoices", 1, Status.REJECTED, who="y", why="too old")
    stored = mlflow_client.search_model_versions("name = 'invoices'")
    assert [(v.version, v.status.value, v.model.digest) for v in registry.list("invoices")] == [
        (int(v.version), v.tags["status"], v.tags["model.digest"]) for v in stored
    ]


def test_what_others_keep_in_the_same_store_or_removed_is_not_shown(registry, chain, mlflow_client):
    registry.register(chain.candidate(), who="x")
    mlflow_client.create_registered_model("someone else's")
    mlflow_client.create_model_version("someone else's", "file:///elsewhere")
    assert [v.group for v in registry.list()] == ["invoices"]
    mlflow_client.delete_model_version("invoices", "1")
    assert registry.list() == ()


@pytest.fixture
def waiting(registry, chain):
    """A registry with one model that waits for a decision."""
    registry.register(chain.candidate(), who="nightly job")
    return registry


def decide(registry, *statuses):
    for status in statuses:
        registry.decide("invoices", 1, status, who="ada", why="because")


def test_mlflow_keeps_each_decision_in_a_tag_of_its_own(waiting, mlflow_client):
    first = mlflow_client.get_model_version("invoices", "1").tags
    decide(waiting, APPROVED, REJECTED, APPROVED)
    tags = mlflow_client.get_model_version("invoices", "1").tags
    assert tags["decision.0000"] == first["decision.0000"]
    assert [key for key in sorted(tags) if key.startswith("decision.")] == [
        f"decision.000{n}" for n in range(4)
    ]
    assert tags["status"] == "Approved"


def test_a_dozen_decisions_with_the_longest_reason_fit(waiting):
    for status in (APPROVED, REJECTED) * 6:
        version = waiting.decide("invoices", 1, status, who="ada", why="é" * 1024)
    assert [d.why for d in version.history[1:]] == ["é" * 1024] * 12


def test_a_refused_model_leaves_nothing_behind(tmp_path):
    home = RegistryHome.of_store(str(tmp_path / "store"))
    with pytest.raises(RegistryError, match="the verdict is not passed"):
        home.open().register(Chain(tmp_path / "steps", evaluated=REFUSED).candidate(), who="x")
    assert not home.folder.exists()
