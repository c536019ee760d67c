"""Processes that register into one registry take turns, from the very first moment; a killed one blocks nobody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from sluice.contract import RegistryError
from sluice.registry import RegistryHome, Status
from sluice.registry.lock import alone
from tests.registry.builders import Chain

REGISTER = """
import sys
from sluice.contract import Model, Report
from sluice.registry import Candidate, RegistryHome
registry, model, evaluation, data_report = sys.argv[1:]
candidate = Candidate("g", "r", Model.open(model), Report.open(evaluation), Report.open(data_report))
print(RegistryHome(registry).open().register(candidate, who="x").version)
"""


def registering(home, chain, wrap=()):
    """A process that registers the chain's model."""
    uris = [artifact.uri for artifact in (chain.model, chain.evaluation, chain.data_report)]
    command = [*wrap, sys.executable, "-c", REGISTER, home.uri, *uris]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def place(embedded):
    return embedded


@pytest.fixture
def new_home(tmp_path):
    return RegistryHome.of_store(str(tmp_path / "my store"))


def test_two_at_once_make_the_registry_after_a_third_was_killed_in_the_middle_of_it(tmp_path, new_home):
    one, two = (Chain(tmp_path / weights, weights=weights) for weights in ("one", "two"))
    kill_half_way(registering(new_home, one), new_home.folder)
    assert new_home.open().list() == ()
    answers = [process.communicate(timeout=200) for process in [registering(new_home, c) for c in (one, two)]]
    assert sorted(answers) == [("1\n", ""), ("2\n", "")], "both succeed, and MLflow says nothing beside"
    assert {v.model.digest for v in new_home.open().list("g")} == {one.model.digest, two.model.digest}
    assert new_home.open().decide("g", 1, Status.APPROVED, who="x", why="").status == Status.APPROVED
    left = sorted(path.name for path in new_home.folder.iterdir())
    assert left == ["mlflow-artifacts", "mlflow.db", "registry.json", "registry.lock"]


def kill_half_way(process, folder):
    """Kill a process, the hard way, while it makes the database."""
    deadline = time.monotonic() + 60
    while not (partial := list(folder.glob(".mlflow.db.partial"))) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert partial
    assert not (folder / "mlflow.db").exists()


def test_the_same_model_at_once_becomes_one_version(registry, chain):
    home = RegistryHome(registry.uri)
    answers = [process.communicate(timeout=100) for process in [registering(home, chain) for _ in range(3)]]
    assert answers == [("1\n", "")] * 3
    assert len(registry.list()) == 1


def test_a_full_disk_is_named_and_mlflow_logs_nothing_beside(full_disk, chain):
    home = RegistryHome(f"{full_disk.path}/registry")
    nearly_full = ["sh", "-c", 'head -c 700000 /dev/zero > "$0/others" && exec "$@"', full_disk.path]
    out, error = registering(home, chain, [*full_disk.wrap, *nearly_full]).communicate(timeout=100)
    message = error.splitlines()[-1]
    assert out == ""
    assert message.startswith("sluice.contract.errors.RegistryError: ")
    assert (
        "mlflow.db: MLflow's store refuses. Got: (sqlite3.OperationalError) database or disk is full."
        in message
    )
    assert "Free some disk space" in message
    assert error.startswith("Traceback"), "no line of MLflow's own"


def test_a_writer_that_never_ends_is_named_after_a_while(new_home):
    with alone(new_home.folder):
        began = time.monotonic()
        message = (
            r"registry: another process is writing to the registry\. Got: its lock was held for 0\.2 seconds"
        )
        with pytest.raises(RegistryError, match=message), alone(new_home.folder, patience=0.2):
            pass
        assert 0.2 <= time.monotonic() - began < 2
    with alone(new_home.folder, patience=0):
        pass


def test_reading_needs_no_mlflow_and_writing_keeps_it_from_calling_home(tmp_path):
    code = """
import sys, threading
from sluice.registry import RegistryHome
from sluice.registry.embedded import _connect, _quieten
assert RegistryHome(sys.argv[1]).open().list() == ()
assert "mlflow" not in sys.modules and "sqlalchemy" not in sys.modules
_quieten()
import mlflow.telemetry
assert mlflow.telemetry.get_telemetry_client() is None, "telemetry is on"
assert threading.active_count() == 1
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
