"""Starting a run: the recipe and its data are found, or it is said how to name them; the sample is made once."""

from __future__ import annotations

import subprocess
import threading
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from orchestration.runs import load_runs
from orchestration.start import Request, find_data, start
from sluice.contract import InputError, RecipeError, SluiceError, StepFailed, StorageError, storage
from sluice.recipe import parse_recipe
from tests.components.preprocess.builders import csv_text, parcels, recipe

GENERATOR = """
import pathlib, sys
folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True)
(folder / "parcels.csv").write_text({text!r})
"""


@pytest.fixture
def here(tmp_path) -> Path:
    """A folder with a recipe and the generator of its sample."""
    (tmp_path / "parcels.yaml").write_text(recipe())
    (tmp_path / "parcels_sample.py").write_text(GENERATOR.format(text=csv_text(parcels())))
    return tmp_path


def found(here: Path, data: str | None = None) -> tuple[str, list[str]]:
    """Where the data of a run is, and what was said while it was looked for."""
    said: list[str] = []
    request = Request(here / "parcels.yaml", str(here / "store"), data)
    store = storage.to_uri(request.store)
    return find_data(request, parse_recipe(recipe(), "parcels.yaml"), store, said.append), said


def samples(here: Path) -> list[str]:
    return sorted(path.name for path in (here / "store/samples").glob("*"))


def test_a_sample_is_made_once(here):
    uri, said = found(here)
    assert said == [f"making the sample {storage.local_path(uri)}"]
    assert (storage.local_path(uri) / "parcels.csv").read_text() == csv_text(parcels())
    assert found(here) == (uri, [])
    assert len(samples(here)) == 1


def test_the_sample_is_named_as_it_is_even_on_a_narrow_screen(here, monkeypatch):
    monkeypatch.setattr("orchestration.start.Runner.run", lambda runner: runner.record)
    narrow = here / "a folder [bold] with blanks"
    console = Console(file=StringIO(), width=20)
    start(Request(here / "parcels.yaml", str(narrow)), console)
    assert f"making the sample {narrow}/samples/parcels-" in console.file.getvalue()


def test_another_generator_makes_another_sample(here):
    before, _ = found(here)
    (here / "parcels_sample.py").write_text(GENERATOR.format(text="other"))
    after, said = found(here)
    assert (after != before, len(said), len(samples(here))) == (True, 1, 2)


def test_a_sample_that_failed_half_way_is_nobody_s_sample(here):
    whole = (here / "parcels_sample.py").read_text()
    (here / "parcels_sample.py").write_text(whole + "sys.exit('no words left')\n")
    with pytest.raises(
        SluiceError, match=r"parcels_sample\.py: the sample can't be made\. Got: no words left\."
    ):
        found(here)
    assert samples(here) == []


def test_two_runs_that_start_at_once_agree_on_one_sample(here):
    uris: list[str] = []
    threads = [threading.Thread(target=lambda: uris.append(found(here)[0])) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(uris) == 3
    assert len(set(uris)) == 1
    assert samples(here) == [storage.local_path(uris[0]).name]


def test_data_that_is_named_needs_no_sample(here, monkeypatch):
    monkeypatch.setattr(subprocess, "run", None)
    assert found(here, str(here / "own data")) == ((here / "own data").as_uri(), [])
    assert found(here, "s3://bucket/raw/") == ("s3://bucket/raw", [])


def test_a_recipe_without_a_sample_asks_for_its_data(here):
    (here / "parcels_sample.py").unlink()
    with pytest.raises(InputError) as caught:
        found(here)
    assert str(caught.value) == (
        f"{here}/parcels.yaml: this recipe needs data. Allowed: a folder that holds parcels.csv. "
        "Name it: make run RECIPE=… DATA=<folder>, or --data."
    )


def started(here: Path, **request) -> tuple[str, SluiceError]:
    """What a run that ends with an error printed, and the error."""
    console = Console(file=StringIO(), width=200, highlight=False)
    with pytest.raises(SluiceError) as caught:
        start(Request(**{"recipe": here / "parcels.yaml", "store": str(here / "store")} | request), console)
    return console.file.getvalue(), caught.value


def test_a_recipe_that_is_not_there_is_answered_with_those_that_are(here):
    _, error = started(here, recipe=here / "parcel.yaml")
    assert str(error).startswith(
        f"{here}/parcel.yaml: there is no recipe. Allowed: recipes here: recipes/clothing-reviews.yaml, "
    )


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        ({"thresholds": "macro_f1=high"}, InputError),
        ({"store": "ftp://somewhere"}, SluiceError),
        ({"recipe": "broken.yaml"}, RecipeError),
    ],
)
def test_what_is_wrong_from_the_start_leaves_no_trace(here, request_, kind):
    (here / "broken.yaml").write_text("version: 2\n")
    if "recipe" in request_:
        request_ = {"recipe": here / request_["recipe"]}
    said, error = started(here, **request_)
    assert isinstance(error, kind)
    assert said == ""
    assert not (here / "store").exists()


def test_a_store_that_cannot_be_written_is_told_when_the_sample_is_made(here):
    (here / "store").write_text("a file")
    with pytest.raises(StorageError, match=r"samples/parcels-.*Got: \[Errno 20\] Not a directory"):
        found(here)


RECORD = "{{uri: sluice-{0}:{1}, tag: {1}, python: '3.11', contract: '1.0'}}"


@pytest.mark.parametrize(
    ("request_", "recorded", "message"),
    [
        ({}, [], "images.yaml: no image was built yet"),
        (
            {},
            ["preprocess", "train", "evaluate"],
            "component register: no image is recorded. Allowed: evaluate, preprocess, train. "
            "Build it: make build push C=register.",
        ),
        (
            {"store": "s3://bucket/store"},
            [],
            "--store s3://bucket/store: the docker runner keeps its store on this",
        ),
        (
            {"data": "s3://bucket/raw"},
            [],
            "--data s3://bucket/raw: the docker runner keeps its data on this machine",
        ),
    ],
)
def test_what_containers_lack_is_told_before_anything_is_written(here, request_, recorded, message):
    images = here / "images.yaml"
    if recorded:
        images.write_text("".join(f"{name}: {RECORD.format(name, 'a' * 16)}\n" for name in recorded))
    said, error = started(here, runner="docker", images=images, **request_)
    assert message in str(error)
    assert said == ""
    assert not (here / "store").exists()


def test_a_run_that_fails_still_ends_with_its_summary_and_is_remembered(here):
    (here / "raw").mkdir()
    said, error = started(here, data=str(here / "raw"))
    assert isinstance(error, StepFailed)
    assert "step preprocess" in str(error)
    assert "the data folder holds none of the recipe's files" in str(error)
    assert "parcels: failed in" in said
    assert "◇ data-gate: not reached" in said
    (record,) = load_runs((here / "store").as_uri())
    assert record.outcome == "failed"
    kept = storage.read_bytes(storage.join(record.folder((here / "store").as_uri()), "recipe.yaml"))
    assert kept.decode() == recipe()
