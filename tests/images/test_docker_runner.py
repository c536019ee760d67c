"""The docker runner: real containers of small images, which hold a built image's library and the small components."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest
import yaml

from orchestration.graph import Graph
from orchestration.runners.docker import Containers
from orchestration.runners.local import Processes
from orchestration.runners.walk import Runner
from orchestration.runs import RunRecord, State, load_runs
from sluice.contract import (
    CONTRACT_VERSION,
    ImageError,
    SluiceError,
    StepFailed,
    storage,
)
from tests.builders.small_components import COMPONENTS

pytestmark = [pytest.mark.images, pytest.mark.usefixtures("importable")]

TAG = "0123456789abcdef"


@pytest.fixture(scope="session")
def record(engine, images, small_components, tmp_path_factory) -> Iterator[Path]:
    """The record of an image of each small component."""
    written = {}
    for name in COMPONENTS:
        uri = f"sluice-small-{name}:{TAG}"
        said = {"component": name, "content": TAG, "python": "3.11", "contract": CONTRACT_VERSION}
        labels = {f"sluice.{key}": value for key, value in said.items()}
        engine.images.build(
            fileobj=context(images["register"].uri, small_components),
            custom_context=True,
            labels=labels,
            tag=uri,
            rm=True,
        )
        written[name] = {"uri": uri, "tag": TAG, "python": "3.11", "contract": CONTRACT_VERSION}
    path = tmp_path_factory.mktemp("record") / "images.yaml"
    path.write_text(yaml.safe_dump(written))
    yield path
    for image in written.values():
        engine.images.remove(image["uri"], force=True)


def context(base: str, components: Path) -> io.BytesIO:
    """What an image of the small components is built from."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        text = (
            f"FROM {base}\nENV SLUICE_IMAGE_CONTENT={TAG}\nCOPY components /opt/sluice/components\n".encode()
        )
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
        archive.add(components / "components", "components", filter=readable)
    packed.seek(0)
    return packed


def readable(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """For any user, and without what Python left here."""
    entry.mode |= 0o555 if entry.isdir() else 0o444
    return None if "__pycache__" in entry.name else entry


@pytest.fixture
def place(tmp_path) -> Path:
    """A store and raw data in a folder with a blank and a colon."""
    (tmp_path / "a place: mine" / "raw").mkdir(parents=True)
    (tmp_path / "a place: mine" / "raw" / "file").write_text("raw")
    return tmp_path / "a place: mine"


def store_of(place: Path) -> Path:
    return place / "store"


def small_graph(**total) -> Graph:
    """A graph of two steps, the second behind a gate that reads the first."""
    graph = Graph("small")
    emitted = graph.step("emit", count=graph.parameter("count", "how many", int, 3))
    with graph.gate("small-gate", emitted, refusal="The numbers were refused. Nothing was added up"):
        graph.step("total", values=emitted["values"], **total)
    return graph


def run(place: Path, graph: Graph, launcher, listener=lambda record: None, **arguments) -> RunRecord:
    record = RunRecord.start("small", arguments, list(graph.steps))
    store = store_of(place).as_uri()
    return Runner(graph, store, "", "file:///none", arguments, record, listener, launcher).run()


@pytest.fixture
def launcher(record, place, engine):
    """Gives the containers that a graph needs. None is left when the test has ended."""

    def ready(graph: Graph) -> Containers:
        return Containers.ready(graph, record, store_of(place).as_uri(), (place / "raw").as_uri())

    yield ready
    left = containers_of(engine, place)
    for container in left:
        container.remove(force=True)
    assert left == []


def containers_of(engine, place: Path) -> list:
    """Every container, running or not, of a run on this place's store."""
    ours = engine.containers.list(all=True, filters={"label": "sluice.results"}, ignore_removed=True)
    return [c for c in ours if c.labels["sluice.results"].startswith(store_of(place).as_uri())]


def staging(place: Path) -> list[Path]:
    return list(store_of(place).glob("steps/*/.staging*"))


def digests(record: RunRecord) -> dict[str, object]:
    """What each step made and measured."""
    found = {}
    for name, step in record.steps.items():
        result = storage.read_bytes(storage.join(step.folder, "result.json"))
        made = yaml.safe_load(result)
        found[name] = (made["outputs"], made["metrics"])
    return found


def test_steps_run_as_containers_and_make_what_processes_make(place, launcher):
    graph = small_graph()
    seen: list[str] = []
    contained = run(
        place, graph, launcher(graph), lambda record: seen.append(record.steps["total"].message), count=4
    )
    assert contained.outcome == "done"
    assert contained.steps["total"].metrics == {"total": 6.0}
    assert "50% adding" in seen
    assert contained.steps["emit"].fingerprint.code == {"image": TAG}
    local = run(place, graph, Processes(), count=4)
    assert {step.state for step in local.steps.values()} == {State.DONE}  # other code: nothing is reused
    assert digests(contained) == digests(local)


def test_an_unchanged_second_run_starts_no_container(place, launcher, engine):
    graph = small_graph()
    run(place, graph, launcher(graph))
    began = int(time.time())
    time.sleep(1.1)
    record = run(place, graph, launcher(graph))
    assert {step.state for step in record.steps.values()} == {State.REUSED}
    made = engine.events(
        since=began + 1, until=time.time(), filters={"label": f"sluice.run={record.id}"}, decode=True
    )
    assert list(made) == []


def test_a_step_has_its_callers_rights_and_no_more(place, launcher):
    graph = Graph("small")
    graph.step("probe", raw=(place / "raw").as_uri(), values=graph.step("emit", count=1)["values"])
    found = run(place, graph, launcher(graph)).steps["probe"].metrics
    assert found["user"] == [os.getuid(), os.getgid()]
    assert found["rights"] == ["0" * 16, "0" * 16, "1"]
    assert found["network"] == "Network is unreachable"
    assert sorted(found["written"]) == ["home", "results"]
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in store_of(place).rglob("*")}
    assert owners == {(os.getuid(), os.getgid())}


def test_who_runs_a_step_is_known_inside_by_name(place, launcher, monkeypatch):
    monkeypatch.setenv("LOGNAME", "mia")
    graph = Graph("small")
    graph.step("probe", raw=(place / "raw").as_uri(), values=graph.step("emit", count=1)["values"])
    assert run(place, graph, launcher(graph)).steps["probe"].metrics["caller"] == "mia"


def test_raw_files_may_be_links_to_elsewhere(place, launcher):
    (place / "elsewhere").write_text("raw too")
    (place / "raw" / "link").symlink_to(place / "elsewhere")
    graph = Graph("small")
    graph.step("look", raw=(place / "raw").as_uri())
    assert run(place, graph, launcher(graph)).outcome == "done"


def test_an_image_of_other_code_may_be_why_a_step_made_something_else(place, launcher):
    graph = Graph("small")
    graph.step("look", raw=(place / "raw").as_uri())

    def change(record):
        if record.steps["look"].state is State.RUNNING:
            (place / "raw" / "file").write_text("as the container finds it")

    with pytest.raises(
        StepFailed, match=r"not what was asked for: its image was built from other code .* Run again"
    ):
        run(place, graph, launcher(graph), change)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("error", r"step broken: line 3: the number is odd. Got: 7. Allowed: even numbers. Double it"),
        ("defect", r"step broken: broken: unexpected ZeroDivisionError: division by zero"),
        ("kill", r"step broken: The step's container was killed by signal SIGKILL .* Its log: /"),
    ],
)
def test_a_failed_step_ends_the_run_with_its_reason_and_leaves_nothing(place, launcher, how, message):
    graph = Graph("small")
    graph.step("broken", values=graph.step("emit", count=1)["values"], how=how)
    with pytest.raises(StepFailed, match=message):
        run(place, graph, launcher(graph))
    assert list((store_of(place) / "steps" / "broken").iterdir()) == []
    assert load_runs(store_of(place).as_uri())[-1].outcome == "failed"


def test_a_step_that_takes_too_much_memory_is_told_so(place, launcher):
    graph = Graph("small")
    graph.step("greedy", megabytes=400)
    small = replace(launcher(graph), memory=200_000_000)
    with pytest.raises(StepFailed, match=r"was killed for want of memory: it may take 0\.2 GB"):
        run(place, graph, small)
    assert staging(place) == []


def test_a_container_that_the_engine_refuses_is_told_with_its_reason(place, launcher):
    graph = small_graph()
    tiny = replace(launcher(graph), memory=1)
    with pytest.raises(
        StepFailed, match=r"the container can't be started\. Got: Minimum memory limit allowed"
    ):
        run(place, graph, tiny)


def test_a_container_that_an_interruption_met_before_its_start_is_removed(
    place, launcher, monkeypatch, engine
):
    graph = small_graph()
    containers = launcher(graph)

    def interrupted(container):
        raise KeyboardInterrupt

    monkeypatch.setattr("docker.models.containers.Container.start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(place, graph, containers)
    assert containers_of(engine, place) == []


def test_a_container_that_somebody_removes_is_told_so(place, launcher, engine):
    graph = small_graph(seconds=60.0)

    def remove(record):
        if record.steps["total"].message == "50% adding":
            for container in containers_of(engine, place):
                container.remove(force=True)

    with pytest.raises(StepFailed, match=r"step total: The step's container was "):
        run(place, graph, launcher(graph), remove)
    assert staging(place) == []


SCRIPT = """
    import os, sys
    from pathlib import Path
    from orchestration.graph import Graph
    from orchestration.runners.docker import Containers
    from orchestration.runners.walk import Runner
    from orchestration.runs import RunRecord

    graph = Graph("slow")
    graph.step("total", values=graph.step("emit", count=3)["values"], seconds=60.0)
    store = Path(sys.argv[1]).as_uri()
    containers = Containers.ready(graph, Path(sys.argv[2]), store, None)
    record = RunRecord.start("slow", {}, list(graph.steps))
    def say(record):
        if "adding" in record.steps["total"].message: os.write(1, b"adding\\n")
    Runner(graph, store, "", "file:///none", {}, record, say, containers).run()
"""


def heed_signals() -> None:
    """Whatever started the tests may ignore signals, as a shell's background job or nohup does; children inherit that."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture
def slow_run(place, record, engine, launcher):
    """A run in a process of its own that is inside its second step for a minute."""
    with (place / "errors").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", dedent(SCRIPT), str(store_of(place)), str(record)],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            preexec_fn=heed_signals,
        )
    try:
        with process.stdout as said:
            assert said.readline() == "adding\n", (place / "errors").read_text()
        assert [c.labels["sluice.step"] for c in containers_of(engine, place)] == ["total"]
        assert len(staging(place)) == 1
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_leaves_no_container_and_no_half_artifact(slow_run, place, engine, number):
    slow_run.send_signal(number)
    slow_run.wait(60)
    assert containers_of(engine, place) == []
    assert staging(place) == []
    (record,) = load_runs(store_of(place).as_uri())
    assert record.outcome == "interrupted"
    assert record.steps["total"].state is State.INTERRUPTED


def test_a_killed_runner_takes_its_steps_with_it_and_the_next_run_removes_what_is_left(
    slow_run, place, engine, launcher
):
    slow_run.kill()
    slow_run.wait()
    deadline = time.monotonic() + 30
    while any(c.status == "running" for c in containers_of(engine, place)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [c.status for c in containers_of(engine, place)] == ["exited"]
    assert staging(place) == []
    launcher(small_graph())
    assert containers_of(engine, place) == []


def test_a_run_does_not_touch_the_containers_of_another_that_is_alive(slow_run, place, engine, launcher):
    launcher(small_graph())
    assert [c.status for c in containers_of(engine, place)] == ["running"]
    slow_run.send_signal(signal.SIGINT)
    slow_run.wait(60)


def test_what_a_killed_container_had_begun_is_removed(slow_run, place, engine):
    (container,) = containers_of(engine, place)
    container.kill()
    slow_run.wait(60)
    assert staging(place) == []
    assert load_runs(store_of(place).as_uri())[-1].steps["total"].state is State.FAILED


def changed(record: Path, tmp_path: Path, **keys: str) -> Path:
    """The record with another entry for emit."""
    content = yaml.safe_load(record.read_text())
    content["emit"] |= keys
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(content))
    return tmp_path / "other.yaml"


def refusal(kind: type[SluiceError], record: Path, store: str, data: str | None = None) -> str:
    with pytest.raises(kind) as refused:
        Containers.ready(small_graph(), record, store, data)
    return refused.value.message


def test_an_image_that_the_registry_lacks_is_named(record, place, tmp_path, images):
    registry = images["register"].uri.split("/")[0]
    uri = f"{registry}/sluice-emit@sha256:{'0' * 64}"
    said = refusal(ImageError, changed(record, tmp_path, uri=uri), place.as_uri())
    assert said == (
        f"image of emit, {uri}: the image is missing in the registry, tag {TAG}. Run make build push C=emit."
    )


def test_an_image_that_was_never_pushed_and_is_gone_is_named(record, place, tmp_path):
    said = refusal(ImageError, changed(record, tmp_path, uri=f"sluice-gone:{TAG}"), place.as_uri())
    assert "the image is not on this machine and was never pushed" in said
    assert said.endswith("Run make build push C=emit.")


def test_a_registry_that_does_not_answer_is_told_apart(record, place, tmp_path):
    uri = f"127.0.0.1:9/sluice-emit@sha256:{'0' * 64}"
    said = refusal(ImageError, changed(record, tmp_path, uri=uri), place.as_uri())
    assert "the image can't be pulled" in said
    assert "connection refused" in said


def test_an_image_that_is_not_what_the_record_says_is_refused(record, place, tmp_path):
    said = refusal(ImageError, changed(record, tmp_path, tag="f" * 16, python="3.12"), place.as_uri())
    assert (
        "image of emit, sluice-small-emit:0123456789abcdef: the image is not the one that was recorded"
        in said
    )
    assert "Got: sluice.content 0123456789abcdef, sluice.python 3.11." in said
    assert "Allowed: sluice.content ffffffffffffffff, sluice.python 3.12." in said
