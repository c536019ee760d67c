"""Starts each step as a container of its component's image.

A container sees what it reads and writes under the same paths as this machine does, so that results and their manifests
are the same as a process's. It has no network, no rights beyond its caller's, and can write to its own component's
results, and to the registry if it is given one.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestration.environment import Image, image_of, read_images
from orchestration.graph import Graph
from orchestration.runners.engine import connect, engine_errors, reason, require_images
from orchestration.runners.local import ending, options
from sluice.contract import Call, Component, InputError, StepFailed, storage
from sluice.contract.execution import clear_staging_of
from sluice.recipe import AuditSettings, TrainSettings
from sluice.registry import RegistryHome, current_user

MEMORY_SHARE = 0.8
"""How much of the engine's memory a step may take: the machine stays usable, and who takes more is told."""
SCRATCH = "size=25%,mode=1777"
"""/tmp, the only other place to write to; it counts as the container's memory."""
ATTACHED = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
PROCESSES = 4096
"""How many processes and threads a step may have."""
REVISION = "org.opencontainers.image.revision"


@dataclass(frozen=True)
class Containers:
    """Steps as containers.

    Attributes:
        engine: the Docker engine's client.
        images: the images by component, as they were recorded.
        found: the same, as the engine has them.
        memory: how many bytes each step may take.
    """

    engine: Any
    images: Mapping[str, Image]
    found: Mapping[str, Any]
    memory: int

    noun = "container"
    changeable = (
        "its image was built from other code than stands here (make build push), "
        "or its recipe or data changed while it worked"
    )

    @classmethod
    def ready(cls, graph: Graph, record: Path, store: str, data: str | None) -> Containers:
        """Check everything that containers need before the first one is started.

        Args:
            graph: what will be run.
            record: the file that records the built images.
            store: the URI of the store.
            data: the URI of the data folder, if one is named.

        Raises:
            InputError: the store or the data is not on this machine, or an image was never built.
            ImageError: there is no engine, or not the image that was recorded.
        """
        _require_local(store, "store", "--store")
        _require_local(data or store, "data", "--data")
        components = {step.component.name.split(".")[0] for step in graph.steps.values()}
        images = read_images(record)
        needed = {name: image_of(name, images) for name in sorted(components)}
        engine = connect()
        try:
            found = require_images(engine, needed)
            _remove_orphans(engine)
            return cls(engine, needed, found, int(engine.info()["MemTotal"] * MEMORY_SHARE))
        except BaseException:
            engine.close()
            raise

    def image_of(self, component: Component) -> str:
        """The content digest of a component's image."""
        return image_of(component.name, self.images).tag

    def launch(self, run: str, step: str, call: Call) -> Container:
        """Start a step's container.

        Raises:
            StepFailed: the engine refuses.
        """
        try:
            made = self._create(run, step, call)
            with ExitStack() as if_not_started:
                stream = self.engine.api.attach_socket(made.id, params=ATTACHED)
                if_not_started.callback(_close, stream)
                made.start()
                if_not_started.pop_all()
        except engine_errors() as error:
            raise StepFailed(
                "the container can't be started", where=f"step {step}", got=reason(error)
            ) from None
        return Container(made, stream, storage.parent(call.folder), self.memory)

    def tidy(self, run: str) -> None:
        """Remove what is left of a run's containers, such as one that an interruption met before its start."""
        with suppress(*engine_errors()):
            for left in _labelled(self.engine, f"sluice.run={run}"):
                left.remove(force=True)
        self.engine.close()

    def _create(self, run: str, step: str, call: Call) -> Any:
        image = self.found[call.component.name.split(".")[0]]
        return self.engine.containers.create(
            image.id,
            options(call),
            name=f"sluice-{run}-{step}",
            labels=_labels(run, step, call),
            environment=_environment(call, image.labels.get(REVISION)),
            working_dir=str(Path.cwd()),
            mounts=_mounts(call),
            tmpfs={"/tmp": SCRATCH},
            read_only=True,
            network_mode="none",
            user=f"{os.getuid()}:{os.getgid()}",
            group_add=[str(group) for group in os.getgroups()],
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true"],
            pids_limit=PROCESSES,
            mem_limit=self.memory,
            memswap_limit=self.memory,
            init=True,  # so that a signal reaches the component
            stdin_open=True,  # never written to: its end tells the component that we are gone
        )


@dataclass(frozen=True)
class Container:
    """A step's container.

    Attributes:
        container: the engine's.
        stream: the connection that brings what it writes, and that holds its standard input open.
        results: the URI of the folder of its component's results.
        memory: how many bytes it may take.
    """

    container: Any
    stream: Any
    results: str
    memory: int

    def lines(self) -> Iterator[str]:
        """What it writes, line by line, until it has ended."""
        from docker.utils.socket import frames_iter

        begun = {1: b"", 2: b""}  # a line of one stream may be cut by one of the other
        with suppress(*engine_errors()), ExitStack() as ended:
            ended.callback(_close, self.stream)
            for stream, chunk in frames_iter(self.stream, tty=False):
                *whole, begun[stream] = (begun[stream] + chunk).split(b"\n")
                yield from (line.decode(errors="replace") + "\n" for line in whole)
        yield from (line.decode(errors="replace") + "\n" for line in begun.values() if line)

    def fault(self) -> str:
        """How it ended, as what follows "the step's container"; empty if its status is 0."""
        from docker.errors import NotFound

        try:
            status = int(self.container.wait()["StatusCode"])
            self.container.reload()
        except NotFound:
            return "was removed by someone else before it had ended"
        except engine_errors() as error:
            return f"was lost with the Docker engine ({reason(error)})"
        self.kill()  # nothing of it runs any more: that only removes it
        if self.container.attrs["State"]["OOMKilled"]:
            return (
                f"was killed for want of memory: it may take {self.memory / 1e9:.1f} GB, "
                f"which is {MEMORY_SHARE:.0%} of what the Docker engine has"
            )
        return ending(128 - status if status > 128 else status)

    def stop(self) -> None:
        """Ask the component to end."""
        with suppress(*engine_errors()):
            self.container.kill("SIGTERM")

    def kill(self) -> None:
        """Remove it, running or not."""
        with suppress(*engine_errors()):
            self.container.remove(force=True)

    def clear(self) -> None:
        """Remove its staging folder."""
        _clear_staging(self.container.id, self.results)


def _close(stream: Any) -> None:
    """Close an attached connection; the order matters to the client."""
    stream._response.close()
    stream.close()


def _require_local(uri: str, what: str, flag: str) -> None:
    if not storage.is_local(uri):
        raise InputError(
            f"the docker runner keeps its {what} on this machine: its containers have no network",
            where=f"{flag} {uri}",
            allowed="a folder",
            next_step=f"Name one with {flag}, or use another runner",
        )


def _labels(run: str, step: str, call: Call) -> dict[str, str]:
    """What a later run needs to know to clear away what a killed one left."""
    return {
        "sluice.run": run,
        "sluice.step": step,
        "sluice.host": socket.gethostname(),
        "sluice.runner": f"{os.getpid()} {_began(os.getpid())}",
        "sluice.results": storage.parent(call.folder),
    }


def _remove_orphans(engine: Any) -> None:
    """Remove the containers of runners that were killed. They have ended by themselves, and nobody was there to see it."""
    for container in _labelled(engine, f"sluice.host={socket.gethostname()}"):
        pid, _, began = container.labels["sluice.runner"].partition(" ")
        if _began(int(pid)) != began:
            with suppress(*engine_errors()):
                container.remove(force=True)
            _clear_staging(container.id, container.labels["sluice.results"])


def _labelled(engine: Any, label: str) -> list[Any]:
    """Every container with this label, whether it runs or not, but for those that vanish while we look."""
    return list(engine.containers.list(all=True, filters={"label": label}, ignore_removed=True))


def _began(pid: int) -> str:
    """When a process was started, which tells it from a later one of the same number; empty if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _clear_staging(identity: str, results: str) -> None:
    clear_staging_of(identity[:12], results)  # a container's host name, if it is given no other


def _environment(call: Call, revision: str | None) -> dict[str, str]:
    return {
        "SLUICE_RUNNER": "docker",
        "SLUICE_COMPONENT": call.component.name,
        "LOGNAME": current_user(),  # who registers
        "PYTHONUNBUFFERED": "1",
        **({"SLUICE_REVISION": revision} if revision else {}),
    }


def _mounts(call: Call) -> list[Any]:
    """The folders of this machine that a step sees: to read the store and its sources, to write its results."""
    from docker.types import Mount

    results = storage.local_path(storage.parent(call.folder))
    results.mkdir(parents=True, exist_ok=True)
    registries = [home.folder for home in call.externals.values() if isinstance(home, RegistryHome)]
    read = dict.fromkeys([storage.local_path(call.store), *_sources(call)], True)
    read_only = {**read, **dict.fromkeys([results, *registries], False)}
    return [
        Mount(str(path), str(path), type="bind", read_only=protected) for path, protected in read_only.items()
    ]


def _sources(call: Call) -> Iterator[Path]:
    """The folders that a step reads besides the store, and what their links lead to."""
    folders = [
        storage.local_path(source.uri)
        for source in call.externals.values()
        if not isinstance(source, RegistryHome)
    ]
    if isinstance(call.settings, AuditSettings | TrainSettings):
        backbone = Path(call.settings.model.backbone).expanduser().absolute()
        folders += [backbone] if backbone.is_dir() else []
    for folder in folders:
        yield folder
        yield from (path.resolve() for path in folder.rglob("*") if path.is_symlink() and path.exists())
