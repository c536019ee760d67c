"""The whole pipeline in the built images makes what the local runner makes, byte for byte."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestration.runs import State
from sluice.contract.lineage import lineage
from tests.end_to_end.builders import STEPS, Place
from tests.end_to_end.conftest import backbone, clone, place

__all__ = ["backbone", "clone", "place"]

DATED = ("data_report", "report")
CLOCKED = ("rows_per_second",)

pytestmark = [pytest.mark.images, pytest.mark.usefixtures("images")]


def made(place: Place, step: str) -> dict[str, Any]:
    """What a step of the latest run made and measured, and the digests of all that it was made from.

    The pages that great-expectations writes hold the time at which it did: they and their report's digest are left out.
    """
    metrics = {name: value for name, value in place.record.steps[step].metrics.items() if name not in CLOCKED}
    found: dict[str, Any] = {"metrics": metrics}
    for name in json.loads((place.folder(step) / "result.json").read_text())["outputs"]:
        nodes = list(lineage(str(place.folder(step) / name)).walk())
        files = {file.path: file.sha256 for file in nodes[0].manifest.files if "data_docs/" not in file.path}
        assert files, name
        found[name] = files, [(node.name, node.digest) for node in nodes if node.name not in DATED]
    return found


@pytest.fixture
def contained(place, image_record) -> tuple[Place, str]:
    """A place where the pipeline ran in containers, and what that printed."""
    done = place.run("--runner", "docker", "--images", image_record)
    assert done.status == 0, done.out + done.err
    return place, done.out


def test_containers_make_what_processes_make(contained, image_record):
    place, printed = contained
    assert place.states == dict.fromkeys(STEPS, State.DONE)
    assert "model      parcels version 1, PendingManualApproval" in printed
    in_containers = {step: made(place, step) for step in STEPS}
    tags = {step: place.record.steps[step].fingerprint.code["image"] for step in STEPS}
    assert tags["preprocess"] == tags["audit"] == tags["validate"]
    assert place.half_made() == []

    done = place.run()
    assert done.status == 0, done.out + done.err
    assert place.states == dict.fromkeys(STEPS, State.DONE)  # another code digest: no result is taken over
    for step in STEPS:
        assert made(place, step) == in_containers[step], step

    again = place.run("--runner", "docker", "--images", image_record)
    assert place.states == dict.fromkeys(STEPS, State.REUSED), again.out
