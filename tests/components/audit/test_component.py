"""The whole component: what it leaves, what it says when it can't, and what it can't find because it can't happen."""

from __future__ import annotations

import json

import duckdb
import pyarrow as pa
import pytest

from components.preprocess.audit.record import Audit
from components.preprocess.audit.rows import Rows
from sluice.contract import ContractError, InputError, ResourceMissing
from sluice.recipe import AuditSettings, Columns
from sluice.recipe.measures import MEASURES
from tests.browser import asks_outside, open_page
from tests.components.audit.builders import Audited, row

TRAINING = [
    row(f"{colour} {kind} number {i}", kind, colour=colour, weight=float(i), town=town)
    for i, (kind, colour, town) in enumerate(
        [("bag", "red", "York"), ("box", "blue", "Leeds"), ("sack", "green", "York"), ("bag", "blue", "Ely")]
        * 6
    )
]
TRAINING += [row("<script>alert(1)</script> & more", "bag", colour="<b>bold</b>")] * 2
VALIDATION = [*TRAINING[:2], row("red bag number 0", "box", weight=0.0)]
TEST = [row("a new rope", "sack", colour=None, country="FR"), row("another rope", "bag", weight=None)]


@pytest.fixture
def everything(audited) -> Audited:
    """An audit that finds something of every kind."""
    made = audited(
        training=TRAINING, validation=VALIDATION, test=TEST, previous=TRAINING[:8], maximum_tokens=4
    )
    made.run()
    return made


def test_the_measures_are_a_table_of_one_row_that_says_what_the_report_says(audited):
    made = audited(training=TRAINING, validation=VALIDATION, test=TEST)
    metrics = made.run()
    found = json.loads((made.report / "audit.json").read_text(), parse_constant=pytest.fail)
    assert Audit.model_validate_json(json.dumps(found), strict=True).measures == found["measures"]
    assert made.measured == [found["measures"]]
    assert metrics.best_accuracy == found["measures"]["best_accuracy"]
    assert metrics.findings == len(found["findings"])
    assert metrics.serious == sum(finding["severity"] == "serious" for finding in found["findings"]) > 0
    assert metrics.look == sum(finding["severity"] == "look" for finding in found["findings"]) > 0


def test_the_same_tables_give_the_same_report_twice(everything):
    first = {name: (everything.report / name).read_bytes() for name in ("audit.json", "index.html")}
    everything.folder = everything.folder / "again"
    everything.previous = None
    everything.run()
    again = {name: (everything.report / name).read_bytes() for name in first}
    everything.folder = everything.folder / "once more"
    everything.run()
    assert again == {name: (everything.report / name).read_bytes() for name in first}
    assert first["audit.json"] != again["audit.json"]  # it was compared with an earlier run


def test_the_page_opens_from_disk_and_says_first_what_to_look_at(everything):
    file = everything.report / "index.html"
    assert asks_outside(file.read_text()) == []
    page = open_page(file)
    short = [
        json.loads((everything.folder / name / "manifest.json").read_text())["digest"][:12]
        for name in ("training", "validation", "test")
    ]
    of = "Of training {} rows {} , validation {} rows {} , test {} rows {} . Label: kind. Text: note."
    said = of.format(26, short[0], 3, short[1], 2, short[2])
    assert page.text.startswith(f"Audit of the data {said} What to look at Serious.")
    for said in (
        "Best accuracy possible",
        "Equal rows with unequal labels",
        "Drift from the earlier run",
        "Hierarchies",
    ):
        assert said in page.text
    assert "<script>alert(1)</script> & more" in page.text  # shown as text, and not run
    assert "<b>bold" not in page.html
    assert page.inks > 20


def test_a_tokenizer_that_is_not_there_is_told_as_training_would_tell_it(audited, tmp_path):
    (tmp_path / "empty").mkdir()
    gone = audited(training=TRAINING)
    gone.backbone = str(tmp_path / "gone")
    with pytest.raises(ResourceMissing, match="gone: there is no such folder") as refused:
        gone.run()
    assert "Name a folder that holds config.json, model.safetensors and a tokenizer" in str(refused.value)
    empty = audited(training=TRAINING)
    empty.backbone = str(tmp_path / "empty")
    with pytest.raises(ResourceMissing, match=r"the backbone's folder has no tokenizer\. Got: no files\."):
        empty.run()


def test_an_earlier_table_that_is_not_there_or_is_no_table_is_told(audited):
    made = audited(training=TRAINING, previous="/nowhere/manifest.json")
    with pytest.raises(InputError) as refused:
        made.run()
    assert str(refused.value) == (
        "previous (--previous): it names no table that can be opened: no artifact here: there is no manifest. "
        "Got: /nowhere/manifest.json. Allowed: the manifest of a training table. "
        "Name the manifest of the training table of an earlier run of this recipe: …/training/manifest.json."
    )
    report = str(made.folder / "account" / "manifest.json")
    no_table = audited(training=TRAINING, previous=report)
    with pytest.raises(
        InputError, match=r"--previous\): .* wrong kind of artifact\. Got: .*: report\. Allowed"
    ):
        no_table.run()
    with pytest.raises(
        InputError, match=r"--previous\): .* Got: .*is a directory\. Allowed: the manifest of"
    ):
        audited(training=TRAINING, previous=str(made.folder)).run()


FOREIGN = Columns(text=("note",), categorical=("shape",), numeric=("price",), label="kind")


def foreign(**more):
    """A row of another recipe, whose label is called as the parcels' is."""
    return {"note": "n", "shape": "round", "price": 1.0, "kind": "bag", **more}


def test_another_recipes_training_table_is_refused(audited):
    other = audited(training=[foreign()], columns=FOREIGN)
    other.run()
    with pytest.raises(InputError) as refused:
        audited(training=TRAINING, previous=other).run()
    place = other.folder / "training" / "manifest.json"
    assert str(refused.value) == (
        "previous (--previous): the table that it names has no feature column in common with this run's training table. "
        f"Got: {place} with the columns row_id, combined_text, shape, price, kind. "
        "Allowed: a training table with at least one of colour, country, town, weight. "
        "Name the manifest of the training table of an earlier run of this recipe: …/training/manifest.json."
    )


def test_a_recipe_of_a_text_alone_is_compared_by_its_label(audited):
    words, other = (Columns(text=("note",), label=label) for label in ("kind", "sort"))
    first = audited(training=[row("a", "bag")], columns=words)
    first.run()
    found = audited(training=[row("b", "box")], columns=words, previous=first).found
    assert [one.column for one in found.drift_from_previous] == ["kind"]
    with pytest.raises(InputError, match=r"at least one of sort\."):
        audited(training=[{"note": "n", "sort": "bag"}], columns=other, previous=first).run()


def test_what_the_earlier_table_has_not_or_otherwise_is_said_and_the_rest_compared(audited):
    was = Columns(text=("note",), categorical=("colour", "weight"), label="sort")
    first = audited(
        training=[{"note": "n", "colour": "red", "weight": "heavy", "sort": "bag"}] * 9, columns=was
    )
    first.run()
    now = Columns(text=("note",), categorical=("colour",), numeric=("weight",), label="kind")
    found = audited(training=TRAINING, columns=now, previous=first).found
    assert [one.column for one in found.drift_from_previous] == ["colour"]
    assert found.not_in_previous == {"weight": "string", "kind": None}
    said = [(one.severity, one.what) for one in found.findings if "previous table" in one.what]
    assert said == [
        (
            "look",
            "Column weight is of another type in the previous table, string: how far it has drifted since isn't measured.",
        ),
        ("look", "Column kind is not in the previous table: how far it has drifted since isn't measured."),
    ]


def test_an_account_that_is_malformed_is_refused(audited):
    made = audited(training=TRAINING, removed={"bag": "many"})
    with pytest.raises(ContractError, match=r"the row account is malformed\. Got: removed_classes\.bag: "):
        made.run()


def test_tables_without_a_row_are_measured_as_far_as_they_go(audited):
    found = audited(training=TRAINING[:1]).found
    assert found.rows == {"training": 1, "validation": 0, "test": 0}
    assert found.measures["best_accuracy"] == 1
    empty = audited().found
    assert empty.measures == {
        **dict.fromkeys(MEASURES),
        **dict.fromkeys(("rows", "constant_columns", "unique_columns", "hierarchy_violations"), 0.0),
    }


def test_features_are_learned_on_training_rows_alone(audited):
    """Whatever stands in validation and test: the features have the same digest, so nothing was learned from them."""

    def digest(validation, test):
        made = audited(training=TRAINING, validation=validation, test=test)
        made.run()
        return json.loads((made.folder / "features" / "manifest.json").read_text())["digest"]

    assert digest(VALIDATION, TEST) == digest(
        TEST, [row("nothing like it", "box", weight=1e6, colour="pink")]
    )


def test_another_learning_rate_or_head_audits_nothing_again(repository):
    text = (repository / "tests/recipe/parcels.yaml").read_text()
    one = AuditSettings.from_recipe(text, "parcels.yaml")
    assert one == AuditSettings.from_recipe(
        text.replace("learning_rate: 1e-5", "learning_rate: 2e-5"), "parcels.yaml"
    )
    assert set(type(one.model).model_fields) == {"backbone", "maximum_tokens"}


def test_a_column_may_be_called_anything(audited):
    name = "a \"quoted\" 'column'"
    columns = Columns(text=("note",), categorical=(name,), numeric=("select",), label="group")
    rows = [{"note": f"n{i % 2}", name: "x'y\"z", "select": 1.0, "group": "from"} for i in range(4)]
    found = audited(columns=columns, training=rows[:2], test=rows[2:]).found
    assert found.columns[1].top == {"x'y\"z": 2}


def test_a_large_table_is_sampled_by_a_hash_and_a_small_one_taken_whole(tmp_path):
    made = Rows(duckdb.connect(), None, ())
    made.connection.register("numbers", pa.table({"row_id": pa.array(range(10_000), pa.int64())}))
    chosen = made.query(f"SELECT count(*), sum(row_id) FROM numbers WHERE {made.sampled(10_000, 1_000)}")
    assert 850 < chosen[0][0] < 1150
    assert chosen == made.query(
        f"SELECT count(*), sum(row_id) FROM numbers WHERE {made.sampled(10_000, 1_000)}"
    )
    assert made.sampled(1_000, 1_000) == "true"
