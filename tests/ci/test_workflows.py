"""The workflows: linted, pinned, without keys, with the least permissions; they call ci/ scripts, which call make."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github/workflows").glob("*.yml"))
TOOLS = Path(sys.executable).parent

READ, TOKEN, COMMENT = {"contents": "read"}, {"id-token": "write"}, {"pull-requests": "write"}
PERMISSIONS = {
    "pull-request.yml": {"check": READ, "test": READ, "plan": READ | TOKEN, "comment": COMMENT},
    "merge.yml": {"deploy": READ | TOKEN},
}


def loaded(file: Path) -> dict:
    return yaml.safe_load(file.read_text(encoding="utf-8"))


JOBS = [(file.name, name, job) for file in FILES for name, job in loaded(file)["jobs"].items()]
STEPS = [(file, name, step) for file, name, job in JOBS for step in job["steps"]]
RUNS = [step["run"] for _, _, step in STEPS if "run" in step]
SCRIPTS = sorted({ROOT / run.split()[0] for run in RUNS if run.startswith("ci/")})


def lint(tool: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NO_COLOR": "1"}
    return subprocess.run(
        [TOOLS / tool, *words], env=environment, capture_output=True, text=True, check=False
    )


# --- linted


def test_there_are_workflows_to_look_at():
    assert [file.name for file in FILES] == sorted(PERMISSIONS)
    assert len(RUNS) >= 5


def test_they_are_workflows_as_github_reads_them():
    done = lint("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *FILES)
    assert done.returncode == 0, done.stdout


def test_the_security_lint_finds_nothing_even_at_its_strictest():
    done = lint("zizmor", "--offline", "--persona", "auditor", *FILES)
    assert (done.returncode, "No findings" in done.stdout + done.stderr) == (0, True), done.stdout


def test_the_security_lint_would_find_an_action_that_is_only_named_by_a_tag(tmp_path):
    text = FILES[0].read_text(encoding="utf-8")
    broken = tmp_path / FILES[0].name
    broken.write_text(re.sub(r"checkout@\w+ # v", "checkout@v", text), encoding="utf-8")
    done = lint("zizmor", "--offline", broken)
    assert done.returncode != 0
    assert "unpinned" in done.stdout


# --- what they may do


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_action_is_pinned_by_its_hash_and_says_its_version(file):
    used = re.findall(r"uses: (.*)", file.read_text(encoding="utf-8"))
    assert used
    assert [line for line in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


def test_an_action_has_one_version_everywhere():
    used = {line for file in FILES for line in re.findall(r"uses: (.*)", file.read_text(encoding="utf-8"))}
    names = [line.partition("@")[0] for line in used]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_each_job_may_do_no_more_than_it_has_to(file):
    assert loaded(file)["permissions"] == {}
    jobs = loaded(file)["jobs"]
    assert {name: job["permissions"] for name, job in jobs.items()} == PERMISSIONS[file.name]


@pytest.mark.parametrize("path", [*FILES, *SCRIPTS], ids=lambda path: path.name)
def test_nothing_knows_a_key_or_a_secret(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"secrets\.|access.key|AKIA|ASIA|password|session.token", text, re.IGNORECASE)
    assert not re.search(r"arn:aws|\b\d{12}\b", text), "roles and accounts are variables of the repository"


def test_a_stranger_never_runs_with_our_rights():
    """`pull_request_target` and `workflow_run` would give a fork's pull request this repository's token."""
    triggers = [set(loaded(file)[True]) for file in FILES]  # YAML 1.1 reads the key `on` as true
    assert set.union(*triggers) == {"pull_request", "push"}


def test_whoever_asks_aws_on_a_pull_request_is_no_fork():
    guards = [
        step.get("if")
        for file, _, step in STEPS
        if file == "pull-request.yml" and "aws" in str(step.get("uses"))
    ]
    assert guards
    assert set(guards) == {"env.HAS_ROLE == 'true'"}
    has_role = next(job for _, name, job in JOBS if name == "plan")["env"]["HAS_ROLE"]
    assert "head.repo.full_name == github.repository" in has_role


def test_the_job_that_may_write_runs_nothing_of_the_pull_request():
    (steps,) = [job["steps"] for _, name, job in JOBS if name == "comment"]
    assert [step["uses"].partition("@")[0] for step in steps] == [
        "actions/download-artifact",
        "actions/github-script",
    ]


def test_the_comment_is_written_once_and_then_brought_up_to_date():
    (script,) = [step["with"]["script"] for _, _, step in STEPS if "script" in step.get("with", {})]
    assert script.index("updateComment") < script.index("createComment")
    assert "${{" not in script


def test_no_checkout_leaves_its_token_behind():
    checkouts = [step for _, _, step in STEPS if "actions/checkout@" in step.get("uses", "")]
    assert len(checkouts) >= 4
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_every_job_ends_by_itself():
    assert [(file, name) for file, name, job in JOBS if not 0 < job.get("timeout-minutes", 0) <= 60] == []


def test_a_newer_push_ends_a_pull_request_s_run_and_waits_for_a_deployment():
    concurrency = {file.name: loaded(file)["concurrency"] for file in FILES}
    assert concurrency["pull-request.yml"]["cancel-in-progress"] is True
    assert "pull_request.number" in concurrency["pull-request.yml"]["group"]
    assert concurrency["merge.yml"] == {"group": "deploy", "cancel-in-progress": False}


# --- what they call


def test_jobs_call_scripts_of_ci_only():
    others = [run for run in RUNS if not re.fullmatch(r'ci/[a-z]+\.sh( "[^"]*")?', run)]
    assert all(run.startswith('echo "::notice::') and "\n" not in run for run in others)


def test_each_thing_that_is_asked_of_ci_is_called():
    def called(file: str) -> list[str]:
        return [
            step["run"].split()[0] for name, _, step in STEPS if name == file and "ci/" in step.get("run", "")
        ]

    assert called("pull-request.yml") == ["ci/check.sh", "ci/test.sh", "ci/build.sh", "ci/plan.sh"]
    assert called("merge.yml") == ["ci/merge.sh"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_calls_make_and_nothing_else(script):
    lines = script.read_text(encoding="utf-8").splitlines()
    work = [line for line in lines if line and not line.startswith("#") and line != "set -eu"]
    assert work
    assert [line for line in work if not re.fullmatch(r"make [^;&|`]+", line.replace(">&2", ""))] == []
    assert os.access(script, os.X_OK)


def test_every_verb_that_a_script_calls_exists():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    verbs = {
        word
        for script in SCRIPTS
        for line in re.findall(r"^make (.*)", script.read_text(encoding="utf-8"), re.MULTILINE)
        for word in re.findall(r"(?<!\S)[a-z]+(?!\S)", line)
    }
    assert {"check", "test", "build", "push", "plan", "upsert"} <= verbs
    assert verbs <= set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))


# --- what is written about them


def test_every_variable_that_has_to_be_set_is_explained():
    page = (ROOT / "docs/ci.md").read_text(encoding="utf-8")
    used = {name for file in FILES for name in re.findall(r"\bvars\.(\w+)", file.read_text(encoding="utf-8"))}
    assert len(used) >= 5
    assert used == set(re.findall(r"^\s*\| `([A-Z_]+)` \|", page, re.MULTILINE))


def test_every_script_and_every_required_job_is_named():
    page = (ROOT / "docs/ci.md").read_text(encoding="utf-8")
    assert [script.name for script in SCRIPTS if f"`ci/{script.name}`" not in page] == []
    (required,) = re.findall(r"require ((?:`[a-z ]+`(?:, | and )?)+)", page)
    names = {job["name"] for file, _, job in JOBS if file == "pull-request.yml"}
    assert set(re.findall(r"`([a-z ]+)`", required)) == names - {"comment"}
