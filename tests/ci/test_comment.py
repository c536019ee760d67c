"""The comment on a pull request: made once, then brought up to date. Its script runs for real where Node.js is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/pull-request.yml").read_text(encoding="utf-8"))
BOT, PERSON = {"type": "Bot"}, {"type": "User"}
MARK = "<!-- what a merge would change -->"


@pytest.fixture
def comment(tmp_path):
    """What the script does on a pull request that has these comments."""
    node = shutil.which("node")
    if not node:
        pytest.skip("no Node.js here, which runs the comment's script on GitHub")

    def run(plan: str, *comments: dict) -> list[dict]:
        (tmp_path / "plan.md").write_text(plan, encoding="utf-8")
        script = tmp_path / "script.js"
        script.write_text(WORKFLOW["jobs"]["comment"]["steps"][-1]["with"]["script"], encoding="utf-8")
        done = subprocess.run(
            [node, Path(__file__).with_name("comment.mjs"), script],
            input=json.dumps(comments),
            env={**os.environ, "RUNNER_TEMP": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(done.stdout)

    return run


def test_the_first_run_makes_a_comment(comment):
    ((made,),) = [done.values() for done in comment("train: image changes\n")]
    assert made["issue_number"] == 7
    assert made["body"].startswith(MARK)
    assert "train: image changes" in made["body"]
    assert made["body"].endswith("for cafe")


def test_a_later_run_changes_that_one_comment(comment):
    others = [
        {"id": 1, "user": PERSON, "body": "Nice."},
        {"id": 2, "user": BOT, "body": "coverage"},
        {"id": 3, "user": BOT, "body": f"{MARK}\nas it was"},
    ]
    (done,) = comment("as it is", *others)
    assert done["updated"]["comment_id"] == 3
    assert "as it is" in done["updated"]["body"]


def test_a_person_s_comment_that_looks_like_ours_is_left_alone(comment):
    (done,) = comment("plan", {"id": 1, "user": PERSON, "body": f"{MARK}\nmine"})
    assert list(done) == ["created"]


def test_a_very_long_plan_is_cut_and_says_so(comment):
    (done,) = comment("x" * 70_000)
    assert len(done["created"]["body"]) < 65_536
    assert "… cut; the artifact of this run holds all of it" in done["created"]["body"]
