"""A small pipeline from raw files to a registered model, typed at the command line in a clone whose path has a blank."""

from __future__ import annotations

import json
import re
import shlex

from orchestration.runs import RunRecord
from sluice.contract import MANIFEST, storage

from .builders import STEPS


def test_raw_files_become_a_registered_model_that_waits_for_a_person(finished):
    place, _ = finished
    assert place.states == dict.fromkeys(STEPS, "done")
    registered = place.record.steps["register"].metrics
    assert registered == {"group": "parcels", "version": 1, "status": "PendingManualApproval"}
    registration = json.loads((place.folder("register") / "registration" / "registration.json").read_text())
    assert registration["version"] == 1
    assert place.half_made() == []


def test_every_row_is_in_one_of_the_tables_and_one_that_can_not_be_read_is_set_aside(finished):
    place, _ = finished
    ids = [row for name in ("training", "validation", "test") for row in place.rows(name, "row_id")]
    assert sorted(ids) == list(range(90))
    assert place.rows("quarantine", "text") == ["p-90,short"]
    assert place.record.steps["preprocess"].metrics["rows_quarantined"] == 1
    assert place.record.steps["validate"].metrics["passed"] is True


def test_the_summary_says_where_the_artifacts_are_what_the_gates_said_and_what_to_do_next(finished):
    place, done = finished
    evaluated = place.record.steps["evaluate"].metrics
    for name in STEPS:
        assert re.search(rf"✔ {name} +done .* {re.escape(str(place.folder(name)))}\n", done.out)
    assert "parcels: done in " in done.out
    assert ", 0 of 6 steps reused" in done.out
    assert "◇ data-gate: open" in done.out
    assert "◇ metric-gate: open" in done.out
    assert f"model {evaluated['accuracy']:.4f} {evaluated['macro_f1']:.4f}" in "\n".join(done.lines)
    assert "TF-IDF + logistic regression 1.0000 1.0000" in "\n".join(done.lines)
    assert f"report {place.folder('evaluate')}/report/report.html" in done.lines
    assert (place.folder("evaluate") / "report" / "report.html").is_file()
    assert (place.folder("validate") / "report" / "index.html").is_file()
    assert "model parcels version 1, PendingManualApproval" in done.lines


def test_progress_is_shown_while_a_step_works(finished):
    _, done = finished
    for name in STEPS:
        assert done.out.index(f"▶ {name} ") < done.out.index(f"✔ {name} ")
    assert done.out.index("✔ preprocess ") < done.out.index("▶ train ")


def test_an_unchanged_second_run_reuses_all_five_steps_and_starts_none(again):
    done = again.run()
    assert done.status == 0
    assert again.states == dict.fromkeys(STEPS, "reused")
    assert ", 6 of 6 steps reused" in done.out
    for name in STEPS:
        assert f"↺ {name}" in done.out
    logs = [log.parent.parent.name for log in again.store.glob("runs/*/logs/*.log")]
    assert again.record.id not in logs
    assert len(logs) == 6


def test_why_says_what_was_reused_and_which_setting_made_a_step_run_again(again):
    first = again.record.id
    again.write_recipe(gates={"at_least": {"accuracy": 0.06}})
    assert again.run().status == 0
    assert again.states == {
        "preprocess": "reused",
        "audit": "reused",
        "validate": "reused",
        "train": "reused",
        "evaluate": "done",
        "register": "done",
    }
    lines = again.type("why", "--store", again.store).out.splitlines()
    assert "train: reused, nothing it depends on changed" in lines
    assert f"evaluate: done, because since run {first}" in lines
    assert any("gates" in line and "0.05" in line and "0.06" in line for line in lines)


def test_lineage_leads_from_the_registered_model_back_to_the_raw_files(finished):
    place, _ = finished
    done = place.type("lineage", place.folder("register") / "registration" / MANIFEST)
    assert done.status == 0
    names = [re.sub(r"^[│├└─ ]+", "", line).split()[0] for line in done.out.splitlines()]
    assert {"model", "training", "features", "data_report", "evaluation", "raw"} <= set(names)
    assert storage.to_uri(place.data) in done.out


def test_a_release_engineer_lists_shows_approves_and_rejects(again, finished):
    def models(*words):
        return again.type("models", *words, "--store", again.store)

    assert re.search(r"parcels +1 +PendingManualApproval", models("list").out)
    shown = models("show", "parcels", "1").out
    assert "parcels version 1 PendingManualApproval" in " ".join(shown.split())
    assert storage.to_uri(finished[0].data) in shown  # where it was made; the store was copied since
    (command,) = re.findall(
        r"^approve +\.venv/bin/python -m orchestration (.*)$", again.run().out, re.MULTILINE
    )
    approved = again.type(*shlex.split(command))
    assert approved.out.startswith("parcels version 1 is now Approved, by ")
    refused = models("reject", "parcels", "1", "--reason", "too weak on bags")
    assert refused.out.startswith("parcels version 1 is now Rejected, by ")
    assert "too weak on bags" in models("show", "parcels", "1").out
    assert re.search(r"parcels +1 +Rejected", models("list").out)


def test_a_store_on_s3_takes_the_same_pipeline_and_keeps_its_registry_on_this_machine(finished, s3_store):
    place, _ = finished
    upload(
        place.store / "steps" / "train", f"{s3_store}/steps/train"
    )  # so that nothing is trained a second time

    def run():
        return place.type("run", place.recipe_path, "--data", place.data, "--store", s3_store)

    first = run()
    assert first.status == 0, first.out + first.err
    assert ", 1 of 6 steps reused" in first.out
    assert f"{s3_store}/steps/evaluate/" in first.out
    second = run()
    assert ", 6 of 6 steps reused" in second.out
    files = [file.path for file in storage.list_files(s3_store)]
    assert len([path for path in files if re.fullmatch(r"steps/[^/]+/[^/]+/result.json", path)]) == 6
    assert not [path for path in files if path.startswith("registry") or ".staging" in path]
    runs = [
        RunRecord.model_validate_json(storage.read_bytes(f"{s3_store}/{path}"))
        for path in files
        if path.endswith("run.json")
    ]
    assert {run.outcome for run in runs} == {"done"}
    here = place.clone / "artifacts"
    assert (here / "registry" / "mlflow.db").is_file()
    assert sorted({log.stem for log in here.glob("runs/*/logs/*.log")}) == sorted(set(STEPS) - {"train"})
    assert "PendingManualApproval" in place.type("models", "list", "--store", s3_store).out


def upload(folder, uri: str) -> None:
    """Copy a folder to S3 as it is."""
    for file in folder.rglob("*"):
        if file.is_file():
            storage.write_bytes(f"{uri}/{file.relative_to(folder).as_posix()}", file.read_bytes())
