"""Small components, written to a folder of their own and run by the real local runner as real processes."""

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
}

HEADER = """
from __future__ import annotations
import os, signal, time
from typing import Annotated
import pyarrow as pa
from sluice.contract import *
"""


@pytest.fixture(scope="session")
def small_components(tmp_path_factory):
    """A folder with the components above, importable here and in child processes."""
    root = tmp_path_factory.mktemp("a checkout")
    for name, code in COMPONENTS.items():
        folder = root / "components" / name
        folder.mkdir(parents=True)
        (folder / "component.py").write_text(HEADER + dedent(code))
        (folder / "__main__.py").write_text(MAIN.format(package=f"components.{name}", function=name))
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
