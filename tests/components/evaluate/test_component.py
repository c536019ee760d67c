"""The whole component: a tiny model on made-up tables, through the same runner and command line as every run."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.evaluate.component import evaluate
from sluice.contract import (
    Call,
    Component,
    ContractError,
    InputError,
    Output,
    Report,
    SchemaMismatch,
    Table,
    run,
)
from sluice.recipe import EvaluateSettings, Gates, LinearBaseline
from tests.components.evaluate.builders import (
    KINDS,
    PRODUCER,
    Inputs,
    a_table,
    fitted,
    inputs,
    raw_rows,
    read_evaluation,
)

WAIVED = LinearBaseline(waived_because="a sum of word vectors is linear itself")
LENIENT = Gates(at_least={"macro_f1": 0.9}, linear_baseline=WAIVED)


def evaluated(made: Inputs, folder, gates=LENIENT, thresholds=""):
    """The metrics and the report's folder."""
    report: Output[Report] = Output(Report, folder)
    settings = EvaluateSettings(gates=gates)
    return evaluate(
        made.model, made.training, made.test, made.audit, settings, report, thresholds
    ), report.folder


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return inputs(tmp_path_factory.mktemp("good"))


@pytest.fixture(scope="module")
def accepted(good, tmp_path_factory):
    return evaluated(good, tmp_path_factory.mktemp("accepted") / "report")


def test_a_good_model_is_accepted(accepted):
    metrics, _ = accepted
    assert (metrics.passed, metrics.reasons) == (True, ())
    assert (metrics.rows, metrics.accuracy, metrics.macro_f1, metrics.top_3_accuracy) == (30, 1, 1, 1)
    assert metrics.loss == pytest.approx(-np.log(np.exp(5) / (np.exp(5) + 2)), rel=1e-5)
    assert (metrics.majority_accuracy, metrics.majority_macro_f1) == (
        pytest.approx(1 / 3),
        pytest.approx(1 / 6),
    )
    assert (metrics.linear_accuracy, metrics.linear_macro_f1) == (1, 1)


def test_the_report_says_what_the_metrics_say(accepted):
    metrics, folder = accepted
    found = read_evaluation(folder)
    assert found["metrics"] == {name: getattr(metrics, name) for name in found["metrics"]}
    assert found["baselines"]["linear"]["macro_f1"] == metrics.linear_macro_f1
    assert found["baselines"]["majority"]["accuracy"] == metrics.majority_accuracy
    assert found["verdict"]["passed"] is True
    assert [rule["name"] for rule in found["verdict"]["rules"]] == ["macro_f1", "linear_baseline"]
    assert found["verdict"]["rules"][0]["threshold"] == 0.9
    assert found["confusion_matrix"]["counts"] == [[10, 0, 0], [0, 10, 0], [0, 0, 10]]
    assert [(c["label"], c["support"], c["f1"], c["linear_f1"]) for c in found["per_class"]] == [
        (kind, 10, 1, 1) for kind in KINDS
    ]


def test_the_report_names_what_was_measured_by_digest(good, accepted):
    digests = {entry["name"]: entry["digest"] for entry in read_evaluation(accepted[1])["inputs"]}
    assert digests == {name: getattr(good, name).digest for name in ("model", "training", "test", "audit")}


def test_the_score_stands_beside_the_best_that_any_model_can_reach(accepted):
    metrics, folder = accepted
    assert metrics.best_accuracy == 0.9
    assert read_evaluation(folder)["best_accuracy"] == {"tables": 0.9, "test": 1.0}
    said = "can reach on these tables is <b>0.9000</b> (on the test rows taken alone 1.0000): some rows with equal features"
    assert said in (folder / "report.html").read_text()


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (None, "the report holds no audit"),
        (
            '{"best_accuracy": {"tables": 1.5, "test": null}}',
            r"the audit is malformed\. Got: best_accuracy\.tables: ",
        ),
    ],
)
def test_a_report_that_is_no_audit_is_refused(good, tmp_path, said, message):
    report: Output[Report] = Output(Report, tmp_path / "other")
    (report.folder / ("audit.json" if said else "other.json")).write_text(said or "{}")
    report.finish(PRODUCER, [])
    other = Report.open((tmp_path / "other" / "manifest.json").as_uri())
    with pytest.raises(ContractError, match=message):
        evaluated(replace(good, audit=other), tmp_path / "report")


def test_every_rows_prediction_is_kept(accepted):
    rows = pq.read_table(accepted[1] / "predictions.parquet")
    assert rows["row_id"].to_pylist() == list(range(100, 130))
    assert rows["predicted"].to_pylist() == rows["label"].to_pylist() == list(KINDS * 10)
    assert rows["confidence"].to_numpy() == pytest.approx(np.exp(5) / (np.exp(5) + 2))


def test_the_same_evaluation_twice_gives_the_same_report(good, accepted, tmp_path):
    again = evaluated(good, tmp_path / "report")[1]
    assert {p.name for p in again.iterdir()} == {
        "confidence.png",
        "confusion.png",
        "evaluation.json",
        "f1.png",
        "predictions.parquet",
        "report.html",
    }
    assert all(p.read_bytes() == (accepted[1] / p.name).read_bytes() for p in again.iterdir())


def test_a_model_that_takes_boxes_for_crates_is_refused_with_every_reason(tmp_path):
    made = inputs(tmp_path, words={"box": (0, 4, 0), "crate": (0, 5, 0), "letter": (0, 0, 5)})
    gates = Gates(at_least={"macro_f1": 0.9, "accuracy": 0.6}, at_most={"loss": 0.5})
    metrics, folder = evaluated(made, tmp_path / "report", gates)
    assert not metrics.passed
    assert metrics.reasons == (
        "macro_f1 is 0.5556; the recipe asks for at least 0.9: 0.3444 too low.",
        "loss is 1.3542; the recipe asks for at most 0.5: 0.8542 too high.",
        "macro_f1 is 0.5556, the linear baseline's is 1.0000, and the recipe asks for more than that:"
        " the model is 0.4444 below it.",
    )
    found = read_evaluation(folder)
    assert found["verdict"]["reasons"] == list(metrics.reasons)
    assert [rule["passed"] for rule in found["verdict"]["rules"]] == [False, True, False, False]
    page = (folder / "report.html").read_text()
    assert "Metric gate: Refused" in page
    assert '<td class="word">box</td><td class="word">crate</td><td class="number">10</td>' in page


def test_the_pipeline_parameter_can_refuse_what_the_recipe_would_accept(good, tmp_path):
    metrics, _ = evaluated(good, tmp_path / "report", thresholds="loss=0.001")
    assert metrics.reasons == (
        "loss is 0.0134; the pipeline parameter asks for at most 0.001: 0.0124 too high.",
    )


def test_a_wrong_threshold_is_told_before_any_work(good, tmp_path):
    with pytest.raises(InputError, match=r"no such metric \(did you mean accuracy\?\)\. Got: 'acuracy'"):
        evaluated(good, tmp_path / "report", thresholds="acuracy=0.5")
    assert list((tmp_path / "report").iterdir()) == []


def test_a_model_that_gives_nan_for_one_row_is_refused_and_has_no_metrics(tmp_path):
    test = raw_rows(("box", "box"), ["one box", "one curse"])
    words = {"box": (5, 0, 0), "curse": (np.nan, 0, 0)}
    metrics, folder = evaluated(inputs(tmp_path, test=test, words=words), tmp_path / "report")
    assert metrics.reasons == ("The model gave no finite scores for 1 of 2 test rows: nothing else counts.",)
    assert (metrics.accuracy, metrics.loss, metrics.rows) == (None, None, 2)
    assert metrics.linear_accuracy is not None
    assert read_evaluation(folder)["metrics"]["accuracy"] is None
    assert pq.read_table(folder / "predictions.parquet")["predicted"].to_pylist() == ["box", None]


def test_a_test_table_without_rows_is_refused(tmp_path):
    metrics, folder = evaluated(inputs(tmp_path, test=raw_rows(())), tmp_path / "report")
    assert metrics.reasons == ("The test table has no rows: nothing was measured.",)
    assert (metrics.rows, metrics.macro_f1, metrics.majority_accuracy) == (0, None, None)
    assert pq.read_table(folder / "predictions.parquet").num_rows == 0


def test_training_rows_of_one_class_leave_no_linear_baseline_and_the_gate_refuses(tmp_path):
    box = ("box",) * 20
    made = inputs(tmp_path, training=raw_rows(box), test=raw_rows(box, seed=2), words={"box": (5,)})
    metrics, _ = evaluated(made, tmp_path / "report", Gates())
    assert metrics.reasons == (
        "macro_f1 is 1.0000, but the linear baseline's is missing: there is nothing to compare with.",
    )
    assert metrics.linear_macro_f1 is None


def test_a_label_is_shown_as_text_and_never_run(tmp_path):
    hostile = "<script>alert(1)</script>"
    rows = raw_rows([hostile, "box"] * 20, ["crate", "letter"] * 20)
    made = inputs(tmp_path, training=rows, test=rows, words={"crate": (0, 5), "letter": (0, 5)})
    _, folder = evaluated(made, tmp_path / "report")
    page = (folder / "report.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_a_table_of_another_schema_is_refused_with_both_schemas(good, tmp_path):
    output: Output[Table] = Output(Table, tmp_path / "other")
    columns = tuple(column for column in good.test.columns if column.name != "carrier_encoded")
    with output.writer(columns) as writer:
        writer.write(next(good.test.batches([column.name for column in columns])))
    output.finish(PRODUCER, [])
    other = Table.open((tmp_path / "other" / "manifest.json").as_uri())
    with pytest.raises(SchemaMismatch, match="carrier_encoded is missing") as refused:
        evaluated(replace(good, test=other), tmp_path / "report")
    assert "written" in str(refused.value)
    assert other.uri in str(refused.value)


def test_a_table_whose_classes_are_numbered_otherwise_is_refused(good, tmp_path):
    other = fitted(raw_rows(("crate", "letter", "sack") * 5))
    table = a_table(tmp_path / "other", other, raw_rows(("crate",) * 3))
    with pytest.raises(
        ContractError, match="the table's labels are not numbered as the model's are"
    ) as refused:
        evaluated(replace(good, test=table), tmp_path / "report")
    assert "Got: 0 for 'crate'. Allowed: the model's numbers, in which 0 is 'box'." in str(refused.value)


def test_a_class_that_the_model_does_not_know_is_refused(good, tmp_path):
    other = fitted(raw_rows((*KINDS, "sack")))
    table = a_table(tmp_path / "other", other, raw_rows((*KINDS, "sack")))
    with pytest.raises(ContractError, match=r"Got: 3 for 'sack'\. Allowed: .* 3 is none of its 3 classes"):
        evaluated(replace(good, test=table), tmp_path / "report")


RECIPE = """
version: 1
name: parcels
data: {files: [parcels.csv]}
columns: {text: [note], categorical: [carrier], hierarchical: {place: [region, depot]}, numeric: [weight], label: kind}
expectations: [{type: expect_table_row_count_to_be_between, kwargs: {min_value: 1}}]
model: {backbone: somewhere, weights_sha256: "%s"}
gates: {at_least: {accuracy: 0.9}, linear_baseline: {waived_because: made up}}
registry: {group: parcels}
""" % ("0" * 64)


def test_the_runner_reads_the_gates_from_the_recipe_and_the_result_is_an_artifact(good, tmp_path):
    arguments = {name: getattr(good, name).uri for name in ("model", "training", "test", "audit")}
    call = Call(Component.of(evaluate), tmp_path.as_uri(), arguments, RECIPE)
    result = run(call)
    assert result.metrics["passed"] is True
    report = Report.open(call.output_uri("report"))
    assert read_evaluation(report.folder)["verdict"]["rules"][0]["threshold"] == 0.9
    assert {parent.name for parent in report.manifest.parents} == set(arguments)


def test_the_command_line_says_what_it_takes_without_loading_anything_heavy(repository):
    code = """
import sys
sys.argv = ["evaluate", "--help"]
import runpy
try:
    runpy.run_module("components.evaluate", run_name="__main__")
except SystemExit as end:
    assert end.code == 0
heavy = {"torch", "transformers", "sklearn", "scipy", "matplotlib", "onnxruntime", "tokenizers", "nltk"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert "--thresholds VALUE" in done.stdout


def test_evaluating_needs_neither_torch_nor_transformers(good, tmp_path, repository):
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    code = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers", "onnx", "pandas"):
            raise ModuleNotFoundError(f"{name} is not in this image", name=name)

sys.meta_path.insert(0, Absent())
from components.evaluate.component import evaluate
from sluice.contract.cli import main
sys.exit(main(evaluate, sys.argv[1:]))
"""
    options = ["--store", str(tmp_path / "store"), "--recipe", str(tmp_path / "recipe.yaml")]
    for name in ("model", "training", "test", "audit"):
        options += [f"--{name}", getattr(good, name).uri]
    done = subprocess.run(
        [sys.executable, "-c", code, *options], cwd=repository, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"]["passed"] is True


def test_more_rows_than_a_batch_are_all_counted(tmp_path, monkeypatch):
    from components.evaluate import measure

    monkeypatch.setattr(measure, "BATCH", 7)
    monkeypatch.setattr(measure, "MISTAKES", 4)
    test = raw_rows(KINDS * 10, [f"{'box ' * (1 + i)}" for i in range(30)])
    metrics, folder = evaluated(inputs(tmp_path, test=test), tmp_path / "report")
    assert (metrics.rows, metrics.accuracy) == (30, pytest.approx(1 / 3))
    assert pa.compute.sum(pq.read_table(folder / "predictions.parquet")["row_id"]).as_py() == sum(
        range(100, 130)
    )


def test_the_most_confident_mistakes_are_the_ones_that_are_shown(good):
    from components.evaluate.measure import Measured, Rows, _take
    from components.evaluate.scores import Scores

    measured = Measured(("a", "b"), {"model": Scores(2)})
    count = 60
    confidence = np.linspace(0.5, 0.9, count)
    texts = pa.array(["long " * 200] * count)
    _take(measured, Rows(np.arange(count), np.zeros(count, int), np.ones(count, int), confidence, texts))
    shown = measured.most_confident_mistakes
    assert [mistake.row_id for mistake in shown] == list(range(59, 34, -1))
    assert len(shown[0].text) == 301
    assert measured.confidence.sum(axis=1).tolist() == [60, 0]
