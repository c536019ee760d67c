"""All of preprocess, from CSV to tables, beside pandas: rows a second, and memory as the rows grow.

`python -m benchmarks.end_to_end`, a part of `make bench`.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.ledger import RECIPE, write_ledger

ROOT = Path(__file__).parents[1]
ROWS = (1_000_000, 5_000_000)
PEER_ROWS = 1_000_000
"""More than that pandas doesn't hold on every machine."""
EVERY_SECONDS = 0.05


class Cost(NamedTuple):
    """What a command took."""

    wall: float
    cpu: float
    largest: int
    """Peak of its largest process, bytes."""
    together: int
    """Peak of all its processes together, shared pages counted once, bytes."""


def main() -> None:
    """Print the table."""
    print(
        "CSV to tables: read, merge, normalise, split, fit, encode, Parquet, manifests; starting Python included"
    )
    print(f"  {'':34}{'rows/s':>10}{'rows/CPU-s':>12}{'largest process':>17}{'all processes':>15}")
    with tempfile.TemporaryDirectory() as folder:
        for rows in ROWS:
            ours = sluices_way(Path(folder), rows)
            show(f"Sluice, {rows:,} rows", rows, ours)
            if rows == PEER_ROWS:
                theirs = pandas_way(Path(folder), rows)
                show(f"pandas and NLTK, {rows:,} rows", rows, theirs)
                ratios = f"{theirs.wall / ours.wall:10.1f}{theirs.cpu / ours.cpu:12.1f}"
                print(f"  {'times as many rows':34}{ratios}", flush=True)


def show(name: str, rows: int, cost: Cost) -> None:
    """Print one line."""
    speed = f"{rows / cost.wall:10,.0f}{rows / cost.cpu:12,.0f}"
    print(
        f"  {name:34}{speed}{cost.largest / 2**20:13,.0f} MiB{cost.together / 2**20:11,.0f} MiB", flush=True
    )


def sluices_way(folder: Path, rows: int) -> Cost:
    """The component in a process of its own, as a runner starts it."""
    data, recipe = folder / f"data {rows}", folder / "recipe.yaml"
    write_ledger(data, rows)
    recipe.write_text(RECIPE)
    store = folder / f"store {rows}"
    command = ["-m", "components.preprocess", "--store", store, "--recipe", recipe, "--raw", data]
    return cost_of([sys.executable, *map(str, command)])


def pandas_way(folder: Path, rows: int) -> Cost:
    """What anybody would write, on the same rows; it holds all of them."""
    command = ["-m", "benchmarks.pandas_way", folder / f"data {rows}", folder / "peer tables"]
    return cost_of([sys.executable, *map(str, command)])


def cost_of(command: list[str]) -> Cost:
    """Run a command to its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    quiet = subprocess.DEVNULL
    with (
        subprocess.Popen(command, cwd=ROOT, stdout=quiet, stderr=quiet) as process,
        peak_of(process.pid) as peak,
    ):
        assert process.wait() == 0, command
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall, cpu, peak["largest"], peak["together"])


@contextmanager
def peak_of(process: int) -> Iterator[dict[str, int]]:
    """Watch a process and all that it starts."""
    peak = {"largest": 0, "together": 0}
    done = threading.Event()

    def watch() -> None:
        while not done.wait(EVERY_SECONDS):
            found = [memory(one) for one in family(process)]
            peak["largest"] = max(peak["largest"], *(highest for highest, _ in found), 0)
            peak["together"] = max(peak["together"], sum(now for _, now in found))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def family(process: int) -> list[int]:
    """A process and all that it and they have started."""
    found = [process]
    for one in found:
        try:
            for task in Path(f"/proc/{one}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
        except OSError:  # it has ended
            continue
    return found


def memory(process: int) -> tuple[int, int]:
    """A process's peak of resident memory, and its share of what is resident now; bytes."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
    except OSError:
        return 0, 0
    lines = dict(line.split(":", 1) for line in (status + rollup).splitlines() if ":" in line)
    highest, now = (int(lines[key].split()[0]) * 1024 if key in lines else 0 for key in ("VmHWM", "Pss"))
    return highest, now


if __name__ == "__main__":
    main()
