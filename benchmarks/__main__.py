"""`make bench`: what running a step costs, beside kfp.local; what an unchanged run costs; preprocessing, audit and gate."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import audit, end_to_end, gate, preprocess
from orchestration.graph import Graph
from orchestration.runners.local import Processes, command_line
from orchestration.runners.walk import Runner
from orchestration.runs import RunRecord
from sluice.contract import Call

ROOT = Path(__file__).parents[1]
NOOP = ROOT / "benchmarks" / "noop"
STEPS = 5
ROUNDS = 3


def main() -> None:
    """Print every section."""
    os.environ["PYTHONPATH"] = f"{ROOT}{os.pathsep}{NOOP}"
    sys.path.append(str(NOOP))
    print_step_cost()
    print_reuse_time()
    for section in (preprocess, end_to_end, gate, audit):
        print(flush=True)
        section.main()


def print_step_cost() -> None:
    """A chain of no-op steps three ways, in turn, so that a busy machine is unfair to nobody."""
    rounds = [(sluice_chain(), bare_processes(), kfp_chain()) for _ in range(ROUNDS)]
    sluice, bare, kfp = (statistics.median(times) / STEPS for times in zip(*rounds, strict=True))
    print(f"A chain of {STEPS} no-op steps, median of {ROUNDS} rounds, seconds per step")
    print(f"  Sluice's local runner             {sluice:.2f}")
    print(f"  the same processes, started bare  {bare:.2f}")
    print(f"  overhead of the runner            {sluice - bare:.2f}")
    print(f"  kfp.local, subprocess runner      {kfp:.2f}  ({kfp / sluice:.2f} times Sluice's)")


def chain() -> Graph:
    """A chain in which each step waits for the one before."""
    graph = Graph("chain")
    step = graph.step("noop")
    for number in range(2, STEPS + 1):
        step = graph.step("relay", f"relay-{number}", before=step["after"], value=str(number))
    return graph


def sluice_chain() -> float:
    """Seconds for the chain in the local runner, nothing reused."""
    with tempfile.TemporaryDirectory() as store:
        graph = chain()
        record = RunRecord.start("chain", {}, list(graph.steps))
        runner = Runner(
            graph, Path(store).as_uri(), "", "file:///none", {}, record, lambda _: None, Processes()
        )
        began = time.perf_counter()
        runner.run()
        return time.perf_counter() - began


def bare_processes() -> float:
    """Seconds for the same component processes, one after the other, without a runner."""
    with tempfile.TemporaryDirectory() as store:
        began = time.perf_counter()
        before: dict[str, str] = {}
        for step in chain().steps.values():
            values = {name: value for name, value in step.arguments.items() if isinstance(value, str)}
            call = Call(step.component, Path(store).as_uri(), values | before)
            subprocess.run(command_line(call), check=True, capture_output=True)
            before = {"before": call.output_uri("after")}
        return time.perf_counter() - began


def kfp_chain() -> float:
    """Seconds for the chain in kfp.local, by its own clock: its import is not counted."""
    with tempfile.TemporaryDirectory() as plain:
        # kfp starts its Python through a shell, unquoted: a checkout in a folder with a blank would not run.
        environment = Path(plain) / "kfp"
        environment.symlink_to(ROOT / ".venv-kfp")
        done = subprocess.run(
            [environment / "bin" / "python", ROOT / "benchmarks" / "kfp_chain.py", str(STEPS)],
            check=True,
            capture_output=True,
            text=True,
        )
    found = re.search(r"^seconds=([\d.]+)$", done.stdout, re.MULTILINE)
    assert found, done.stdout
    return float(found[1])


def print_reuse_time() -> None:
    """An unchanged `make run`, after one that made everything."""
    command = ["make", "--silent", "run", f"STORE={ROOT / 'artifacts'}"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        times.append(time.perf_counter() - began)
        assert "6 of 6 steps reused" in done.stdout, done.stdout
    print(f"An unchanged `make run`, median of {ROUNDS}: {statistics.median(times):.2f} s, every step reused")


if __name__ == "__main__":
    main()
