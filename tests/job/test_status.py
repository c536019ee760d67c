"""What the status table says while a step works and afterwards; and that losing the table never fails a step."""

from __future__ import annotations

import socket
import sys
import time

import boto3
import pytest

from sluice.contract import InputError, report
from sluice.job import run_step, status
from sluice.job.status import telling

from .engine import image, in_a_room

TABLE = "sluice-test-status"
GIVEN = {"SLUICE_STATUS_TABLE": TABLE, "SLUICE_EXECUTION": "abc123", "SLUICE_STEP": "train"}
COUNT = ("count", "file:///no/recipe.yaml", "rows", "3")


@pytest.fixture(scope="module")
def table(aws):
    """Gives the item of the step of the execution above."""
    dynamodb = boto3.client("dynamodb")
    keys = {"execution": "HASH", "step": "RANGE"}
    dynamodb.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys.items()],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in keys],
        BillingMode="PAY_PER_REQUEST",
    )

    def item(execution: str = "abc123", step: str = "train") -> dict[str, str]:
        key = {"execution": {"S": execution}, "step": {"S": step}}
        found = dynamodb.get_item(TableName=TABLE, Key=key, ConsistentRead=True)["Item"]
        return {name: next(iter(value.values())) for name, value in found.items()}

    yield item
    dynamodb.close()


@pytest.fixture
def store(checkout, tmp_path, monkeypatch):
    """The store of a job in this process."""
    monkeypatch.setenv("SLUICE_STORE", str(tmp_path / "store"))


@pytest.fixture
def silent_server():
    """The address of a server that takes a connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def told(item: dict[str, str]) -> tuple[str, str, str]:
    """An item's state, percent and message."""
    return item["state"], item["percent"], item["message"]


def test_an_item_says_how_far_its_step_is_and_when_that_was(table, monkeypatch):
    monkeypatch.setattr(status, "INTERVAL_SECONDS", 0)
    before = int(time.time())
    with telling(GIVEN):
        assert told(table()) == ("running", "0", "started")
        report("epoch 1 of 3", fraction=0.333)
        assert told(table()) == ("running", "33", "epoch 1 of 3")
        report("measuring")
        assert told(table()) == ("running", "33", "measuring")
    assert told(table()) == ("done", "100", "done")
    assert before <= int(table()["updated"]) <= time.time()
    assert int(table()["expires"]) - int(table()["updated"]) == 30 * 86400


def test_a_step_that_reports_all_the_time_writes_now_and_then_and_always_its_end(table):
    with telling(GIVEN):
        for number in range(100):
            report(f"row {number}", fraction=number / 100)
        assert told(table()) == ("running", "0", "started")
    assert told(table()) == ("done", "100", "done")


def test_a_failed_step_says_why_and_how_far_it_was(table, monkeypatch):
    monkeypatch.setattr(status, "INTERVAL_SECONDS", 0)

    def add() -> None:
        with telling(GIVEN):
            report("adding", fraction=0.7)
            raise InputError("the number is odd", where="line 3", next_step="Double it")

    with pytest.raises(InputError, match="the number is odd"):
        add()
    assert told(table()) == ("failed", "70", "line 3: the number is odd. Double it.")


def test_what_has_no_words_is_told_by_its_name(table):
    with pytest.raises(KeyboardInterrupt), telling(GIVEN):
        raise KeyboardInterrupt
    assert told(table()) == ("failed", "0", "KeyboardInterrupt")


def test_a_job_tells_the_table_of_its_own_step(table, store, monkeypatch):
    for name, value in {**GIVEN, "SLUICE_STEP": "count"}.items():
        monkeypatch.setenv(name, value)
    run_step(*COUNT)
    assert told(table(step="count")) == ("done", "100", "done")


def test_a_failed_job_tells_the_table_and_its_failure_file_the_same(
    table, repository, checkout, can_mount, tmp_path
):
    if not can_mount:
        pytest.skip("this machine lets nobody mount a folder in a namespace")
    code = f"from sluice.job import run_step; run_step(*{COUNT!r}, 'how', 'input')"
    variables = {**GIVEN, "SLUICE_STEP": "broken", "SLUICE_STORE": str(tmp_path / "store")}
    done = in_a_room(tmp_path / "job", [sys.executable, "-c", code], image(repository, checkout, **variables))
    state, _, message = told(table(step="broken"))
    assert (done.status, state) == (1, "failed")
    assert done.failure == f"count: {message}"
    assert message.startswith("line 3: the number is odd.")


@pytest.mark.parametrize("lost", ["missing", "unreachable", "denied"])
def test_losing_the_table_never_fails_a_step_and_costs_little(lost, table, store, door, capsys, monkeypatch):
    given, told_reason = dict(GIVEN), {"missing": "ResourceNotFound", "unreachable": "EndpointConnection"}
    if lost == "missing":
        given["SLUICE_STATUS_TABLE"] = "nowhere"
    if lost == "unreachable":
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9")
    if lost == "denied":
        door.deny("POST /")
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", door.address)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    began = time.monotonic()
    assert run_step(*COUNT)["passed"] is True
    assert time.monotonic() - began < 5
    assert (
        f"status table {given['SLUICE_STATUS_TABLE']}: {told_reason.get(lost, 'ClientError')}"
        in capsys.readouterr().out
    )


@pytest.mark.long
def test_a_table_that_never_answers_is_left_alone_for_a_while(silent_server, aws, monkeypatch, capsys):
    monkeypatch.setattr(status, "INTERVAL_SECONDS", 0)
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", silent_server)
    began = time.monotonic()
    with telling(GIVEN):
        for number in range(100):
            report("working", fraction=number / 100)
    assert time.monotonic() - began < 8  # two seconds each for the first word and the last
    assert capsys.readouterr().out.count("ReadTimeoutError") == 2


def test_a_report_that_makes_no_sense_fails_no_step(table, monkeypatch, capsys):
    monkeypatch.setattr(status, "INTERVAL_SECONDS", 0)
    with telling(GIVEN):
        report("nothing to do", fraction=float("nan"))
    assert told(table()) == ("done", "100", "done")
    assert "status table sluice-test-status: ValueError: cannot convert float NaN" in capsys.readouterr().out


def test_without_a_table_nobody_listens(monkeypatch):
    with telling({"SLUICE_STATUS_TABLE": ""}):
        assert status.progress.listeners == []


def test_after_a_step_nobody_listens_any_more(table):
    with pytest.raises(ZeroDivisionError), telling(GIVEN):
        raise ZeroDivisionError
    assert status.progress.listeners == []
