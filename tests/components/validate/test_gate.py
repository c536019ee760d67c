"""The data gate over small tables: what it refuses, what it lets pass, and what it leaves behind."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from components.preprocess.validate.engine import columns_read
from sluice.contract import ContractError, Table
from sluice.recipe import Expectation

ROOT = Path(__file__).parents[3]


def expect(kind, tables=("train", "validation", "test"), severity="failure", **kwargs):
    """An expectation by its name after `expect_`."""
    return Expectation(type=f"expect_{kind}", kwargs=kwargs, tables=tables, severity=severity)


def test_sound_tables_open_the_gate(gate):
    gate.expectations = (
        expect("table_row_count_to_be_between", min_value=4),
        expect("column_values_to_be_between", column="weight", min_value=0, tables=("train",)),
    )
    told = gate.run()
    assert told.passed
    assert told.reasons == ()
    assert (told.expectations_asked, told.expectations_evaluated) == (4, 4)
    assert (told.failures, told.warnings) == (0, 0)


def test_values_out_of_range_close_the_gate_with_examples(gate):
    gate.expectations = (expect("column_values_to_be_between", column="weight", min_value=0, max_value=10),)
    gate.rows["training"][1]["weight"] = -5.0
    gate.rows["test"][2]["weight"] = float("inf")
    told = gate.run()
    assert not told.passed
    assert told.reasons == (
        "training: weight: 1 of 8 values outside 0..10 (e.g. -5)",
        "test: weight: 1 of 4 values outside 0..10 (e.g. inf)",
    )
    assert told.failures == 2


def test_warnings_are_reported_and_let_the_data_pass(gate, capfd):
    gate.rows["training"][0]["weight"] = None
    gate.rows["validation"][0]["weight"] = float("nan")
    gate.expectations = (
        expect("column_values_to_not_be_null", column="weight", severity="warning"),
        expect("column_to_exist", column="fruit"),
    )
    told = gate.run()
    assert told.passed
    assert (told.failures, told.warnings) == (0, 2)
    warnings = ["training: weight: 1 of 8 values null", "validation: weight: 1 of 4 values null"]
    assert gate.document["warnings"] == warnings
    assert "<h2>Warnings</h2>" in gate.page
    said = capfd.readouterr().err
    assert all(f"warning: {warning}" in said for warning in warnings)


def test_a_missing_column_closes_the_gate_even_for_a_warning(gate):
    asked = expect("column_values_to_not_be_null", column="plum", severity="warning", tables=("train",))
    gate.expectations = (*gate.expectations, asked)
    told = gate.run()
    assert told.reasons == (
        "training: plum: expect_column_values_to_not_be_null() could not be evaluated: "
        'Error: The column "plum" in BatchData does not exist.',
    )
    assert (told.expectations_asked, told.expectations_evaluated) == (4, 3)
    assert "Traceback" not in json.dumps(gate.document)


def test_what_pandas_can_not_evaluate_closes_the_gate(gate):
    asked = expect(
        "column_values_to_match_like_pattern", column="fruit", like_pattern="a%", tables=("train",)
    )
    gate.expectations = (*gate.expectations, asked)
    (reason,) = gate.run().reasons
    assert reason.startswith(
        "training: fruit: expect_column_values_to_match_like_pattern(like_pattern=a%) could not"
    )


def test_an_answer_in_numpy_booleans_is_an_answer(gate):
    ranges = {"quantiles": [0.5], "value_ranges": [[1, 2]]}
    gate.expectations = (
        expect("column_quantile_values_to_be_between", column="weight", quantile_ranges=ranges),
    )
    assert gate.run().passed


def test_an_empty_table_closes_the_gate_although_expectations_hold_for_it(gate):
    gate.rows["validation"] = []
    gate.expectations = (expect("column_values_to_not_be_null", column="fruit"),)
    assert gate.run().reasons == ("validation: the table has no rows",)


def test_a_row_in_two_splits_closes_the_gate(gate):
    gate.rows["test"][0]["row_id"] = 3
    gate.rows["validation"][1]["row_id"] = gate.rows["validation"][0]["row_id"]
    assert gate.run().reasons == (
        "all tables: row_id: 2 rows more than once (e.g. 3 in training and test, 8 twice in validation)",
    )


def test_a_group_in_two_splits_closes_the_gate(gate):
    gate.rows["training"][1]["household"] = gate.rows["training"][0]["household"]
    gate.rows["test"][3]["household"] = "house 2"
    assert gate.run().reasons == (
        "all tables: household: 1 group in two splits (e.g. house 2 in training and test)",
    )


def test_rows_without_a_group_may_be_anywhere(gate):
    for rows in gate.rows.values():
        rows[0]["household"] = None
    assert gate.run().passed


def test_without_a_group_column_groups_are_not_looked_at(gate):
    gate.rows["test"][3]["household"] = "house 2"
    gate.group = None
    assert gate.run().passed


def test_a_label_unknown_in_training_closes_the_gate(gate):
    gate.rows["test"][0]["fruit_encoded"] = 7
    gate.rows["training"][0]["fruit_encoded"] = -1
    assert gate.run().reasons == (
        "training: fruit_encoded: 1 value that is no index of the 2 training labels (e.g. -1)",
        "test: fruit_encoded: 1 value that is no index of the 2 training labels (e.g. 7)",
    )


def test_a_row_unaccounted_for_closes_the_gate(gate):
    gate.account = {"rows_read": 20, "dropped": {"rare_class": 3}}
    assert gate.run().reasons == (
        "account: 20 rows were read, 19 are accounted for: "
        "training 8 + validation 4 + test 4 + rare_class 3 + quarantined 0",
    )


def test_dropped_and_quarantined_rows_balance_the_account(gate):
    gate.quarantined = [bad_line(17)]
    gate.account = {"rows_read": 20, "dropped": {"rare_class": 2, "null_label": 1}}
    gate.limit = 0.05
    assert gate.run().passed


def test_a_table_with_other_rows_than_the_account_says_closes_the_gate(gate):
    gate.account = {"test_rows": 5}
    assert gate.run().reasons == ("test: the table has 4 rows, the account says 5",)


def test_too_many_quarantined_rows_close_the_gate_and_say_where_they_are(gate):
    gate.quarantined = [bad_line(line) for line in (17, 18, 40, 41)]
    gate.limit = 0.1
    (reason,) = gate.run().reasons
    assert reason == (
        "quarantine: 4 of 20 rows could not be read, 20.000%; at most 10.000% may be (data.quarantine_limit). "
        "First: fruit.csv line 17: ragged row: 7 fields, 6 expected; fruit.csv line 18: ragged row: 7 fields, "
        "6 expected; fruit.csv line 40: ragged row: 7 fields, 6 expected. "
        f"All of them: {(gate.folder / 'quarantine').as_uri()}"
    )


def test_many_wrong_bytes_are_laid_to_the_encoding(gate):
    gate.quarantined = [bad_line(17)]
    gate.account = {"quarantine_reasons": {"wrong byte": 1}}
    (reason,) = gate.run().reasons
    assert reason.endswith(
        "; rows with wrong bytes: 1 of 17; if the files are Windows-1252 or Latin-1, "
        "write data.csv.encoding: cp1252 (or latin-1) into the recipe"
    )


def test_what_the_audit_measured_closes_the_gate(gate):
    asked = expect("column_values_to_be_between", column="best_accuracy", min_value=0.9, tables=("audit",))
    gate.expectations = (*gate.expectations, asked)
    gate.measures = {"best_accuracy": 0.475}
    told = gate.run()
    assert told.reasons == ("audit: best_accuracy: 0.475, below 0.9",)
    assert (told.expectations_asked, told.expectations_evaluated) == (4, 4)


def test_a_measure_that_was_not_taken_is_within_any_range_of_values_and_is_no_maximum(gate):
    kwargs = {"column": "psi_to_previous", "max_value": 0.2, "tables": ("audit",)}
    values, maximum = (
        expect(kind, **kwargs) for kind in ("column_values_to_be_between", "column_max_to_be_between")
    )
    gate.expectations = (*gate.expectations, values, maximum)
    gate.measures = {"psi_to_previous": None}
    assert gate.run().reasons == ("audit: psi_to_previous: max null",)


def test_an_audit_of_no_row_is_an_error(gate):
    gate.measures = None
    with pytest.raises(ContractError, match=r"the audit's measures are not one row\. Got: 0 rows"):
        gate.run()


def test_a_table_above_the_memory_limit_has_the_same_verdict(gate, monkeypatch):
    gate.expectations = (
        expect("column_values_to_be_between", column="weight", min_value=2, mostly=0.9),
        expect("column_values_to_be_unique", column="household"),
        expect("column_median_to_be_between", column="weight", min_value=1),
    )
    gate.rows["test"][1]["household"] = "house 12"
    whole = gate.run()
    told_whole = gate.document["tables"]
    monkeypatch.setenv("SLUICE_GATE_MEMORY_MB", "0")
    gate.folder = gate.folder / "again"
    assert gate.run() == whole
    assert whole.failures == 4
    ways = {
        name: (told_whole[name].pop("way"), one.pop("way")) for name, one in gate.document["tables"].items()
    }
    assert ways == dict.fromkeys(("training", "validation", "test"), ("all rows at once", "chunk by chunk"))


def bad_line(line):
    reason = "ragged row: 7 fields, 6 expected"
    return {
        "file": "fruit.csv",
        "line": line,
        "row": line - 2,
        "reason": reason,
        "column": None,
        "text": "a,b",
    }


@pytest.mark.parametrize("change", [{"dropped": {"rare_class": -1}}, {"rows_read": None}])
def test_an_account_that_can_not_be_read_is_an_error(gate, change):
    gate.account = change
    with pytest.raises(ContractError, match="the row account is malformed"):
        gate.run()


def test_only_the_columns_that_expectations_mention_are_read(gate):
    table = Table.open(gate.write_inputs()["training"])
    asked = {0: expect("column_values_to_be_unique", column="fruit", row_condition="weight > 0")}
    assert columns_read(table, asked) == ["weight", "fruit"]
    assert columns_read(table, {0: expect("table_row_count_to_equal", value=8)}) == ["row_id"]
    every = [column.name for column in table.columns]
    assert columns_read(table, {0: expect("table_columns_to_match_set", column_set=["fruit"])}) == every


def test_the_json_holds_verdict_results_and_own_checks_in_strict_json(gate):
    gate.rows["test"][0]["weight"] = float("inf")
    gate.expectations = (expect("column_max_to_be_between", column="weight", max_value=10),)
    told = gate.run()
    document = gate.document
    assert document["verdict"] == told.model_dump(mode="json")
    assert document["tables"]["test"]["results"][0]["result"] == {"observed_value": "inf"}
    assert document["tables"]["training"]["statistics"]["evaluated_expectations"] == 1
    checks = {(check["table"], check["check"]): check["passed"] for check in document["checks"]}
    assert checks["all tables", "each row_id is in one split, once"] is True


def test_the_page_opens_without_a_network_and_shows_every_split(gate):
    gate.rows["training"][0]["fruit"] = "<script>plum</script>"
    gate.expectations = (expect("column_values_to_be_in_set", column="fruit", value_set=["apple", "pear"]),)
    told = gate.run()
    page = gate.page
    assert re.findall(r"""(?:src|href)=["']?([^"' >]*)""", page) == ["data_docs/index.html"]
    assert not re.search(r"url\(|@import|https?://", page)
    assert "<script" not in page
    assert 'Data gate: <span class="closed">closed</span>' in page
    assert "training: fruit: 1 of 8 values not among" in page
    assert told.reasons[0].count("plum") == 1
    for cell in ("fails</span> 1 of 8 unexpected", "holds</span> 0 of 4 unexpected"):
        assert cell in page


def test_the_data_docs_are_great_expectations_own_pages(gate):
    gate.run()
    docs = gate.report / "data_docs"
    assert (docs / "index.html").is_file()
    pages = [path.stem for path in docs.glob("validations/**/*.html")]
    assert sorted(pages) == ["test", "training", "validation"]


RECIPE = """
version: 1
name: fruit
data: {files: [fruit.csv]}
columns: {text: [note], numeric: [weight], label: fruit}
expectations:
  - type: expect_column_values_to_be_between
    kwargs: {column: weight, min_value: 2}
model: {backbone: b, weights_sha256: "%s"}
registry: {group: fruit}
""" % ("0" * 64)


def test_the_command_line_gives_the_verdict_and_writes_nowhere_else(gate):
    uris = gate.write_inputs()
    (gate.folder / "recipe.yaml").write_text(RECIPE)
    home, here = gate.folder / "home", gate.folder / "here"
    home.mkdir()
    here.mkdir()
    done = command(gate, uris, cwd=here, home=home)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["metrics"]["passed"] is False
    assert result["metrics"]["reasons"][0] == "training: weight: 8 of 8 values below 2 (e.g. 1.5)"
    assert result["outputs"]["report"].endswith("/report/manifest.json")
    assert [*home.iterdir(), *here.iterdir(), *(gate.folder / "tmp").iterdir()] == []


def command(gate, uris, cwd, home):
    """`python -m components.preprocess.validate` in a process of its own."""
    (gate.folder / "tmp").mkdir()
    arguments = [part for name, uri in uris.items() for part in (f"--{name}", uri)]
    arguments += ["--recipe", str(gate.folder / "recipe.yaml"), "--store", str(gate.folder / "store")]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "HOME": str(home),
        "TMPDIR": str(gate.folder / "tmp"),
        "SLUICE_IMAGE_CONTENT": "none",
    }
    return subprocess.run(
        [sys.executable, "-m", "components.preprocess.validate", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
        check=False,
    )
