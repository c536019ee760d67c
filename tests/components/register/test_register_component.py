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
from sluice.contract import storage
from sluice.contract.cli import main
from sluice.registry import RegistryHome, Status
from tests.registry.builders import REFUSED, Chain, registry_in

RECIPE = Path(__file__).parents[2] / "recipe" / "parcels.yaml"


@pytest.fixture
def store(tmp_path):
    registry_in(tmp_path / "my store" / "registry")
    return tmp_path / "my store"


def arguments(store: Path | str, chain: Chain, **changed: str) -> list[str]:
    given = {
        "store": str(store),
        "recipe": str(RECIPE),
        "model": chain.model.uri,
        "evaluation": chain.evaluation.uri,
        "data-report": chain.data_report.uri,
        "registry": f"{store}/registry",
    }
    return [word for name, value in (given | changed).items() for word in (f"--{name}", value)]


def run(store: Path | str, chain: Chain, capsys, **changed: str) -> dict:
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


def history(store: Path) -> list[tuple[str, str]]:
    [version] = RegistryHome.of_store(str(store)).open().list()
    return [(decision.after.value, decision.why) for decision in version.history]


REGISTERED = ("PendingManualApproval", "registered by recipe parcels: every gate passed")
AUTOMATICALLY = ("Approved", "approved automatically: every gate passed")


def test_with_approval_it_takes_a_second_decision_at_once_and_only_once(store, capsys):
    chain = Chain(store / "steps")
    result = run(store, chain, capsys, approval="Approved")
    assert result["metrics"] == {"group": "parcels", "version": 1, "status": "Approved"}
    assert history(store) == [REGISTERED, AUTOMATICALLY]
    shutil.rmtree(store / "steps" / "register")
    assert run(store, chain, capsys, approval="Approved")["metrics"]["status"] == "Approved"
    assert history(store) == [REGISTERED, AUTOMATICALLY]


def test_a_registered_model_that_nobody_decided_on_is_approved_by_a_later_run_that_may(store, capsys):
    chain = Chain(store / "steps")
    run(store, chain, capsys)
    assert run(store, chain, capsys, approval="Approved")["metrics"]["version"] == 1
    assert history(store) == [REGISTERED, AUTOMATICALLY]


def test_what_a_person_rejected_is_never_approved_automatically(store, capsys):
    chain = Chain(store / "steps")
    run(store, chain, capsys)
    RegistryHome.of_store(str(store)).open().decide("parcels", 1, Status.REJECTED, who="ada", why="it drifts")
    assert run(store, chain, capsys, approval="Approved")["metrics"]["status"] == "Rejected"
    assert history(store) == [REGISTERED, ("Rejected", "it drifts")]


def test_automatic_approval_checks_what_any_approval_checks(store, capsys, monkeypatch):
    """Between the two decisions somebody changes the model."""
    chain = Chain(store / "steps")
    run(store, chain, capsys)
    (store / "steps" / "model" / "model.onnx").write_text("evil weights")
    assert main(register, arguments(store, chain, approval="Approved")) == 1
    assert "model.onnx: a payload file's sha256 is not the manifest's" in capsys.readouterr().err
    assert history(store) == [REGISTERED]


@pytest.mark.parametrize("approval", ["approved", "Rejected", "yes", ""])
def test_another_approval_is_refused_before_anything_is_registered(store, capsys, approval):
    assert main(register, arguments(store, Chain(store / "steps"), approval=approval)) == 1
    error = capsys.readouterr().err
    assert f"register --approval: a new version can't begin like that. Got: {approval or 'nothing'}." in error
    assert "Allowed: PendingManualApproval, which a person then decides, or Approved." in error
    assert RegistryHome.of_store(str(store)).open().list() == ()


def test_on_sagemaker_it_registers_approves_and_says_how_to_approve(empty_aws, s3_store, capsys):
    chain, home = Chain(f"{s3_store}/steps"), "sagemaker://eu-west-1"
    waiting = run(s3_store, chain, capsys, registry=home)
    assert waiting["metrics"] == {"group": "parcels", "version": 1, "status": "PendingManualApproval"}
    written = json.loads(storage.read_bytes(f"{waiting['result']}/registration/registration.json"))
    assert written["registry"] == home
    assert written["approve"] == f"python -m orchestration models approve parcels 1 --registry {home}"
    assert run(s3_store, chain, capsys, registry=home) == waiting, (
        "reused: the identity is known without a network"
    )
    approved = run(s3_store, chain, capsys, registry=home, approval="Approved")
    assert approved["metrics"] == {"group": "parcels", "version": 1, "status": "Approved"}
    command = shlex.split(written["approve"])
    assert orchestration([*command[3:], "--reason", "again"]) == 1
    assert "it can't become Approved. Got: Approved, by " in capsys.readouterr().err


def test_help_needs_no_mlflow(repository):
    code = """
import sys
from components.register.component import register
from sluice.contract import storage
from sluice.contract.cli import main
try:
    main(register, ["--help"])
finally:
    assert not {"mlflow", "sqlalchemy", "rich", "boto3", "botocore"} & set(sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "the registry's folder, made if it isn't there; or sagemaker:// and a region" in " ".join(
        done.stdout.split()
    )
