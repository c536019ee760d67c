"""The raw files in shards on several machines of a Ray cluster: a `Shard` for each, taken together as if they were one.

Each shard is an actor that reads a stretch of the files, in their order, and keeps what it made of them on its own
machine's disk until its rows' turn has come. So tables, row by row, are those of one process.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import ray
from ray.exceptions import RayError, RayTaskError

from components.preprocess.census import Census
from components.preprocess.plan import Plan
from components.preprocess.shard import Shard
from components.preprocess.spool import read_all
from components.preprocess.transforming import Parted
from sluice.contract import SluiceError, Source, StepFailed, report, storage
from sluice.features.fitted import Learned
from sluice.ingest import Account
from sluice.ingest.files import resolve
from sluice.recipe.parts import PreprocessSettings

AHEAD = 4
"""Batches of a shard that may be on their way to the writer."""


class Shards:
    """All raw files, as `Shard` has some of them."""

    def __init__(self, actors: Sequence[Any], slices: Sequence[Sequence[str]], workers: int) -> None:
        self._actors, self._slices, self._workers = actors, slices, workers

    def learn(self) -> tuple[Census, Account]:
        """Read the raw files once, side by side; what they all say together.

        Raises:
            InputError: a file or column is missing or wrong.
        """
        with _in_our_words():
            waiting = [actor.learn.remote() for actor in self._actors]
            censuses, accounts = zip(*_each(waiting, "parts of the raw files were read"), strict=True)
        for other in censuses[1:]:
            censuses[0].merge(other)
        return censuses[0], Account.merged(accounts, [name for names in self._slices for name in names])

    def quarantined(self) -> Iterator[pa.RecordBatch]:
        """The rows that can't be read, in order."""
        for actor in self._actors:
            yield from _streamed(actor.quarantined)

    def tables(self, plan: Plan, starts: Sequence[int], learned: Learned) -> Iterator[Parted]:
        """The rows of the three tables in raw order."""
        with _in_our_words():
            given = ray.put((plan, tuple(starts), learned))
            making = [actor.make.remote(given, self._workers) for actor in self._actors]
            for actor, made in zip(self._actors, making, strict=True):
                ray.get(made)
                yield from _streamed(actor.made)


@contextmanager
def shards(raw: Source, settings: PreprocessSettings, rows: int | None, address: str) -> Iterator[Shards]:
    """The raw files on the cluster at an address; `local` begins one on this machine.

    Args:
        raw: the folder of raw files.
        settings: the recipe's part.
        rows: how many rows to sample of all files together; all, if not given.
        address: the cluster's.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    begun = {"include_dashboard": False} if address == "local" else {}
    with _in_our_words():
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False, **begun)
    try:
        cores = int(ray.cluster_resources()["CPU"])
        slices = sliced(_sizes(raw, settings), cores)
        kind = ray.remote(num_cpus=1, scheduling_strategy="SPREAD")(_Remote)
        actors = [kind.remote(raw.uri, settings, rows, names) for names in slices]
        yield Shards(actors, slices, max(1, cores // len(slices)))
    finally:
        ray.shutdown()


def sliced(sizes: Sequence[tuple[str, int]], most: int) -> list[list[str]]:
    """Files in at most so many slices of about as many bytes; each is a stretch of them, and none is empty.

    Args:
        sizes: the files in their order, each with its bytes.
        most: how many slices there may be.
    """
    total = sum(size for _, size in sizes) or 1
    middles = [end - size / 2 for (_, size), end in zip(sizes, accumulate(s for _, s in sizes), strict=True)]
    found: dict[int, list[str]] = {}
    for (name, _), middle in zip(sizes, middles, strict=True):
        found.setdefault(min(int(most * middle / total), most - 1), []).append(name)
    return list(found.values())


class _Remote:
    """One shard, in a process of its machine."""

    def __init__(
        self, raw: str, settings: PreprocessSettings, rows: int | None, names: Sequence[str]
    ) -> None:
        self._folder = TemporaryDirectory(prefix="sluice-shard-")
        lists = [settings.data.merge.file] if settings.data.merge else []
        folder = Source(raw).local(settings, whole=[*names, *lists])
        self._shard = Shard(folder, settings, Path(self._folder.name), rows, names)
        self._made = Path(self._folder.name, "made")

    def learn(self) -> tuple[Census, Account]:
        return self._shard.learn()

    def quarantined(self) -> Iterator[pa.RecordBatch]:
        yield from self._shard.quarantined()

    def make(self, given: tuple[Plan, Sequence[int], Learned], workers: int) -> None:
        """Transform the rows, and keep them until their turn."""
        writer = None
        for parted in self._shard.tables(*given, workers):
            writer = writer or pa.ipc.new_file(str(self._made), parted[0].schema)
            for rows in parted:
                writer.write_batch(rows)
        if writer:
            writer.close()

    def made(self) -> Iterator[Parted]:
        if self._made.exists():
            batches = read_all(self._made)
            for parted in zip(batches, batches, batches, strict=True):  # noqa: UP028 — Ray sends, and a zip takes nothing
                yield parted
        self._folder.cleanup()


def _sizes(raw: Source, settings: PreprocessSettings) -> list[tuple[str, int]]:
    """The raw files in the recipe's order, with their bytes."""
    folder = raw.local(settings, whole=())
    sizes = {file.path: file.bytes for file in storage.list_files(raw.uri, settings.source_files())}
    paths = resolve(folder, settings.data.files, "data.files")
    return [(name, sizes[name]) for name in (path.relative_to(folder).as_posix() for path in paths)]


def _each(waiting: Sequence[Any], what: str) -> list[Any]:
    """What was waited for, in its order, telling how much of it is there."""
    left = list(waiting)
    while left:
        _, left = ray.wait(left)
        report(f"{len(waiting) - len(left)} of {len(waiting)} {what}")
    return ray.get(list(waiting))


def _streamed(method: Any) -> Iterator[Any]:
    """What a method of an actor yields; it runs ahead by a few items only."""
    with _in_our_words():
        stream = method.options(num_returns="streaming", _generator_backpressure_num_objects=AHEAD).remote()
        for reference in stream:
            yield ray.get(reference)


@contextmanager
def _in_our_words() -> Iterator[None]:
    """Tell an error of a shard as if it had happened here, and one of the cluster by what it means."""
    try:
        yield
    except RayTaskError as error:
        if isinstance(error.cause, SluiceError):
            raise error.cause from None
        raise
    except RayError as error:
        raise StepFailed(
            "a machine of the cluster was lost, and its part of the rows with it",
            where="preprocess",
            got=str(error).strip().splitlines()[0],
            next_step="Run it again; if that happens again, give each instance more memory: a larger instance_type",
        ) from error
