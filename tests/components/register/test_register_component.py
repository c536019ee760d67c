"""The register component through its command line: what it writes, what it refuses, when it runs again."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from components.register.component import register
from orchestration.cli import main as orchestration
from sluice.contract.cli import main
from sluice.registry import RegistryHome
from tests.registry.builders import REFUSED, Chain, registry_in

RECIPE = Path(__file__).parents[2] / "recipe" / "parcels.yaml"


@pytest.fixture
def store(tmp_path):
    registry_in(tmp_path / "my store" / "registry")
    return tmp_path / "my store"


def arguments(store: Path, chain: Chain, **changed: str) -> list[str]:
    given = {
        "store": str(store),
        "recipe": str(RECIPE),
        "model": chain.model.uri,
        "evaluation": chain.evaluation.uri,
        "data-report": chain.data_report.uri,
        "registry": str(store / "registry"),
    }
    return [word for name, value in (given | changed).items() for word in (f"--{name}", value)]


def run(store: Path, chain: Chain, capsys, **changed: str) -> dict:
    status = main(register, arguments(store, chain, **changed))
    captured = capsys.readouterr()
    assert status == 0, captured.err
    return json.loads(captured.out)


def test_it_registers_and_says_how_to_approve(store, capsys):
    result = run(store, Chain(store / "steps"), capsys)
    assert result["metrics"] == {"group": "parcels", "version": 1, "status": "PendingManualApproval"}
    written = json.loads(
        (
            Path(result["result"].removeprefix("file://").replace("%20", " "))
            / "registration"
            / "registration.json"
        ).read_text()
    )
    assert written == {
        "group": "parcels",
        "version": 1,
        "status": "PendingManualApproval",
        "registry": (store / "registry").as_uri(),
        "approve": f"python -m orchestration models approve parcels 1 --registry '{store}/registry'",
    }
    command = shlex.split(written["approve"])
    assert command[:3] == ["python", "-m", "orchestration"]
    assert orchestration(command[3:]) == 0
    assert RegistryHome.of_store(str(store)).open().get("parcels", 1).status == "Approved"


def test_an_unchanged_second_run_is_reused_and_a_lost_result_is_not_registered_twice(store, capsys):
    chain = Chain(store / "steps")
    first = run(store, chain, capsys)
    assert run(store, chain, capsys) == first
    shutil.rmtree(store / "steps" / "register")
    assert run(store, chain, capsys)["metrics"]["version"] == 1
    assert len(RegistryHome.of_store(str(store)).open().list()) == 1


def test_a_new_registry_makes_it_run_again(store, tmp_path, capsys):
    chain = Chain(store / "steps")
    first = run(store, chain, capsys)
    registry_in(tmp_path / "another")
    second = run(store, chain, capsys, registry=str(tmp_path / "another"))
    assert second["result"] != first["result"]
    assert [v.version for v in RegistryHome(str(tmp_path / "another")).open().list()] == [1]


def test_called_by_hand_it_still_refuses_a_refused_model(store, capsys):
    chain = Chain(store / "steps", evaluated=REFUSED)
    assert main(register, arguments(store, chain)) == 1
    error = capsys.readouterr().err
    assert "error: " + chain.evaluation.uri in error
    assert (
        "a refused model is not registered or approved. Got: macro_f1 is 0.41, at least 0.6 is asked."
        in error
    )
    assert RegistryHome.of_store(str(store)).open().list() == ()
    assert not list(store.rglob("registration.json"))


def test_help_needs_no_mlflow(repository):
    code = """
import sys
from components.register.component import register
from sluice.contract.cli import main
try:
    main(register, ["--help"])
finally:
    assert not {"mlflow", "sqlalchemy", "rich"} & set(sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "the registry's folder, made if it isn't there; or sagemaker:// and a region" in " ".join(done.stdout.split())
