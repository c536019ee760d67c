"""The raw files in shards on a Ray cluster, here one on this machine: what one process makes, byte for byte."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.preprocess.cluster import sliced
from sluice.contract import InputError
from sluice.job.cluster import ADDRESS

from .builders import Place, csv_text, parcels, recipe

MANY = {"files": ["b-*.csv", "a-*"], "quarantine_limit": 0.5}


def test_slices_are_stretches_of_about_as_many_bytes():
    sizes = [("a", 4), ("b", 1), ("c", 1), ("d", 2), ("e", 4)]
    assert sliced(sizes, 3) == [["a"], ["b", "c", "d"], ["e"]]
    assert sliced(sizes, 1) == [["a", "b", "c", "d", "e"]]


def test_no_slice_is_empty_and_no_file_is_lost():
    assert sliced([("only", 7)], 16) == [["only"]]
    assert sliced([("empty", 0), ("too", 0)], 4) == [["empty", "too"]]
    large = [(f"{number}", 10**number) for number in range(6)]
    for most in range(1, 9):
        slices = sliced(large, most)
        assert [name for names in slices for name in names] == [name for name, _ in large]
        assert len(slices) <= most


@pytest.fixture
def cluster(repository):
    """Runs the component's command line where the environment names a cluster, which begins on this machine."""

    def run(place: Place, text: str, *more: str) -> subprocess.CompletedProcess:
        variables = {
            ADDRESS: "local",
            "PYTHONPATH": str(repository),
            "RAY_AUTH_MODE": "token",  # Ray would leave one in this user's home otherwise
            "RAY_AUTH_TOKEN": "0" * 64,
        }
        command = [sys.executable, "-W", "error", "-m", "components.preprocess"]
        return subprocess.run(
            [*command, *place.arguments(text, *more)],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def result_of(place: Place) -> dict:
    (file,) = place.store.glob("steps/preprocess/*/result.json")
    return json.loads(file.read_text())


def pq_bytes(rows: list[dict]) -> bytes:
    """The rows as a Parquet file of text."""
    out = io.BytesIO()
    pq.write_table(pa.table({name: [str(row[name]) for row in rows] for name in rows[0]}), out)
    return out.getvalue()


def fill(place: Place) -> None:
    """Five files of different sizes, some of their rows unreadable; the recipe's order is not the alphabet's."""
    rows = parcels(700)
    place.put(csv_text(rows[:50]) + "a,cell,too,few\n", "b-0.csv")
    place.put(rows[50:350], "b-1.csv")
    place.put(gzip.compress(csv_text(rows[350:500]).encode()), "a-0.csv.gz")
    place.put("too,few\n".join([csv_text(rows[500:501]), ""]) + csv_text(rows[501:690]), "a-1.csv")
    place.put(pq_bytes(rows[690:]), "a-2.parquet")


@pytest.mark.long
def test_a_cluster_makes_what_one_process_makes(tmp_path, cluster):
    alone, shared = Place(tmp_path / "alone"), Place(tmp_path / "shared")
    for place in (alone, shared):
        fill(place)
    text = recipe(
        data=MANY,
        columns={"group": "sender"},
        split={"train": 0.6, "validation": 0.2, "test": 0.2, "seed": 3, "folds": 4},
    )
    expected = alone.run(text, rows=600)
    assert expected.metrics["rows_quarantined"] >= 2
    done = cluster(shared, text, "--rows", "600")
    assert done.returncode == 0, done.stderr
    assert "parts of the raw files were read" in done.stderr
    assert result_of(shared)["metrics"] == expected.metrics
    assert result_of(shared)["outputs"] == expected.digests


@pytest.mark.long
def test_on_s3_each_shard_reads_its_own_files(tmp_path, cluster, s3_store):
    alone, shared = Place(tmp_path / "alone"), Place(tmp_path / "shared")
    fill(alone)
    bucket, _, prefix = s3_store.removeprefix("s3://").partition("/")
    s3 = boto3.client("s3")
    for file in alone.data.iterdir():
        s3.upload_file(str(file), bucket, f"{prefix}/{file.name}")
    s3.close()
    expected = alone.run(recipe(data=MANY))
    done = cluster(shared, recipe(data=MANY), "--raw", s3_store)
    assert done.returncode == 0, done.stderr
    assert result_of(shared)["outputs"] == expected.digests


@pytest.mark.long
def test_what_a_shard_cannot_read_is_told_as_by_one_process(place, cluster):
    fill(place)
    whole = (place.data / "a-0.csv.gz").read_bytes()
    (place.data / "a-0.csv.gz").write_bytes(whole[:-40])
    with pytest.raises(InputError, match=r"a-0\.csv\.gz") as alone:
        place.run(recipe(data=MANY))
    done = cluster(place, recipe(data=MANY))
    assert done.returncode == 1
    assert done.stderr.endswith(f"{alone.value.message}\n")
