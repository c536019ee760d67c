"""Raw files on S3, of which some are wanted whole and of the others only their columns."""

from __future__ import annotations

import gzip
import hashlib

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sluice.contract import Source, storage


@pytest.fixture
def raw(s3_store, tmp_path):
    """Two large files, and a Parquet file."""
    (tmp_path / "a.csv").write_text("number\n" + "1234567890\n" * 300_000)
    (tmp_path / "b.csv").write_text("number\n" + "1234567890\n" * 300_000)
    pq.write_table(pa.table({"number": range(1000)}), tmp_path / "c.parquet")
    bucket, _, prefix = s3_store.removeprefix("s3://").partition("/")
    s3 = boto3.client("s3")
    for file in tmp_path.iterdir():
        s3.upload_file(str(file), bucket, f"{prefix}/{file.name}")
    s3.close()
    return s3_store


def test_all_files_are_downloaded_whole_unless_some_are_named(raw):
    folder = Source(raw).local(None)
    assert (folder / "a.csv").stat().st_size == (folder / "b.csv").stat().st_size == 3_300_007
    assert pq.read_table(folder / "c.parquet").num_rows == 1000


def test_of_the_others_so_much_is_downloaded_that_their_columns_can_be_read(raw):
    folder = Source(raw).local(None, whole=["b.csv"])
    assert (folder / "b.csv").stat().st_size == 3_300_007
    assert (folder / "a.csv").stat().st_size == storage.BEGINNING
    assert (folder / "a.csv").read_bytes().startswith(b"number\n1234567890\n")
    parquet = pq.read_table(folder / "c.parquet")
    assert (parquet.to_pylist(), parquet.schema.types) == ([{"number": None}], [pa.int64()])


def test_a_folder_on_this_machine_is_read_where_it_is(tmp_path):
    assert Source(str(tmp_path)).local(None, whole=()) == tmp_path


def test_a_packed_file_is_downloaded_and_digested_as_it_lies_there(s3_store, tmp_path):
    packed = gzip.compress(b"number\n1\n")
    (tmp_path / "packed.csv.gz").write_bytes(packed)
    bucket, _, prefix = s3_store.removeprefix("s3://").partition("/")
    s3 = boto3.client("s3")
    s3.upload_file(str(tmp_path / "packed.csv.gz"), bucket, f"{prefix}/packed.csv.gz")
    s3.close()
    assert (Source(s3_store).local(None) / "packed.csv.gz").read_bytes() == packed
    assert storage.sha256_of(f"{s3_store}/packed.csv.gz") == hashlib.sha256(packed).hexdigest()
    assert Source(str(tmp_path)).digest(None) == Source(s3_store).digest(None)
