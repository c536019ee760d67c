"""One component's run: reuse by fingerprint, whole results or none, lineage."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sluice.contract import (
    Call,
    Component,
    ContractError,
    InputError,
    Output,
    Report,
    SchemaMismatch,
    Source,
    StorageError,
    Table,
    TableColumn,
    read_result,
    run,
    storage,
)
from sluice.contract.execution import revision
from sluice.contract.fingerprint import fingerprint_of

from . import builders


def made(store, count=3):
    """The manifest URI of a table in the store."""
    call = builders.call(builders.numbers, store, count=count)
    run(call)
    return call.output_uri("values")


def test_a_result_says_everything_about_itself(store):
    call = builders.call(builders.total, store, values=made(store), times="2")
    result = run(call)
    report = Report.open(call.output_uri("result"))
    assert (report.folder / "total.txt").read_text() == "6.0"
    assert result.metrics == {"rows": 3}
    assert result.outputs == {"result": report.digest}
    assert report.manifest.producer.component.endswith("builders")
    assert report.manifest.producer.parameters == {"times": 2.0}
    assert report.manifest.producer.metrics == {"rows": 3}
    assert report.manifest.parents[0].digest == Table.open(call.arguments["values"]).digest


def test_a_finished_result_is_reused_without_calling_the_function(store):
    call = builders.call(builders.total, store, values=made(store))
    first = run(call)
    assert run(builders.call(builders.total, store, values=call.arguments["values"])) == first


def test_what_an_artifact_is_does_not_depend_on_who_made_it_or_when(tmp_path):
    uris = [made((tmp_path / name).as_uri()) for name in ("a", "b")]
    first, second = (Table.open(uri) for uri in uris)
    assert first.digest == second.digest
    assert first.manifest.producer.started != second.manifest.producer.started


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"parameters": {"times": 2}}, ["parameter: times 1 → 2"]),
        ({"inputs": {"values": "d2"}}, ["input: values changed"]),
        ({"inputs": {}}, ["input: values removed"]),
    ],
)
def test_a_fingerprint_says_which_part_changed(changed, why):
    component = Component.of(builders.total)
    parts = {"settings": None, "parameters": {"times": 1}, "inputs": {"values": "d1"}}
    before = fingerprint_of(component, **parts)
    after = fingerprint_of(component, **(parts | changed))
    assert after.digest != before.digest
    assert after.changes_since(before) == why


def test_inside_an_image_its_content_stands_for_the_code(store, monkeypatch):
    def code():
        return builders.call(builders.numbers, store).fingerprint.code

    assert "image" not in code()
    monkeypatch.setenv("SLUICE_IMAGE_CONTENT", "0123456789abcdef")
    assert code() == {"image": "0123456789abcdef"}


def test_outside_an_image_a_call_can_be_told_which_one_it_will_run_in(store, monkeypatch):
    component = Component.of(builders.numbers)
    outside = Call(component, store, {}, image="0123456789abcdef").fingerprint
    monkeypatch.setenv("SLUICE_IMAGE_CONTENT", "0123456789abcdef")
    assert Call(component, store, {}).fingerprint == outside


def failing(error):
    def fails(values: Table, result: Output[Report]) -> builders.Rows:
        (result.folder / "half").write_text("half")
        raise error

    return fails


def test_a_component_that_fails_leaves_nothing(store, tmp_path):
    call = builders.call(failing(ZeroDivisionError("x")), store, values=made(store))
    with pytest.raises(ZeroDivisionError):
        run(call)
    assert call.finished() is None
    assert not storage.list_files(
        storage.join(store, "steps", call.component.name, call.fingerprint.digest[:16])
    )
    assert not list(tmp_path.rglob(".staging*"))


def test_a_full_disk_in_a_component_is_named(tmp_path):
    store = tmp_path.as_uri()
    call = builders.call(failing(OSError(28, "No space left on device")), store, values=made(store))
    with pytest.raises(StorageError, match=r"the disk is full\. Free some space and run again"):
        run(call)


def test_an_input_of_the_wrong_roles_is_refused_before_the_function_runs(tmp_path):
    column = TableColumn(name="word", type="string")
    import pyarrow as pa

    table = builders.table(tmp_path / "t", [pa.record_batch({"word": pa.array(["x"])})], (column,))
    with pytest.raises(
        SchemaMismatch, match=r"--values .*lacks a column of a required role.*the role numeric"
    ):
        run(builders.call(builders.total, tmp_path.as_uri(), values=table.uri))


def test_a_missing_input_is_named(tmp_path):
    with pytest.raises(InputError, match="--values: an input is missing"):
        run(builders.call(builders.total, tmp_path.as_uri()))


def test_a_parameter_of_the_wrong_type_is_named(tmp_path):
    with pytest.raises(InputError, match=r"--count: the value doesn't fit: .*valid integer.*Got: 'many'"):
        run(builders.call(builders.numbers, tmp_path.as_uri(), count="many"))


def test_a_result_that_can_t_be_read_is_named_with_what_to_do(tmp_path):
    (tmp_path / "result.json").write_text("{")
    with pytest.raises(ContractError, match="a step's result can't be read.*Remove the step's folder"):
        read_result(tmp_path.as_uri())


def test_a_source_is_known_by_the_content_of_its_files(store):
    storage.write_bytes(storage.join(store, "raw", "a.csv"), b"1")
    before = Source(storage.join(store, "raw")).digest(None)
    storage.write_bytes(storage.join(store, "raw", "a.csv"), b"2")
    assert Source(storage.join(store, "raw")).digest(None) != before
    local = Source(storage.join(store, "raw")).local(None)
    assert (local / "a.csv").read_bytes() == b"2"


def test_a_source_without_the_files_asked_for_says_what_is_there(store):
    storage.write_bytes(storage.join(store, "raw", "a.csv"), b"1")

    class Wants:
        def source_files(self):
            return ("b.csv",)

    with pytest.raises(
        InputError, match=r"none of the recipe's files. Got: a.csv. Allowed: b.csv. Name the folder"
    ):
        Source(storage.join(store, "raw")).digest(Wants())


@pytest.mark.parametrize(("name", "got"), [("nowhere", "nothing"), ("a.csv", "a file")])
def test_a_source_that_is_no_folder_is_told_apart_from_an_empty_one(tmp_path, name, got):
    (tmp_path / "a.csv").write_text("1")
    message = f"{tmp_path / name}: the data folder isn't there. Got: {got}. Allowed: a folder"
    for look in (Source.digest, Source.local):
        with pytest.raises(InputError) as refused:
            look(Source((tmp_path / name).as_uri()), None)
        assert message in str(refused.value)


def test_another_users_checkout_says_its_revision_too(monkeypatch, repository):
    if not (repository / ".git").exists():
        pytest.skip("an exported tree has no revision")
    monkeypatch.delenv("SLUICE_REVISION", raising=False)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    assert re.fullmatch(r"[0-9a-f]{40}\+?", revision(repository) or "")


KILLED = """
import os, signal, sys, pathlib
sys.path.insert(0, sys.argv[2])
from sluice.contract import *
from tests_contract_builders import Rows, call, numbers, rows, COLUMNS

def numbers_and_dies(values: Output[Table]) -> Rows:
    with values.writer(COLUMNS) as writer:
        for n in range(100):
            writer.write(rows(range(1000)))
            if n == 70:
                os.kill(os.getpid(), signal.SIGKILL)

run(call(numbers_and_dies, pathlib.Path(sys.argv[1]).as_uri()))
"""


def test_a_kill_in_the_middle_of_writing_leaves_nothing_that_a_reader_takes_for_a_result(
    tmp_path, repository
):
    (tmp_path / "tests_contract_builders.py").write_text(Path(builders.__file__).read_text())
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "store"), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(repository)},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    left = [path.name for path in (tmp_path / "store").rglob("*") if path.is_file()]
    assert left == ["part-00000.parquet"]
    assert not list((tmp_path / "store").rglob("result.json"))


def test_the_manifest_and_result_are_strict_json(tmp_path):
    made(tmp_path.as_uri())
    for path in [*tmp_path.rglob("manifest.json"), *tmp_path.rglob("result.json")]:
        json.loads(path.read_text(), parse_constant=lambda bad: pytest.fail(bad))
