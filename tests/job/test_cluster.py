"""Several hosts of one job: they find each other, one of them works, and all of them end with it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from orchestration.steps import compile_pipeline
from sluice.contract import InputError, StepFailed, storage
from sluice.job.cluster import ADDRESS, Hosts, leading, lend, read_hosts
from sluice.job.step import looked_up

from .builders import Pipeline, environment, images, shared_graph
from .engine import image, in_a_room, upload

HERE, THERE = "127.0.0.1", "127.0.0.2"
TWO = Hosts(HERE, (HERE, THERE))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]


# --- which hosts there are


def test_without_a_file_this_machine_is_alone(tmp_path):
    assert read_hosts(tmp_path / "none.json") == Hosts("here", ("here",))


def test_the_first_host_leads_in_whatever_order_they_are_told(tmp_path):
    file = tmp_path / "resourceconfig.json"
    file.write_text(json.dumps({"current_host": "algo-2", "hosts": ["algo-3", "algo-2", "algo-1"]}))
    hosts = read_hosts(file)
    assert (hosts.all, hosts.leads) == (("algo-1", "algo-2", "algo-3"), False)
    assert Hosts("algo-1", hosts.all).leads


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "the hosts of this job can't be read. Got: JSONDecodeError: "),
        ('{"hosts": ["algo-1"]}', "the hosts of this job can't be read. Got: KeyError: 'current_host'."),
        (
            '{"current_host": "algo-9", "hosts": ["algo-1", "algo-2"]}',
            "this host is none of the job's. Got: algo-9. Allowed: algo-1, algo-2.",
        ),
    ],
)
def test_a_file_that_is_not_sagemakers_is_refused(text, message, tmp_path):
    file = tmp_path / "resourceconfig.json"
    file.write_text(text)
    with pytest.raises(InputError) as refused:
        read_hosts(file)
    assert refused.value.message.startswith(f"{file}: {message}")


def test_a_single_host_makes_no_cluster():
    with leading(Hosts("here", ("here",))) as address:
        assert address is None
        assert ADDRESS not in os.environ


def test_a_host_that_never_hears_of_the_leading_one_says_so():
    with pytest.raises(
        StepFailed,
        match=r"^host 127\.0\.0\.2: the cluster was not complete after 0 seconds\. Got: no door of 127\.0\.0\.1 at \d+\. "
        r"Read the logs of all hosts; in a VPC the security group must let its members reach each other\.$",
    ):
        lend(Hosts(THERE, TWO.all), patience=0, port=free_port())


# --- a step's output, looked up in its record


def test_an_output_is_looked_up_in_the_steps_record(tmp_path):
    folder = storage.to_uri(tmp_path)
    (tmp_path / "preprocess.json").write_text('{"result": "s3://b/steps/preprocess/0a"}')
    found = looked_up("tables=preprocess/training", folder)
    assert found == ("tables", "s3://b/steps/preprocess/0a/training/manifest.json")
    assert looked_up("thresholds", "macro_f1=0.5") == ("thresholds", "macro_f1=0.5")


def test_a_record_that_is_not_there_is_told(tmp_path):
    with pytest.raises(
        InputError,
        match=r"/none\.json: the step before left no record of its result\. Look at its log: make logs STEP=none\.$",
    ):
        looked_up("tables=none/training", storage.to_uri(tmp_path))


# --- a processing job of one host


def processing(repository, checkout, folder: Path, *words: str):
    """The job's command in a room of its own."""
    variables = {"SLUICE_STORE": str(folder / "store"), "SLUICE_STEP": "count"}
    command = [sys.executable, "-m", "sluice.job", *words]
    return in_a_room(folder, command, image(repository, checkout, **variables))


def test_a_processing_job_leaves_its_record_where_sagemaker_takes_it_from(
    repository, checkout, can_mount, tmp_path
):
    if not can_mount:
        pytest.skip("this machine lets nobody mount a folder in a namespace")
    done = processing(repository, checkout, tmp_path, "count", "file:///no/recipe.yaml", "rows", "3")
    assert (done.status, done.failure) == (0, ""), done.log
    record = json.loads((tmp_path / "ml/processing/records/count.json").read_text())
    assert storage.exists(f"{record['result']}/numbers/manifest.json")


def test_a_processing_job_that_fails_ends_with_1_and_its_reason_and_leaves_no_record(
    repository, checkout, can_mount, tmp_path
):
    if not can_mount:
        pytest.skip("this machine lets nobody mount a folder in a namespace")
    given = ("count", "file:///no/recipe.yaml", "rows", "3", "how", "input")
    done = processing(repository, checkout, tmp_path, *given)
    assert done.status == 1
    reason = "count: line 3: the number is odd. Got: 7. Allowed: even numbers. Double it."
    assert (done.failure, (tmp_path / "ml/output/message").read_text()) == (reason, reason)
    assert not (tmp_path / "ml/processing/records").exists()


# --- two hosts

LEAD = """
import os
from sluice.job.cluster import *
try:
    with leading(Hosts({!r}, {!r}), {}, {}):
        print("it began without all hosts")
finally:
    assert ADDRESS not in os.environ
"""


@pytest.mark.long
def test_a_host_that_does_not_come_is_named(repository):
    lead = LEAD.format(HERE, TWO.all, 90, free_port())
    done = subprocess.run(
        [sys.executable, "-c", lead], cwd=repository, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "it began" in done.stdout) == (1, False)
    assert (
        "StepFailed: host 127.0.0.1: some hosts did not join the cluster. Got: no 127.0.0.2. "
        "Allowed: all of 127.0.0.1, 127.0.0.2. Read the logs"
    ) in done.stderr


@pytest.mark.long
def test_what_a_shared_step_made_reaches_the_next_step(
    bucket, checkout, repository, fail_closed, can_mount, tmp_path
):
    """Compiled by the SDK, run by its own driver: the record is taken to S3, and the next job looks it up there."""
    if not can_mount:
        pytest.skip("this machine lets nobody mount a folder in a namespace")
    store = f"s3://{bucket}/shared"
    place = environment(store, steps={"count": {"instances": 2}})
    (checkout / "components/count/cluster.py").touch()
    compiled = compile_pipeline(shared_graph(), place, images("count", "total"))
    upload(compiled.objects)
    done = Pipeline(compiled, store, tmp_path, (fail_closed, repository, checkout)).run()
    assert done.succeeded, "\n".join(job.log for job in done.jobs.values())
    assert list(done.jobs) == ["count", "total"]
    (file,) = storage.list_files(f"{store}/steps/total", ("*/told/total.txt",))
    assert storage.read_bytes(f"{store}/steps/total/{file.path}") == b"3.0"
