"""Each step of an execution leaves which result it ended with, so that a later execution may take it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from sluice.contract import storage
from sluice.job import record_uri, run_step

EMIT = ("emit", "s3://nobody/reads-it", "count", "3")


@pytest.fixture
def job(importable, s3_store, monkeypatch):
    """The environment of a step's job in an execution; gives the store."""
    for name, value in {"STORE": s3_store, "EXECUTION": "abc123", "STEP": "first"}.items():
        monkeypatch.setenv(f"SLUICE_{name}", value)
    return s3_store


def test_a_step_of_an_execution_records_its_result_whether_new_or_found(job, monkeypatch):
    said = run_step(*EMIT)
    monkeypatch.setenv("SLUICE_EXECUTION", "def456")
    assert run_step(*EMIT) == said
    records = [storage.read_bytes(record_uri(job, identity, "first")) for identity in ("abc123", "def456")]
    assert [json.loads(record) for record in records] == [{"result": said["result"]}] * 2
    assert record_uri(job, "abc123", "first") == f"{job}/executions/abc123/first.json"


def test_a_step_outside_of_an_execution_records_nothing(job, monkeypatch):
    monkeypatch.delenv("SLUICE_EXECUTION")
    run_step(*EMIT)
    assert storage.list_files(f"{job}/executions") == []


def test_a_record_that_cannot_be_written_fails_the_step(importable, tmp_path, monkeypatch, repository):
    store = tmp_path / "store"
    store.mkdir()
    (store / "executions").write_text("a file, where a folder should be")
    for name, value in {"STORE": str(store), "EXECUTION": "abc123", "STEP": "first"}.items():
        monkeypatch.setenv(f"SLUICE_{name}", value)
    code = f"from sluice.job import run_step; run_step(*{EMIT}); print('returned')"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "returned" in done.stdout) == (1, False)
    assert "executions/abc123/first.json: the store can't be read or written" in done.stderr
