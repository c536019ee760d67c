"""Small components, written to a folder of their own: real runners run them as real processes and containers."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from textwrap import dedent

import pytest

MAIN = """
import sys
from sluice.contract.cli import main
from {package}.component import {function}
sys.exit(main({function}))
"""

COMPONENTS = {
    "emit": """
        class EmitMetrics(Verdict):
            rows: int

        def emit(values: Annotated[Output[Table], roles(Role.NUMERIC)], count: int, passed: bool = True) -> EmitMetrics:
            '''Write some numbers.'''
            with values.writer([TableColumn(name="x", type="double", role=Role.NUMERIC)]) as writer:
                writer.write(pa.record_batch([pa.array([float(n) for n in range(count)])], schema=writer.schema))
            report("emitted", fraction=1.0)
            return EmitMetrics(rows=count, passed=passed, reasons=() if passed else ("3 is more than 2",))
        """,
    "plain": """
        def plain(values: Output[Table]) -> Metrics:
            '''Write a table without promising any role.'''
        """,
    "look": """
        def look(raw: Source, seen: Output[Report]) -> Metrics:
            '''Look at raw files.'''
            return Metrics()
        """,
    "total": """
        class TotalMetrics(Metrics):
            total: float

        def total(values: Annotated[Table, roles(Role.NUMERIC)], sum_of: Output[Report], seconds: float = 0.0) -> TotalMetrics:
            '''Add the numbers up.'''
            (sum_of.folder / "began").write_text("x")
            report("adding", fraction=0.5)
            time.sleep(seconds)
            total = sum(sum(batch.column(0).to_pylist()) for batch in values.batches())
            return TotalMetrics(total=total)
        """,
    "broken": """
        class BrokenMetrics(Metrics):
            pass

        def broken(values: Table, nothing: Output[Report], how: str) -> BrokenMetrics:
            '''Fail in one of several ways.'''
            (nothing.folder / "half").write_text("x")
            if how == "error":
                raise InputError("the number is odd", where="line 3", got="7", allowed="even numbers", next_step="Double it")
            if how == "defect":
                raise ZeroDivisionError("division by zero")
            os.kill(os.getpid(), signal.SIGKILL)
        """,
    "greedy": """
        def greedy(nothing: Output[Report], megabytes: int) -> Metrics:
            '''Take memory.'''
            (nothing.folder / "half").write_text("x")
            taken = bytearray(b"x") * (megabytes << 20)
            return Metrics()
        """,
    "probe": """
        class ProbeMetrics(Metrics):
            user: list[int]
            caller: str
            rights: list[str]
            network: str
            written: list[str]

        def probe(raw: Source, values: Table, nothing: Output[Report]) -> ProbeMetrics:
            '''Try what a component may not do.'''
            status = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines())
            table = storage.local_path(values.uri)
            places = {"data": raw.local(None), "table": table.parent, "store": table.parents[4], "root": pathlib.Path("/"),
                      "home": pathlib.Path.home(), "results": nothing.folder.parent.parent}
            written = []
            for name, place in places.items():
                with contextlib.suppress(OSError):
                    (place / "probe").write_text("x")
                    (place / "probe").unlink()
                    written.append(name)
            try:
                network = str(socket.create_connection(("1.1.1.1", 53), timeout=3))
            except OSError as error:
                network = error.strerror
            return ProbeMetrics(user=[os.getuid(), os.getgid()], caller=getpass.getuser(), network=network, written=written,
                                rights=[status["CapEff"], status["CapBnd"], status["NoNewPrivs"]])
        """,
}

HEADER = """
from __future__ import annotations
import contextlib, getpass, os, pathlib, signal, socket, time
from typing import Annotated
import pyarrow as pa
from sluice.contract import *
from sluice.contract import storage
"""


def write_components(root: Path) -> None:
    """Write each component to `components/<name>`."""
    for name, code in COMPONENTS.items():
        folder = root / "components" / name
        folder.mkdir(parents=True)
        (folder / "component.py").write_text(HEADER + dedent(code))
        (folder / "__main__.py").write_text(MAIN.format(package=f"components.{name}", function=name))


@pytest.fixture(scope="session")
def small_components(tmp_path_factory):
    """A folder with the components above, importable here and in child processes."""
    root = tmp_path_factory.mktemp("a checkout")
    write_components(root)
    return root


@pytest.fixture
def importable(small_components, monkeypatch):
    """Make the small components a part of the namespace package `components`."""
    repository = Path(__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", f"{repository}:{small_components}")
    monkeypatch.syspath_prepend(str(small_components))
    importlib.invalidate_caches()
    yield small_components
    for name in COMPONENTS:
        sys.modules.pop(f"components.{name}", None)
        sys.modules.pop(f"components.{name}.component", None)
