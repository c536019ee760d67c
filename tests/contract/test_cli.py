"""The command line that every component has, derived from its signature."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from sluice.contract.cli import main

from . import builders


def lines(capsys):
    return capsys.readouterr().out.splitlines()


def test_a_component_runs_from_the_command_line_and_prints_its_outputs(tmp_path, capsys):
    assert main(builders.numbers, ["--store", str(tmp_path), "--count=4"]) == 0
    first = json.loads(lines(capsys)[-1])
    assert first["metrics"] == {"rows": 4}
    assert main(builders.total, ["--store", str(tmp_path), "--values", first["outputs"]["values"]]) == 0


def test_an_error_of_the_family_ends_with_status_1_and_its_message(tmp_path, capsys):
    assert main(builders.total, ["--store", str(tmp_path), "--values", str(tmp_path / "manifest.json")]) == 1
    assert "error: " in (said := capsys.readouterr().err)
    assert "no artifact here: there is no manifest" in said
    assert "Traceback" not in said


def test_a_defect_ends_with_status_1_its_traceback_and_a_message(tmp_path, capsys):
    def defect(count: int = 1) -> builders.Rows:
        return builders.Rows(rows=count // 0)

    assert main(defect, ["--store", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "unexpected ZeroDivisionError" in said


def test_under_a_runner_the_failure_is_also_an_event(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SLUICE_RUNNER", "any")
    assert main(builders.numbers, ["--store", str(tmp_path), "--count=x"]) == 1
    event = json.loads(lines(capsys)[-1].removeprefix("@sluice "))
    assert event["type"] == "InputError"
    assert "the value doesn't fit" in event["failure"]


def test_the_schema_needs_nothing_else_on_the_command_line(capsys):
    assert main(builders.total, ["--schema"]) == 0
    assert json.loads(capsys.readouterr().out)["inputs"]["values"]["kind"] == "table"


def test_help_names_every_flag_with_its_meaning(capsys):
    with pytest.raises(SystemExit):
        main(builders.numbers, ["--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "--store URI where results are kept" in said
    assert "--count VALUE how many of them." in said


HEAVY = (
    "torch",
    "transformers",
    "sklearn",
    "pandas",
    "mlflow",
    "great_expectations",
    "onnxruntime",
    "matplotlib",
    "nltk",
)


@pytest.mark.parametrize(
    "component", ["preprocess", "preprocess.audit", "preprocess.validate", "train", "evaluate", "register"]
)
def test_a_component_answers_help_without_its_heavy_packages(component, repository):
    code = (
        "import sys, runpy\n"
        f"sys.argv = ['x', '--help']\n"
        "try:\n"
        f"    runpy.run_module('components.{component}', run_name='__main__')\n"
        "except SystemExit:\n"
        f"    print([name for name in {HEAVY} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
