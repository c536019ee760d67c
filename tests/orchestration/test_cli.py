"""The command line: exit statuses, what goes to standard error, and that `--help` answers at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from types import ModuleType

import pytest
import yaml

import orchestration.start
from orchestration.cli import main
from orchestration.runs import RunRecord
from sluice.contract import StepFailed
from tests.components.preprocess.builders import csv_text, parcels, recipe


@pytest.fixture
def recipe_file(tmp_path):
    path = tmp_path / "parcels.yaml"
    path.write_text(recipe())
    return str(path)


@pytest.fixture
def ends(monkeypatch):
    """Let the run behind `run` end in a certain way, and look at what it was asked."""
    asked = []

    def end(outcome):
        def start(request, console):
            asked.append(request)
            if isinstance(outcome, BaseException):
                raise outcome
            return RunRecord.start("parcels", {}, []).model_copy(update={"outcome": outcome})

        monkeypatch.setattr(orchestration.start, "start", start)
        return asked

    return end


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        ("done", 0),
        ("refused by data-gate", 3),
        ("refused by metric-gate", 3),
        (StepFailed("it ended", where="step train"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_the_exit_status_says_how_a_run_ended(ends, recipe_file, outcome, status):
    ends(outcome)
    assert main(["run", recipe_file]) == status


def test_a_run_is_asked_for_what_the_command_line_says(ends, recipe_file):
    asked = ends("done")
    main(["run", recipe_file, "--data", "raw", "--rows", "7", "--store", "kept", "--thresholds", "loss=1"])
    (request,) = asked
    assert (str(request.recipe), request.data, request.rows) == (recipe_file, "raw", 7)
    assert (request.store, request.thresholds) == ("kept", "loss=1")
    assert (request.runner, request.environment) == ("local", None)
    assert str(request.images) == "orchestration/environments/images.yaml"


def test_a_run_may_be_asked_of_another_runner_with_files_of_its_own(ends, recipe_file):
    asked = ends("done")
    main(["run", recipe_file, "--runner", "docker", "--images", "mine.yaml"])
    (request,) = asked
    assert (request.runner, str(request.images), request.environment) == ("docker", "mine.yaml", None)


@pytest.mark.parametrize("name", ["local", "docker"])
def test_a_runner_that_stays_here_takes_no_environment_file(ends, recipe_file, capsys, name):
    asked = ends("done")
    assert main(["run", recipe_file, "--runner", name, "--environment", "ours.yaml"]) == 1
    said = capsys.readouterr().err
    assert (
        "--environment ours.yaml: an environment file says where on AWS, and this runner stays here." in said
    )
    assert asked == []


@pytest.mark.parametrize("name", ["sagemaker-local", "sagemaker"])
def test_a_runner_on_sagemaker_says_itself_how_the_run_ended(recipe_file, monkeypatch, name):
    asked = []

    def run(request, console):
        asked.append((request.runner, str(request.environment)))
        return 3

    module = ModuleType("stand-in")
    module.run = run
    monkeypatch.setitem(sys.modules, f"orchestration.runners.{name.replace('-', '_')}", module)
    assert main(["run", recipe_file, "--runner", name, "--environment", "ours.yaml"]) == 3
    assert asked == [(name, "ours.yaml")]


def test_an_error_is_one_line_on_standard_error_and_no_traceback(capsys, tmp_path):
    assert main(["check", str(tmp_path / "nothing.yaml")]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"error: {tmp_path}/nothing.yaml: there is no recipe.")
    assert len(captured.err.splitlines()) == 1


def test_an_interruption_says_that_finished_steps_are_kept(ends, recipe_file, capsys):
    ends(KeyboardInterrupt())
    main(["run", recipe_file])
    assert (
        capsys.readouterr().err
        == "interrupted: finished steps are kept, and the next run goes on from there\n"
    )


def test_check_prints_what_it_looked_at(recipe_file, capsys):
    assert main(["check", recipe_file]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{recipe_file}: the recipe is in order",
        "no data looked at: name its folder with --data",
    ]


def test_why_of_an_empty_store_says_how_to_begin(tmp_path, capsys):
    assert main(["why", "--store", str(tmp_path)]) == 1
    assert "no run yet. Start one: python -m orchestration run RECIPE." in capsys.readouterr().err


def test_lineage_of_nothing_is_an_error_of_the_family(tmp_path, capsys):
    assert main(["lineage", str(tmp_path / "manifest.json")]) == 1
    assert "no artifact here: there is no manifest" in capsys.readouterr().err


def test_docs_check_passes_and_changes_nothing(capsys):
    assert main(["docs", "--check"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("rows", ["0", "-5", "many", "1.5"])
def test_rows_is_a_positive_whole_number(recipe_file, rows, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["run", recipe_file, f"--rows={rows}"])
    error = capsys.readouterr().err
    assert f"{rows} is not a positive whole number" in error
    assert "Traceback" not in error


def test_without_a_verb_the_verbs_are_shown(capsys):
    with pytest.raises(SystemExit, match="2"):
        main([])
    assert "VERB" in capsys.readouterr().err


def orchestration_process(*words: str, **options) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "orchestration", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Whatever started the tests may ignore Ctrl-C, as a job in a shell's background does; children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **options,
    )


def test_help_answers_well_under_a_second(repository):
    began = os.times()
    for words in (["--help"], ["run", "--help"]):
        assert (
            "usage: python -m orchestration" in orchestration_process(*words, cwd=repository).communicate()[0]
        )
    ended = os.times()
    assert (ended.children_user - began.children_user) / 2 < 0.8


def test_ctrl_c_in_a_real_run_is_told_and_exits_with_130(repository, tmp_path, recipe_file):
    (tmp_path / "parcels.csv").write_text(csv_text(parcels()))
    process = orchestration_process(
        "run", recipe_file, "--data", str(tmp_path), "--store", str(tmp_path / "store"), cwd=repository
    )
    deadline = time.monotonic() + 30
    while not list(tmp_path.glob("store/runs/*/run.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=30)
    assert (process.returncode, error) == (
        130,
        "interrupted: finished steps are kept, and the next run goes on from there\n",
    )
    assert "parcels: interrupted in" in out


def test_without_an_engine_the_docker_runner_says_what_to_start(repository, tmp_path, recipe_file):
    names = ("preprocess", "train", "evaluate", "register")
    tag = "0123456789abcdef"
    entry = {"uri": f"sluice:{tag}", "tag": tag, "python": "3.11", "contract": "1.0"}
    (tmp_path / "images.yaml").write_text(yaml.safe_dump(dict.fromkeys(names, entry)))
    words = [
        "--store",
        str(tmp_path / "store"),
        "--images",
        str(tmp_path / "images.yaml"),
        "--runner",
        "docker",
    ]
    nowhere = {**os.environ, "DOCKER_HOST": "unix:///nowhere.sock"}
    process = orchestration_process("run", recipe_file, *words, cwd=repository, env=nowhere)
    out, error = process.communicate(timeout=30)
    assert (process.returncode, out) == (1, "")
    assert error == (
        "error: unix:///nowhere.sock: no Docker engine answers. Got: No such file or directory. Start one "
        "(systemctl start docker, or Docker Desktop), name another with DOCKER_HOST, or run without containers: "
        "--runner local.\n"
    )
    assert not (tmp_path / "store").exists()


def test_a_reader_that_leaves_early_is_no_error(repository, recipe_file):
    """`… | head` closes the pipe; Python itself would complain of that when it flushes at its end."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    process = orchestration_process("check", recipe_file, cwd=repository, env=environment)
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == ""
    assert process.wait(20) == 0


def test_a_python_without_the_packages_is_told_which_to_take(repository):
    bare = subprocess.run(
        [sys.executable, "-I", "-S", "-c", BARE.format(root=str(repository))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (bare.returncode, bare.stdout) == (1, "")
    assert "Set up with `make setup`, then use .venv/bin/python" in bare.stderr
    assert "Traceback" not in bare.stderr


BARE = (
    "import runpy, sys; sys.path.insert(0, {root!r}); runpy.run_module('orchestration', run_name='__main__')"
)
