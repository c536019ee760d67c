"""Makes a Ray cluster of the instances of one SageMaker processing job: the first host leads it, the others lend theirs.

The component runs on the first host alone and finds the cluster by the variable SLUICE_CLUSTER. A job of one instance,
or none at all, has no cluster. When all hosts have come, the first one opens a door (a port beside Ray's) that the
others hold on to: it closes with that host, however it ends, and then they leave.
"""

from __future__ import annotations

import hashlib
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
from select import select
from typing import Any

from sluice.contract import InputError, StepFailed, report

RESOURCES = Path("/opt/ml/config/resourceconfig.json")
"""Where a processing job is told its hosts."""
ADDRESS = "SLUICE_CLUSTER"
"""The variable that holds the cluster's address while there is one."""
PORT = 6379
"""Ray's port on the first host; the next one is the door."""
PATIENCE_SECONDS = 900.0
"""How long the hosts wait for each other: instances start together, but not all pull an image as fast."""
KEPT_ALIVE = {socket.TCP_KEEPIDLE: 10, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 4}
"""Seconds, seconds and tries after which a host that has vanished without a word is taken for gone."""
OBJECTS = 512 << 20
"""Bytes that each host keeps for what travels between them; what is more waits for its reader."""
SCRATCH = Path("/tmp/ray")
"""Ray's sockets lie below it, and a socket's path may have 107 characters."""
LOOK = "Read the logs of all hosts; in a VPC the security group must let its members reach each other"


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
    own = socket.gethostbyname(hosts.here)
    address = f"{own}:{port}"
    head = ("--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={SCRATCH}")
    with _Ray(hosts, own, *head) as processes, _variables(_settings()):
        _gather(hosts, address, processes, deadline)
        with socket.create_server((own, port + 1), backlog=len(hosts.all)), _variables({ADDRESS: address}):
            yield address


def lend(hosts: Hosts, patience: float = PATIENCE_SECONDS, port: int = PORT) -> None:
    """Lend this host to the cluster until the leading host is gone.

    Raises:
        StepFailed: the cluster was never complete, or this host's part of it ended too early.
    """
    lead, deadline = hosts.all[0], time.monotonic() + patience
    with _Ray(hosts, socket.gethostbyname(hosts.here), f"--address={lead}:{port}") as processes:
        while (door := _reached(lead, port + 1)) is None:
            if time.monotonic() > deadline:
                raise StepFailed(
                    f"the cluster was not complete after {patience:g} seconds",
                    where=f"host {hosts.here}",
                    got=f"no door of {lead} at {port + 1}",
                    next_step=LOOK,
                )
            if (answer := _reached(lead, port)) is not None:
                answer.close()
                processes.run()
            time.sleep(1)
        with door:
            while not select([door], [], [], 1)[0]:
                if processes.ended is not None:
                    raise StepFailed(
                        "this host's part of the cluster ended before the job did",
                        where=f"host {hosts.here}",
                        got=f"exit status {processes.ended}",
                        next_step="Give it more memory: a larger instance_type",
                    )


def _reached(host: str, port: int) -> socket.socket | None:
    """A connection; None if nobody answers there, or the name is not known yet."""
    try:
        connection = socket.create_connection((host, port), timeout=5)
    except OSError:
        return None
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEPT_ALIVE.items():
        connection.setsockopt(socket.IPPROTO_TCP, option, value)
    return connection


class _Ray:
    """Ray's processes of this host; none is left when the block ends."""

    def __init__(self, hosts: Hosts, own: str, *options: str) -> None:
        self._command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *options]
        self._command += ["--disable-usage-stats", f"--object-store-memory={OBJECTS}"]
        self._command += [f"--node-ip-address={own}", f"--node-name={hosts.here}"]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def ended(self) -> int | None:
        """The exit status, if they have ended."""
        return self._process.poll() if self._process else None

    def run(self) -> None:
        """See that they run: they give up where a service takes 15 seconds to begin, as on a host just started."""
        if self._process is None or self.ended is not None:
            variables = {**os.environ, **_settings()}
            self._process = subprocess.Popen(self._command, env=variables, start_new_session=True)

    def __enter__(self) -> _Ray:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is None:
            return
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(20)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def _gather(hosts: Hosts, address: str, processes: _Ray, deadline: float) -> None:
    """Wait until all hosts are there."""
    import ray

    while not ray.is_initialized():
        processes.run()
        try:
            ray.init(address=address, logging_level=logging.CRITICAL, log_to_driver=False)
        except ConnectionError as error:
            if time.monotonic() > deadline:
                raise StepFailed(
                    "Ray does not start", where=f"host {hosts.here}", got=error, next_step=LOOK
                ) from None
            time.sleep(1)
    told: list[str] = []
    try:
        while missing := _missing(hosts, ray.nodes()):  # type: ignore[no-untyped-call]
            if missing != told:
                report(f"waiting for {', '.join(missing)}")
                told = missing
            if time.monotonic() > deadline:
                raise StepFailed(
                    "some hosts did not join the cluster",
                    where=f"host {hosts.here}",
                    got=f"no {', '.join(missing)}",
                    allowed=f"all of {', '.join(hosts.all)}",
                    next_step=LOOK,
                )
            time.sleep(1)
    finally:
        ray.shutdown()


def _missing(hosts: Hosts, nodes: Sequence[Mapping[str, Any]]) -> list[str]:
    there = {node["NodeName"] for node in nodes if node["Alive"]}
    return [host for host in hosts.all if host not in there]


def _settings() -> dict[str, str]:
    """Ray's settings, the same on every host: it tells nobody of us, and takes orders from this execution alone."""
    ours = f"{os.environ.get('SLUICE_STORE')} {os.environ.get('SLUICE_EXECUTION')}"
    return {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": hashlib.sha256(ours.encode()).hexdigest(),
    }


@contextmanager
def _variables(more: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in more}
    os.environ.update(more)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
