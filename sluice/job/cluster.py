"""Makes a Ray cluster of the instances of one SageMaker processing job: the first host leads it, the others lend theirs.

The component runs on the first host alone and finds the cluster by the variable SLUICE_CLUSTER. A job of one instance,
or none at all, has no cluster.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sluice.contract import InputError, StepFailed, report

RESOURCES = Path("/opt/ml/config/resourceconfig.json")
"""Where a processing job is told its hosts."""
ADDRESS = "SLUICE_CLUSTER"
"""The variable that holds the cluster's address while there is one."""
PORT = 6379
PATIENCE_SECONDS = 900.0
"""How long the hosts wait for each other: instances start together, but not all pull an image as fast."""
GONE_SECONDS = 30.0
"""A host that has not answered for so long is gone. One whose door is closed is gone at once."""
OBJECTS = 512 << 20
"""Bytes that each host keeps for what travels between them; what is more waits for its reader."""
SCRATCH = Path("/tmp/ray")
"""Ray's sockets lie below it, and a socket's path may have 107 characters."""


@dataclass(frozen=True)
class Hosts:
    """The hosts of a job.

    Attributes:
        here: this one.
        all: all of them, the leading one first.
    """

    here: str
    all: tuple[str, ...]

    @property
    def leads(self) -> bool:
        """Whether the component runs here."""
        return self.here == self.all[0]


def read_hosts(path: Path = RESOURCES) -> Hosts:
    """The hosts of this job; without a file, this machine alone.

    Raises:
        InputError: the file is none of SageMaker's.
    """
    try:
        said = json.loads(path.read_text())
        hosts = Hosts(said["current_host"], tuple(sorted(said["hosts"])))
    except FileNotFoundError:
        return Hosts("here", ("here",))
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            "the hosts of this job can't be read", where=path, got=f"{type(error).__name__}: {error}"
        ) from None
    if hosts.here not in hosts.all:
        raise InputError(
            "this host is none of the job's", where=path, got=hosts.here, allowed=", ".join(hosts.all)
        )
    return hosts


@contextmanager
def leading(hosts: Hosts, patience: float = PATIENCE_SECONDS, port: int = PORT) -> Iterator[str | None]:
    """Lead a cluster of all hosts while the block runs; gives its address, or None for a single host.

    Raises:
        StepFailed: some hosts did not come.
    """
    if len(hosts.all) == 1:
        yield None
        return
    deadline = time.monotonic() + patience
    own = _address_of(hosts.here, deadline)
    address = f"{own}:{port}"
    with _ray(
        hosts, own, "--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={SCRATCH}"
    ) as process:
        _wait_for_all(hosts, address, process, deadline)
        os.environ[ADDRESS] = address
        try:
            yield address
        finally:
            del os.environ[ADDRESS]


def lend(hosts: Hosts, patience: float = PATIENCE_SECONDS, port: int = PORT) -> None:
    """Lend this host to the cluster until the leading host is gone.

    Raises:
        StepFailed: it was never there, or this host's part of the cluster ended before it.
    """
    lead, deadline = hosts.all[0], time.monotonic() + patience
    while not _answers(lead, port):
        if time.monotonic() > deadline:
            raise StepFailed(
                f"the leading host did not answer within {patience:g} seconds",
                where=f"host {hosts.here}",
                got=f"nothing from {lead}:{port}",
                next_step="Read the leading host's log; in a VPC the security group must let its members reach each other",
            )
        time.sleep(1)
    own = _address_of(hosts.here, deadline)
    with _ray(hosts, own, f"--address={socket.gethostbyname(lead)}:{port}") as process:
        answered = time.monotonic()
        while process.poll() is None:
            heard = _answers(lead, port)
            answered = time.monotonic() if heard else answered
            if heard is None or time.monotonic() - answered > GONE_SECONDS:
                return
            time.sleep(1)
        if _answers(lead, port):
            raise StepFailed(
                "this host's part of the cluster ended while the leading host was still there",
                where=f"host {hosts.here}",
                got=f"exit status {process.returncode}",
                next_step="Give it more memory: a larger instance type",
            )


def _answers(host: str, port: int) -> bool | None:
    """Whether a host takes connections; None if it is there and takes none."""
    try:
        with socket.create_connection((host, port), timeout=5):
            return True
    except ConnectionRefusedError:
        return None
    except OSError:  # no such name yet, no way there, no answer
        return False


def _address_of(host: str, deadline: float) -> str:
    """A host's address, once its name is known."""
    while True:
        try:
            return socket.gethostbyname(host)
        except OSError as error:
            if time.monotonic() > deadline:
                raise StepFailed(
                    "a host's name leads nowhere", where=f"host {host}", got=str(error)
                ) from None
        time.sleep(1)


@contextmanager
def _ray(hosts: Hosts, own: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Ray's processes of this host, while the block runs."""
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"]
    command += [f"--node-ip-address={own}", f"--node-name={hosts.here}", f"--object-store-memory={OBJECTS}"]
    variables = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
    process = subprocess.Popen([*command, *options], env=variables, start_new_session=True)
    try:
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for_all(hosts: Hosts, address: str, process: subprocess.Popen[bytes], deadline: float) -> None:
    import ray

    while not _answers(hosts.here, int(address.rpartition(":")[2])):
        if process.poll() is not None or time.monotonic() > deadline:
            raise StepFailed(
                "Ray did not start", where=f"host {hosts.here}", got=f"exit status {process.poll()}"
            )
        time.sleep(0.5)
    ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    try:
        while missing := _missing(hosts, ray.nodes()):  # type: ignore[no-untyped-call]
            report(f"waiting for {', '.join(missing)}")
            if time.monotonic() > deadline:
                raise StepFailed(
                    "some hosts did not join the cluster",
                    where=f"host {hosts.here}",
                    got=f"no {', '.join(missing)}",
                    allowed=f"all of {', '.join(hosts.all)}",
                    next_step="Read their logs; in a VPC the security group must let its members reach each other",
                )
            time.sleep(1)
    finally:
        ray.shutdown()


def _missing(hosts: Hosts, nodes: Sequence[Mapping[str, Any]]) -> list[str]:
    there = {node["NodeName"] for node in nodes if node["Alive"]}
    return [host for host in hosts.all if host not in there]
