"""Two containers of the preprocess image are the two instances of a processing job: one Ray cluster, one result."""

from __future__ import annotations

import json
import os
import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from docker.types import Mount

from tests.components.preprocess.builders import csv_text, parcels, recipe

pytestmark = pytest.mark.images

HOSTS = ("algo-1", "algo-2")
FILES, ROWS = 7, 3000
SECONDS = 300


@dataclass
class Job:
    """A processing job of containers.

    Attributes:
        folder: the store, the records and each host's configuration.
        containers: by host.
    """

    folder: Path
    containers: dict[str, Any]

    def log(self, host: str) -> str:
        return self.containers[host].logs().decode()

    def status(self, host: str) -> int:
        return self.containers[host].wait(timeout=SECONDS)["StatusCode"]

    @property
    def result(self) -> dict[str, Any]:
        """What the record leads to."""
        record = json.loads((self.folder / "records/preprocess.json").read_text())
        return json.loads(Path(record["result"].removeprefix("file://"), "result.json").read_text())


@pytest.fixture
def start(engine, images, tmp_path) -> Iterator[Any]:
    """Starts a job of some hosts on the raw files; nothing of it is left afterwards."""
    raw = tmp_path / "raw"
    raw.mkdir()
    rows = parcels(FILES * ROWS)
    for number in range(FILES):
        text = csv_text(rows[number * ROWS : (number + 1) * ROWS])
        (raw / f"parcels-{number}.csv").write_text(text + "too,few,cells\n")
    (tmp_path / "recipe.yaml").write_text(recipe(data={"files": ["parcels-*.csv"], "quarantine_limit": 0.1}))
    network = engine.networks.create(f"sluice-{uuid.uuid4().hex[:8]}")
    begun: list[Any] = []

    def run(name: str, *hosts: str) -> Job:
        folder = tmp_path / name
        (folder / "records").mkdir(parents=True)
        (folder / "store").mkdir()
        job = Job(folder, {})
        for host in hosts:
            job.containers[host] = _container(engine, images, network, tmp_path, folder, host, hosts)
            begun.append(job.containers[host])
        return job

    yield run
    for container in begun:
        container.remove(force=True, v=True)
    network.remove()


def _container(
    engine: Any, images: Any, network: Any, data: Path, folder: Path, host: str, hosts: tuple[str, ...]
) -> Any:
    config = folder / host
    config.mkdir()
    (config / "resourceconfig.json").write_text(json.dumps({"current_host": host, "hosts": list(hosts)}))
    return engine.containers.run(
        images["preprocess"].uri,
        ["preprocess", (data / "recipe.yaml").as_uri(), "raw", (data / "raw").as_uri(), "rows", "default"],
        entrypoint=["python", "-m", "sluice.job"],
        hostname=host,
        network=network.name,
        networking_config={network.name: engine.api.create_endpoint_config(aliases=[host])},
        user=f"{os.getuid()}:{os.getgid()}",
        environment={"SLUICE_STORE": str(folder / "store"), "SLUICE_STEP": "preprocess"},
        mounts=[
            Mount("/opt/ml/config", str(config), type="bind", read_only=True),
            Mount("/opt/ml/processing/records", str(folder / "records"), type="bind"),
            Mount(str(data), str(data), type="bind"),
        ],
        detach=True,
    )


def test_two_containers_make_what_one_makes(start):
    both, alone = start("both", *HOSTS), start("alone", HOSTS[0])
    for job, host in ((alone, HOSTS[0]), (both, HOSTS[0]), (both, HOSTS[1])):
        assert job.status(host) == 0, job.log(host)
    assert "of 4 parts of the raw files were read" in both.log(HOSTS[0]) or os.cpu_count() != 2
    assert "parts of the raw files" not in alone.log(HOSTS[0])
    assert set(both.result["outputs"]) == {
        *("training", "validation", "test"),
        *("features", "quarantine", "account"),
    }
    assert both.result["outputs"] == alone.result["outputs"]
    assert both.result["metrics"] == alone.result["metrics"]
    assert both.result["metrics"]["rows_quarantined"] == FILES


def test_a_host_that_is_lost_ends_the_job_with_its_reason(start):
    job = start("lost", *HOSTS)
    began = time.monotonic()
    while not re.search(r"of \d+ parts of the raw files were read", job.log(HOSTS[0])):
        assert time.monotonic() < began + SECONDS, job.log(HOSTS[0])
        time.sleep(0.1)
    job.containers[HOSTS[1]].kill()
    assert job.status(HOSTS[0]) == 1, job.log(HOSTS[0])
    assert (
        "error: preprocess: a machine of the cluster was lost, and its part of the rows with it. Got: "
    ) in job.log(HOSTS[0])
    assert list((job.folder / "records").iterdir()) == []
    assert list((job.folder / "store").rglob("result.json")) == []


def test_without_its_leading_host_a_host_ends_too(start):
    job = start("headless", *HOSTS)
    began = time.monotonic()
    while not re.search(r"of \d+ parts of the raw files were read", job.log(HOSTS[0])):
        assert time.monotonic() < began + SECONDS, job.log(HOSTS[0])
        time.sleep(0.1)
    job.containers[HOSTS[0]].kill()
    assert job.status(HOSTS[1]) == 0, job.log(HOSTS[1])
