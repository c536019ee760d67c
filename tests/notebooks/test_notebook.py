"""The notebook: committed without outputs, and executed from its first cell to its last against a moto server."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.builders.accounts import account
from tests.builders.backbones import tiny_backbone
from tests.end_to_end.builders import csv_text, parcels, recipe

ROOT = Path(__file__).parents[2]
FILE = ROOT / "notebooks/training_pipeline.ipynb"
SECONDS = 600
"""For one cell, on a machine that does much else."""


def read() -> nbformat.NotebookNode:
    return nbformat.read(FILE, as_version=4)


NOTEBOOK = read()
CODE = [cell for cell in NOTEBOOK.cells if cell.cell_type == "code"]
(PARAMETERS,) = (cell for cell in CODE if "parameters" in cell.metadata.get("tags", []))


# --- as it is committed


def test_it_is_committed_without_outputs():
    assert [cell.id for cell in CODE if cell.outputs or cell.execution_count is not None] == []


def test_its_first_cell_says_what_is_needed():
    first = NOTEBOOK.cells[0]
    assert first.cell_type == "markdown"
    for needed in ("make setup", "kernel", "make build push", "make infra", "credentials"):
        assert needed in first.source


def test_the_second_cell_holds_everything_that_a_person_would_change():
    assert NOTEBOOK.cells[1] == PARAMETERS
    assigned = re.findall(r"^([A-Z]+) = ", PARAMETERS.source, re.MULTILINE)
    assert assigned == ["RECIPE", "DATA", "ROWS", "STORE", "ENVIRONMENT", "IMAGES"]


def test_it_drives_the_pipeline_with_its_functions_and_not_with_a_shell():
    shell = [
        cell.id for cell in CODE if re.search(r"^\s*[!%]|subprocess|os\.system", cell.source, re.MULTILINE)
    ]
    assert shell == []
    assert all(
        f"{verb}(" in "".join(c.source for c in CODE) for verb in ("start", "plan_now", "upsert", "launch")
    )


def test_every_cell_of_code_is_introduced_by_words():
    kinds = [cell.cell_type for cell in NOTEBOOK.cells[4:]]
    assert kinds == ["markdown", "code"] * (len(kinds) // 2)


# --- executed


@dataclass(frozen=True)
class Ran:
    """The notebook after its last cell."""

    cells: list[nbformat.NotebookNode]

    def said(self, call: str) -> str:
        """What the one cell that makes a call printed and showed."""
        (cell,) = (cell for cell in self.cells if cell.cell_type == "code" and call in cell.source)
        shown = [out.get("text") or "".join(out.get("data", {}).values()) for out in cell.outputs]
        return "".join(shown)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with a recipe that trains in a second, its data, and a store that the executions share."""
    folder = tmp_path_factory.mktemp("a notebook's")
    (folder / "raw").mkdir()
    (folder / "raw/parcels.csv").write_text(csv_text(parcels()))
    (folder / "recipe.yaml").write_text(recipe(tiny_backbone(folder / "backbone")))
    return folder


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """The project as it is now, elsewhere: edits here don't reach what is running."""
    folder = tmp_path_factory.mktemp("clone") / "a clone"
    for name in ("sluice", "components", "orchestration", "recipes", "notebooks"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


@pytest.fixture
def execute(made, clone, monkeypatch):
    """Executes the notebook with an environment file and a record of images."""

    def run(environment: Path | None, images: Path) -> Ran:
        monkeypatch.delenv("PYTHONPATH", raising=False)
        notebook = read()
        values = {
            "RECIPE": made / "recipe.yaml",
            "DATA": str(made / "raw"),
            "ROWS": None,
            "STORE": str(made / "store"),
            "ENVIRONMENT": environment,
            "IMAGES": images,
        }
        lines = [f"{name} = {v!r}".replace("PosixPath", "Path") for name, v in values.items()]
        notebook.cells[1].source = "\n".join(["from pathlib import Path", *lines])
        NotebookClient(
            notebook,
            timeout=SECONDS,
            kernel_name="python3",
            resources={"metadata": {"path": str(clone / "notebooks")}},
        ).execute()
        return Ran(notebook.cells)

    return run


@pytest.mark.long
def test_it_goes_from_the_picture_to_a_started_execution(execute, s3_store, tmp_path):
    place = account(tmp_path / "account", "from-a-notebook")
    ran = execute(place.environment, place.images)

    assert "<svg" in ran.said("picture(build())")
    assert "parcels: done" in ran.said("start(Request")
    report = ran.said('evaluated = record.steps["evaluate"]')
    assert "<iframe srcdoc=" in report
    assert "accuracy" in report
    assert "before the first gate: preprocess, audit, validate, data-gate" in ran.said("compiled = ")
    assert "pipeline from-a-notebook in eu-west-1" in ran.said("plan_now(")
    assert "a new pipeline" in ran.said("plan_now(")
    assert "created pipeline from-a-notebook" in ran.said("upsert(environment()")
    assert "started" in ran.said("launch(Order")

    assert place.pipeline["RoleArn"].endswith("from-a-notebook-role")
    assert len(place.executions()) == 1
    assert len(place.keys("recipes/")) == 1
    assert any(key.endswith("parcels.csv") for key in place.keys("data/"))


@pytest.mark.long
def test_without_an_environment_each_cell_of_aws_says_so_in_a_sentence_and_the_others_work(execute, tmp_path):
    ran = execute(None, tmp_path / "none.yaml")
    assert "parcels: done" in ran.said("start(Request")
    for call in ("compiled = ", "plan_now(", "upsert(environment()", "launch(Order"):
        said = ran.said(call)
        assert said.count("\n") == 1
        assert "no place to run is named" in said
        assert "Set it to the environment file that `make infra` writes" in said


@pytest.mark.long
def test_without_credentials_the_cells_that_need_them_say_what_to_set(
    execute, s3_store, tmp_path, monkeypatch
):
    place = account(tmp_path / "account", "without-keys")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    ran = execute(place.environment, place.images)
    assert "before the first gate" in ran.said("compiled = ")
    for call in ("plan_now(", "upsert(environment()", "launch(Order"):
        assert "no AWS credentials that work were found" in ran.said(call)
