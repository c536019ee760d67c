"""Artifacts: written by row group, verified before they are read, on disk and on S3."""

from __future__ import annotations

import itertools
import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.contract import (
    ArtifactMissing,
    ArtifactTampered,
    ContractError,
    ContractTooNew,
    Features,
    Output,
    SchemaMismatch,
    Table,
    open_artifact,
    run,
    storage,
)
from sluice.contract.artifacts import ROW_GROUP

from . import builders


def test_a_table_is_read_back_as_written_on_either_store(store):
    call = builders.call(builders.numbers, store, count=5)
    run(call)
    table = Table.open(call.output_uri("values"))
    assert table.rows == 5
    assert table.read().column("number").to_pylist() == [0, 1, 2, 3, 4]
    assert table.named("numeric") == ["number"]
    assert [batch.num_rows for batch in table.batches(size=2)] == [2, 2, 1]


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(0, 40), max_size=6))
def test_a_table_s_digest_does_not_depend_on_how_its_rows_arrive(tmp_path_factory, cuts):
    def digest(edges):
        batches = [builders.rows(range(a, b)) for a, b in itertools.pairwise(edges)]
        return builders.table(tmp_path_factory.mktemp("t") / "x", batches).digest

    assert digest([0, *sorted(cuts), 40]) == digest([0, 40])


def test_row_groups_and_parts_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("sluice.contract.artifacts.ROWS_PER_PART", 2 * ROW_GROUP)
    table = builders.table(tmp_path / "t", [builders.rows(range(ROW_GROUP * 3 + 5))])
    assert [(f.path, f.rows) for f in table.manifest.files] == [
        ("part-00000.parquet", 2 * ROW_GROUP),
        ("part-00001.parquet", ROW_GROUP + 5),
    ]
    assert max(batch.num_rows for batch in table.batches()) == ROW_GROUP


def test_a_table_without_rows_still_has_its_schema(tmp_path):
    table = builders.table(tmp_path / "t", [])
    assert table.rows == 0
    assert table.read().schema.names == ["number", "word"]


def test_rows_of_another_schema_are_refused_while_writing(tmp_path):
    with pytest.raises(SchemaMismatch, match="rows don't fit the table they are written to"):
        builders.table(tmp_path / "t", [pa.record_batch({"number": pa.array([1])})])


def test_without_a_manifest_there_is_no_artifact(tmp_path):
    with pytest.raises(
        ArtifactMissing, match=r"no artifact here: there is no manifest.*Run the step that makes it"
    ):
        Table.open((tmp_path / "manifest.json").as_uri())


def test_one_flipped_byte_is_found_before_anything_is_read(tmp_path):
    table = builders.table(tmp_path / "t", [builders.rows(range(9))])
    part = tmp_path / "t" / "part-00000.parquet"
    content = bytearray(part.read_bytes())
    content[40] ^= 1
    part.write_bytes(content)
    with pytest.raises(
        ArtifactTampered, match=r"part-00000\.parquet: a payload file's sha256 is not the manifest's"
    ):
        next(Table.open(table.uri).batches())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda part: part.write_bytes(part.read_bytes() + b"x"),
            r"size is not the manifest's. Got: \d+ bytes",
        ),
        (lambda part: part.unlink(), "a payload file is missing"),
    ],
)
def test_a_grown_or_missing_part_is_found(tmp_path, damage, message):
    table = builders.table(tmp_path / "t", [builders.rows(range(9))])
    damage(tmp_path / "t" / "part-00000.parquet")
    with pytest.raises(ArtifactTampered, match=message):
        Table.open(table.uri).read()


def test_a_part_that_is_gone_from_s3_is_found(s3_store):
    call = builders.call(builders.numbers, s3_store)
    run(call)
    filesystem, path = storage._open(storage.join(call.folder, "values", "part-00000.parquet"))
    filesystem.delete_file(path)
    with pytest.raises(ArtifactTampered, match="a payload file is missing"):
        Table.open(call.output_uri("values")).read()


def test_a_cached_copy_from_s3_is_verified_again(s3_store, tmp_path):
    call = builders.call(builders.numbers, s3_store)
    run(call)
    Table.open(call.output_uri("values")).read()
    (part,) = (tmp_path / "cache").rglob("part-00000.parquet")
    part.write_bytes(b"something else")
    with pytest.raises(ArtifactTampered, match="size is not"):
        Table.open(call.output_uri("values")).read()


def edit_manifest(table, **changes):
    path = storage.local_path(table.uri)
    document = json.loads(path.read_text()) | changes
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (
            {"contract": "2.0"},
            ContractTooNew,
            r"newer contract.*Got: contract 2.0. Allowed: contract 1.0 or older",
        ),
        ({"contract": "1.1"}, ContractTooNew, "Got: contract 1.1"),
        ({"contract": None}, ContractError, "no contract version"),
        ({"rows": 8}, ContractError, "the manifest was changed after it was written"),
        ({"surprise": 1}, ContractError, "the manifest is malformed. Got: surprise: Extra inputs"),
        (
            {"files": [{"path": "../../etc/passwd", "bytes": 1, "sha256": "0"}]},
            ContractError,
            "points outside",
        ),
    ],
)
def test_a_wrong_manifest_is_refused(tmp_path, changes, error, message):
    table = builders.table(tmp_path / "t", [builders.rows(range(9))])
    edit_manifest(table, **changes)
    with pytest.raises(error, match=message):
        Table.open(table.uri)


def test_a_manifest_that_is_not_json_is_refused(tmp_path):
    (tmp_path / "manifest.json").write_text('{"contract": "1.0"')
    with pytest.raises(ContractError, match="the manifest is not JSON"):
        open_artifact((tmp_path / "manifest.json").as_uri())


def test_an_artifact_of_another_kind_is_refused(tmp_path):
    table = builders.table(tmp_path / "t", [])
    with pytest.raises(ContractError, match="wrong kind of artifact. Got: table. Allowed: features"):
        Features.open(table.uri)
    assert isinstance(open_artifact(table.uri), Table)


def test_an_output_that_nobody_wrote_a_table_to_is_refused(tmp_path):
    with pytest.raises(ContractError, match="wrote no table"):
        Output(Table, tmp_path / "t").finish(builders.producer(), ())
