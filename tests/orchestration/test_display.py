"""What a person sees while a run works and when it has ended, in a terminal and in a log."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from io import StringIO

import pytest
from rich.console import Console

from orchestration import display
from orchestration.display import Display, summary
from orchestration.pipeline import build
from orchestration.runs import RunRecord, State, StepRecord
from sluice.contract import Parent
from sluice.registry import Decision, ModelVersion, Status

STORE = "file:///somewhere/artifacts"
SCORES = {
    "passed": True,
    "reasons": [],
    "accuracy": 0.75,
    "macro_f1": 0.5,
    "linear_accuracy": 0.7,
    "linear_macro_f1": 0.4,
    "majority_accuracy": 0.25,
    "majority_macro_f1": None,
    "best_accuracy": 0.9,
}

ACCOUNT = {
    "rows_read": 1120,
    "training_rows": 800,
    "validation_rows": 100,
    "test_rows": 100,
    "dropped": {"unmatched_key": 0, "rare_class": 70},
    "rows_quarantined": 50,
}


def record(**steps: StepRecord) -> RunRecord:
    """A run of the real graph's steps; those not named wait."""
    started = RunRecord.start("parcels", {}, list(build().steps))
    started.steps.update(steps)
    return started


def done(name: str, **metrics) -> StepRecord:
    folder = f"{STORE}/steps/{name}/0123"
    return StepRecord(state=State.DONE, folder=folder, metrics=metrics, seconds=1.0)


def finished(**steps: StepRecord) -> RunRecord:
    """A run that went through, but for what is said."""
    every = {
        "preprocess": done("preprocess", **ACCOUNT),
        "audit": done("preprocess.audit", findings=4, serious=1, look=2),
        "validate": done("preprocess.validate", passed=True),
        "train": StepRecord(state=State.REUSED, folder=f"{STORE}/steps/train/0123", seconds=75.0),
        "evaluate": done("evaluate", **SCORES),
        "register": done("register", group="parcels", version=2, status="PendingManualApproval"),
    }
    return record(**(every | steps)).model_copy(update={"outcome": "done"})


def registered(status: Status = Status.PENDING) -> ModelVersion:
    """What the registry says of the model."""
    then = datetime(2026, 1, 1, tzinfo=UTC)
    nowhere = Parent(name="model", uri="file:///nowhere/manifest.json", digest="0")
    return ModelVersion(
        group="parcels",
        version=2,
        recipe="parcels",
        model=nowhere,
        evaluation=nowhere,
        data_report=nowhere,
        created=then,
        metrics={},
        history=(Decision(before=None, after=status, who="somebody", when=then, why=""),),
    )


def printed(renderable, width: int = 200) -> str:
    """What a log gets."""
    console = Console(file=StringIO(), width=width, highlight=False)
    console.print(renderable, soft_wrap=True)
    return console.file.getvalue()


def told(run: RunRecord, store: str = STORE, model: ModelVersion | None = None) -> list[str]:
    text = printed(summary(run, build(), store, 62.5, model))
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


@pytest.fixture
def log():
    """A display that writes to a log, and what it wrote so far."""
    console = Console(file=StringIO(), width=120, highlight=False)
    return Display(console), lambda: console.file.getvalue().splitlines()


# --- while it works


def test_a_log_gets_a_line_when_a_step_changes_and_no_more(log):
    shown, lines = log
    with shown.showing():
        for _ in range(3):
            shown.update(record(preprocess=StepRecord(state=State.RUNNING)))
        shown.update(record(preprocess=StepRecord(state=State.DONE, seconds=2.0)))
    assert lines() == ["▶ preprocess   starting", "✔ preprocess   done in 2.0 s"]


def test_a_log_gets_progress_now_and_then(log, monkeypatch):
    shown, lines = log
    shown.update(record(train=StepRecord(state=State.RUNNING)))
    shown.update(record(train=StepRecord(state=State.RUNNING, message="50% epoch 1/2")))
    assert lines() == ["▶ train        starting"]
    monkeypatch.setattr(display, "LINE_EVERY", 0.0)
    shown.update(record(train=StepRecord(state=State.RUNNING, message="75% epoch 2/2")))
    assert lines()[1:] == ["▶ train        75% epoch 2/2"]


@pytest.mark.parametrize(
    ("step", "line"),
    [
        (StepRecord(state=State.REUSED, seconds=75.0), "↺ train        reused (it took 1 min 15 s)"),
        (StepRecord(state=State.FAILED, message="the disk is full"), "✘ train        the disk is full"),
        (StepRecord(state=State.SKIPPED), "– train        skipped"),
        (StepRecord(state=State.INTERRUPTED), "■ train        interrupted"),
    ],
)
def test_each_end_of_a_step_has_its_words(log, step, line):
    shown, lines = log
    shown.update(record(train=step))
    assert lines() == [line]


def test_a_long_message_stays_one_line_of_a_log(log):
    shown, lines = log
    shown.update(record(train=StepRecord(state=State.FAILED, message="word " * 60)))
    assert len(lines()) == 1


def test_a_terminal_shows_every_step_in_one_table_that_is_redrawn():
    console = Console(file=StringIO(), width=80, force_terminal=True, highlight=False, color_system=None)
    shown = Display(console)
    with shown.showing():
        shown.update(record(preprocess=StepRecord(state=State.RUNNING, message="10% reading")))
    text = console.file.getvalue()
    for name in build().steps:
        assert name in text
    assert "10% reading" in text
    assert "\x1b[" in text


def test_a_terminal_cuts_what_is_too_long_for_it_and_takes_it_for_text():
    console = Console(file=StringIO(), width=60, force_terminal=True, highlight=False, color_system=None)
    shown = Display(console)
    with shown.showing():
        shown.update(record(train=StepRecord(state=State.RUNNING, message="[bold]word[/bold] " * 30)))
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.file.getvalue()).splitlines()
    (told_of,) = {line.rstrip() for line in lines if "word" in line}
    assert told_of.startswith("▶  train")
    assert "[bold]word[/bold]" in told_of
    assert len(told_of) <= 60


# --- when it has ended


def test_the_summary_begins_with_how_the_run_ended():
    assert told(finished())[0] == "parcels: done in 1 min 02 s, 1 of 6 steps reused"


def test_the_summary_says_where_each_step_s_artifacts_are():
    lines = told(finished())
    assert any(
        line.startswith("✔ evaluate") and line.endswith("/somewhere/artifacts/steps/evaluate/0123")
        for line in lines
    )


def test_the_summary_says_where_every_row_went():
    went = "800 training + 100 validation + 100 test + 70 dropped as rare_class + 50 quarantined"
    assert f"rows 1,120 read = {went}" in told(finished())


def test_the_summary_puts_the_model_beside_its_baselines():
    lines = told(finished())
    at = lines.index("on the test rows accuracy macro F1")
    assert lines[at + 1 : at + 5] == [
        "model 0.7500 0.5000",
        "TF-IDF + logistic regression 0.7000 0.4000",
        "majority class 0.2500 –",
        "the best that these rows allow 0.9000 –",
    ]


def test_the_summary_ends_with_the_command_that_approves():
    assert told(finished(), model=registered())[-2:] == [
        "model parcels version 2, PendingManualApproval",
        "approve .venv/bin/python -m orchestration models approve parcels 2 --store /somewhere/artifacts",
    ]


def test_the_command_can_be_pasted_whatever_the_store_is_called():
    lines = told(finished(), "file:///my%20own/artifacts", registered())
    assert lines[-1].endswith("--store '/my own/artifacts'")


@pytest.mark.parametrize("status", [Status.APPROVED, Status.REJECTED])
def test_a_model_that_was_decided_on_already_needs_no_command(status):
    lines = told(finished(), model=registered(status))
    assert lines[-1] == f"model parcels version 2, {status}"


def test_the_reports_can_be_opened_from_where_the_summary_says():
    lines = told(finished())
    assert "report /somewhere/artifacts/steps/preprocess.validate/0123/report/index.html" in lines
    assert "report /somewhere/artifacts/steps/evaluate/0123/report/report.html" in lines


def test_open_gates_say_so():
    lines = told(finished())
    assert "◇ data-gate: open" in lines
    assert "◇ metric-gate: open" in lines


@pytest.mark.parametrize(
    ("warnings", "line"),
    [
        (0, "◇ data-gate: open"),
        (1, "◇ data-gate: open, 1 warning"),
        (2, "◇ data-gate: open, 2 warnings"),
    ],
)
def test_an_open_gate_says_how_many_warnings_it_let_pass(warnings, line):
    assert line in told(finished(validate=done("preprocess.validate", passed=True, warnings=warnings)))


def test_the_audits_findings_are_counted_below_the_gates():
    lines = told(finished())
    assert lines[lines.index("◇ metric-gate: open") + 1] == "audit 1 serious, 2 to look at"


def test_an_audit_that_was_not_reached_says_nothing():
    lines = told(finished(audit=StepRecord(state=State.FAILED)))
    assert not any(line.startswith("audit ") for line in lines)


def test_a_refused_data_gate_gives_its_reasons_and_no_command():
    refused = done("preprocess.validate", passed=False, reasons=["31 values below 0", "4 duplicates"])
    skipped = {name: StepRecord(state=State.SKIPPED) for name in ("train", "evaluate", "register")}
    lines = told(finished(validate=refused, **skipped).model_copy(update={"outcome": "refused by data-gate"}))
    assert lines[0].startswith("parcels: refused by data-gate in")
    at = lines.index("◇ data-gate: refused. The data was refused. Nothing was trained.")
    assert lines[at + 1 : at + 4] == ["31 values below 0", "4 duplicates", "◇ metric-gate: not reached"]
    assert not any(line.startswith(("approve", "on the test rows")) for line in lines)


def test_a_refused_metric_gate_still_shows_the_numbers():
    refused = done("evaluate", **(SCORES | {"passed": False, "reasons": ["macro_f1 is 0.5, at least 0.6"]}))
    lines = told(finished(evaluate=refused, register=StepRecord(state=State.SKIPPED)))
    assert "◇ metric-gate: refused. The model was refused. Nothing was registered." in lines
    assert "macro_f1 is 0.5, at least 0.6" in lines
    assert "model 0.7500 0.5000" in lines


@pytest.mark.parametrize("verdict", [{}, {"passed": None}, {"passed": "true"}, {"passed": 1}])
def test_a_verdict_that_is_not_true_is_a_refusal(verdict):
    lines = told(finished(validate=done("preprocess.validate", **verdict)))
    assert "◇ data-gate: refused. The data was refused. Nothing was trained." in lines
    assert "the verdict is missing" in lines


def test_a_message_with_brackets_is_text_and_no_markup():
    refused = done("preprocess.validate", passed=False, reasons=["[red]note[/red] has :warning: in it"])
    assert "[red]note[/red] has :warning: in it" in told(finished(validate=refused))


def test_a_path_stays_whole_however_narrow_the_output_is():
    text = printed(summary(finished(), build(), "file:///" + "deep/" * 30 + "artifacts", 1.0, None), width=40)
    assert "/" + "deep/" * 30 + "artifacts\n" in text


def test_a_store_on_s3_is_shown_as_its_uri():
    assert any(line.endswith("s3://bucket/prefix") for line in told(finished(), "s3://bucket/prefix"))
