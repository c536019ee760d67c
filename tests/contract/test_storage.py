"""Bytes on disk and on S3 behind the same verbs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sluice.contract import StorageError, storage


def test_a_small_file_is_read_back_as_written(store):
    uri = storage.join(store, "a folder", "file.txt")
    assert not storage.exists(uri)
    storage.write_bytes(uri, b"first")
    storage.write_bytes(uri, b"second")
    assert storage.exists(uri)
    assert storage.read_bytes(uri) == b"second"


def test_what_is_not_there_says_so(store):
    with pytest.raises(FileNotFoundError):
        storage.read_bytes(storage.join(store, "nothing"))


def test_files_are_listed_by_relative_path_and_pattern(store):
    for name in ("b/2.csv", "a.csv", "a.txt"):
        storage.write_bytes(storage.join(store, name), b"x" * len(name))
    assert storage.list_files(store, ("*.csv",)) == [("a.csv", 5), ("b/2.csv", 7)]
    assert storage.list_files(storage.join(store, "nowhere")) == []


def test_a_folder_is_published_whole_and_only_once(store, tmp_path):
    target = storage.join(store, "steps", "one")
    assert storage.publish(folder_of(tmp_path / "first", "1"), target, last="result.json")
    assert not storage.publish(folder_of(tmp_path / "second", "2"), target, last="result.json")
    assert storage.read_bytes(storage.join(target, "deep", "payload")) == b"1"
    assert not (tmp_path / "first").exists()
    assert not (tmp_path / "second").exists()


def test_a_published_folder_without_its_last_file_is_replaced(tmp_path):
    target = (tmp_path / "target").as_uri()
    storage.publish(folder_of(tmp_path / "first", "1"), target, last="result.json")
    (tmp_path / "target" / "result.json").unlink()
    assert storage.publish(folder_of(tmp_path / "second", "2"), target, last="result.json")
    assert storage.read_bytes(storage.join(target, "deep", "payload")) == b"2"


def test_on_s3_the_last_file_is_uploaded_last(s3_store, tmp_path, monkeypatch):
    folder = folder_of(tmp_path / "first", "1")
    uploaded = []
    original = storage._open
    monkeypatch.setattr(storage, "_open", lambda uri: uploaded.append(uri) or original(uri))
    storage.publish(folder, storage.join(s3_store, "x"), last="result.json")
    assert uploaded[-1].endswith("result.json")


def test_another_scheme_is_refused():
    with pytest.raises(
        StorageError, match=r"gs://bucket: no storage for this scheme. Allowed: file://, s3://"
    ):
        storage.to_uri("gs://bucket")


def test_a_path_with_spaces_and_umlauts_survives_the_way_to_a_uri_and_back(tmp_path):
    path = tmp_path / "Übersicht 100% #1"
    assert storage.local_path(storage.to_uri(path)) == path
    assert storage.local_path(storage.join(path.as_uri(), "a b", "c")) == path / "a b" / "c"


def test_an_unreachable_s3_is_named_with_what_to_check(monkeypatch):
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(
        StorageError, match=r"s3://bucket/key: the store can't be read or written.*AWS_ENDPOINT_URL"
    ):
        storage.read_bytes("s3://bucket/key")


def test_a_file_in_a_folders_place_is_nothing_to_search_the_network_for(tmp_path):
    (tmp_path / "store").write_text("")
    with pytest.raises(StorageError, match=r"store/x: the store can't be .*Got: .* Check the path") as error:
        storage.write_bytes((tmp_path / "store" / "x").as_uri(), b"")
    assert "AWS" not in str(error.value)


def test_a_place_where_no_folder_can_be_made_is_no_missing_file():
    with pytest.raises(StorageError, match=r"/proc/x/file: the store can't be .*Got: .* Check the path"):
        storage.write_bytes("file:///proc/x/file", b"")


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="permission refused"):
        storage.write_bytes((tmp_path / "x").as_uri(), b"")


FULL = """
import errno, os, sys
from pathlib import Path
from sluice.contract import StorageError, storage
try:
    storage.write_bytes(Path(sys.argv[1], "file").as_uri(), b"x" * 4_000_000)
except StorageError as error:
    print(error)
print(sorted(p.name for p in Path(sys.argv[1]).iterdir()))
"""


def test_a_full_disk_is_named_and_leaves_nothing(full_disk):
    done = subprocess.run(
        [*full_disk.wrap, sys.executable, "-c", FULL, full_disk.path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "the disk is full" in done.stdout, done.stderr
    assert "nothing half-written is left" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def folder_of(path: Path, content: str) -> Path:
    """A folder that is ready to be published."""
    (path / "deep").mkdir(parents=True)
    (path / "deep" / "payload").write_text(content)
    (path / "result.json").write_text("{}")
    return path
