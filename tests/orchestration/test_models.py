"""What a release engineer types and reads: models list, show, approve and reject."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from orchestration.cli import main
from sluice.registry import RegistryHome, current_user
from tests.registry.builders import Chain, registry_in


@pytest.fixture
def store(tmp_path):
    """A store with a registry of two models that wait."""
    registry = registry_in(tmp_path / "my store" / "registry")
    for name in ("one", "two"):
        chain = Chain(tmp_path / "my store" / name, weights=name, metrics={"macro_f1": 0.5, "accuracy": 0.75})
        registry.register(chain.candidate(), who="nightly job")
    return tmp_path / "my store"


@pytest.fixture
def models(store, capsys):
    """Types a `models` command; gives its exit status, its output and its errors."""

    def type_command(*words: str):
        status = main(["models", *words, "--store", str(store)])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return type_command


def squeezed(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_list_shows_the_newest_first(models, store):
    status, out, _ = models("list")
    created = [f"{v.created:%Y-%m-%d %H:%M}" for v in RegistryHome.of_store(str(store)).open().list()]
    assert status == 0
    assert squeezed(out) == [
        "group version status registered macro F1 accuracy recipe",
        f"invoices 2 PendingManualApproval {created[0]} 0.5000 0.7500 invoices-demo",
        f"invoices 1 PendingManualApproval {created[1]} 0.5000 0.7500 invoices-demo",
    ]


def test_list_of_one_group_or_of_none(models):
    assert models("list", "--group", "invoices")[1] == models("list")[1]
    status, out, error = models("list", "--group", "invoice")
    assert (status, out) == (1, "")
    assert "no such model group. Got: invoice (did you mean invoices?). Allowed: invoices." in error


def test_list_of_a_store_without_a_registry_says_so(tmp_path, capsys):
    assert main(["models", "list", "--store", str(tmp_path / "new")]) == 0
    assert capsys.readouterr().out == f"No model is registered in {tmp_path.as_uri()}/new/registry yet.\n"


def test_show_tells_all_that_a_decision_needs(models, store):
    status, out, _ = models("show", "invoices", "1")
    lines = squeezed(out)
    one = (store / "one").as_uri()
    assert status == 0
    assert lines[0] == "invoices version 1 PendingManualApproval"
    assert "baselines.linear.macro_f1 0.7000" in lines
    assert "rows 500" in lines
    assert f"evaluation {one}/evaluation/report.html" in lines
    assert f"data {one}/data%20report/index.html" in lines
    raw = f"raw aaaaaaaaaaaa raw source: not an artifact, not checked again {one}/raw"
    chain = lines[lines.index("lineage") + 1 : lines.index("history")]
    assert [line.split(" by ")[0].split()[-2] for line in chain if "manifest.json" in line] == [
        "evaluation",
        "model",
        "training",
        "features",
        "test",
    ]
    assert f"│ │ └── {raw}" in lines
    assert lines[-2].endswith(
        "nightly job PendingManualApproval registered by recipe invoices-demo: every gate passed"
    )


def test_approve_and_reject_are_kept_with_who_and_why(models):
    assert models("approve", "invoices", "1")[:2] == (
        0,
        f"invoices version 1 is now Approved, by {current_user()}\n",
    )
    reason = "the [bold]memo[/bold] column drifts :warning:"
    status, out, _ = models("reject", "invoices", "1", "--reason", reason, "--by", "Grace Hopper")
    assert (status, out) == (0, "invoices version 1 is now Rejected, by Grace Hopper\n")
    history = squeezed(models("show", "invoices", "1")[1])[-4:-1]
    assert history[1].endswith(f"UTC {current_user()} Approved")
    assert history[2].endswith(f"UTC Grace Hopper Rejected {reason}")
    assert "Rejected" in models("list")[1].splitlines()[2]


def test_reject_needs_a_reason(models, capsys):
    with pytest.raises(SystemExit, match="2"):
        models("reject", "invoices", "1")
    assert "the following arguments are required: --reason" in capsys.readouterr().err
    status, _, error = models("reject", "invoices", "1", "--reason", " ")
    assert (status, error) == (
        1,
        "error: invoices version 1: Rejected needs a reason when it was PendingManualApproval. Say why with --reason.\n",
    )


def test_an_unknown_version_is_answered_with_those_that_exist(models):
    for verb in ("show", "approve"):
        status, out, error = models(verb, "invoices", "7")
        assert (status, out) == (1, "")
        assert "group invoices: no such version. Got: 7. Allowed: 1, 2." in error


def test_a_model_that_is_gone_can_be_shown_and_rejected_but_not_approved(models, store):
    shutil.rmtree(store / "one")
    status, _, error = models("approve", "invoices", "1")
    assert status == 1
    assert "what was registered is no longer there as it was, so it can't be approved" in error
    shown = models("show", "invoices", "1")[1]
    assert "missing: nothing stands there any more" in shown
    assert "no artifact here: there is no manifest" in shown
    assert models("reject", "invoices", "1", "--reason", "lost")[0] == 0


@pytest.fixture
def on_sagemaker(empty_aws, s3_store, capsys):
    """Types a `models` command about SageMaker's registry, which has one model that waits."""
    home = "sagemaker://eu-west-1"
    RegistryHome(home).open().register(Chain(f"{s3_store}/steps").candidate(), who="nightly job")

    def type_command(*words: str):
        status = main(["models", *words, "--registry", home])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return type_command


def test_sagemakers_registry_is_listed_shown_and_decided_on_alike(on_sagemaker, s3_store):
    status, out, _ = on_sagemaker("list")
    assert (status, squeezed(out)[1].split()[:3]) == (0, ["invoices", "1", "PendingManualApproval"])
    assert squeezed(out)[1].endswith("0.7800 0.9100 invoices-demo")
    lines = squeezed(on_sagemaker("show", "invoices", "1")[1])
    assert lines[2] == "model package arn:aws:sagemaker:eu-west-1:123456789012:model-package/invoices/1"
    assert f"evaluation {s3_store}/steps/evaluation/report.html" in lines
    assert lines[lines.index("lineage") + 1].endswith(f"{s3_store}/steps/evaluation/manifest.json")
    assert on_sagemaker("approve", "invoices", "1", "--by", "Ada")[:2] == (
        0,
        "invoices version 1 is now Approved, by Ada\n",
    )
    assert on_sagemaker("reject", "invoices", "1", "--reason", "it drifts", "--by", "Grace Hopper")[0] == 0
    history = squeezed(on_sagemaker("show", "invoices", "1")[1])[-4:-1]
    assert history[0].endswith(
        "nightly job PendingManualApproval registered by recipe invoices-demo: every gate passed"
    )
    assert history[1].endswith("UTC Ada Approved")
    assert history[2].endswith("UTC Grace Hopper Rejected it drifts")


def test_sagemakers_registry_without_models_or_without_an_answer(empty_aws, s3_store, capsys, monkeypatch):
    home = ["--registry", "sagemaker://eu-west-1"]
    assert main(["models", "list", *home]) == 0
    assert capsys.readouterr().out == "No model is registered in sagemaker://eu-west-1 yet.\n"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    assert main(["models", "approve", "invoices", "1", *home]) == 1
    assert "error: sagemaker://eu-west-1, group invoices: AWS can't be reached." in capsys.readouterr().err


def test_a_folder_too_can_be_named_as_the_registry_but_not_beside_a_store(models, store, capsys):
    assert main(["models", "list", "--registry", f"{store}/registry"]) == 0
    assert capsys.readouterr().out == models("list")[1]
    with pytest.raises(SystemExit, match="2"):
        models("list", "--registry", f"{store}/registry")
    assert "argument --store: not allowed with argument --registry" in capsys.readouterr().err


def test_list_and_show_are_fast_because_they_need_no_mlflow(store, repository):
    code = """
import sys
from orchestration.cli import main
store = sys.argv[1]
assert main(["models", "list", "--store", store]) == main(["models", "show", "invoices", "1", "--store", store]) == 0
assert not {"mlflow", "sqlalchemy", "pandas"} & set(sys.modules)
"""
    began = os.times()
    subprocess.run(
        [sys.executable, "-c", code, str(store)], cwd=repository, check=True, stdout=subprocess.DEVNULL
    )
    ended = os.times()
    assert ended.children_user - began.children_user < 1.5
