"""What the audit and the data gate say of the real data sets, through the shipped recipes and through recipes with a mistake."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import yaml

from benchmarks.data_sets import SPLITS, Audited, take

from .reading import RECIPES

HOSPITAL = "nhs_gstt_spend_2020_21"
FOLDERS = {
    "medical-transcriptions": "mtsamples",
    "medical-transcriptions-15": "mtsamples",
    "clothing-reviews": "womens_clothing_reviews",
    "hospital-ledger": HOSPITAL,
}
KEYWORDS = "keywords"
NULL, FULL = 0.0, 1.0

pytestmark = pytest.mark.long

Taken = Callable[..., Audited]


@pytest.fixture(scope="module")
def taken(shared, tmp_path_factory) -> Taken:
    """Takes a data set as its recipe says, with some of the recipe changed."""
    store = tmp_path_factory.mktemp("store")

    def run(name: str, rows: int | None = None, **changes: object) -> Audited:
        said = yaml.safe_load((RECIPES / f"{name}.yaml").read_text())
        for place, value in changes.items():
            section, field = place.split("__")
            said[section][field] = value
        text = yaml.safe_dump(said, sort_keys=False)
        return take(text, shared / "data" / FOLDERS[name], store, rows)

    return run


# --- the recipes as they are


@pytest.mark.parametrize("name", FOLDERS)
def test_a_shipped_recipe_opens_the_data_gate_on_all_of_its_data(taken, name):
    assert taken(name).refusals == []


@pytest.mark.parametrize("name", FOLDERS)
def test_no_group_is_in_two_splits(taken, name):
    found = taken(name)
    column = yaml.safe_load((RECIPES / f"{name}.yaml").read_text())["columns"]["group"]
    groups = [set(found.table(split).read([column])[column].to_pylist()) - {None} for split in SPLITS]
    assert sum(map(len, groups)) == len(set().union(*groups))


@pytest.mark.parametrize(
    ("name", "ceiling", "conflicts"),
    [("medical-transcriptions", 0.475, 0.96), ("medical-transcriptions-15", 0.793, 0.39)],
)
def test_transcriptions_contradict_each_other_and_no_text_is_in_two_splits(taken, name, ceiling, conflicts):
    found = taken(name)
    assert found.measures["best_accuracy"] == pytest.approx(ceiling, abs=0.0005)
    assert found.measures["label_conflict_rows"] == pytest.approx(conflicts, abs=0.005)
    assert found.measures["duplicates_across_splits"] == NULL
    assert found.findings[0].startswith("serious: ")
    assert f"can be right on more than {ceiling:.1%}".replace("%", " %") in found.findings[0]


def test_the_40_specialties_are_all_there_and_in_every_training_table(taken):
    classes = taken("medical-transcriptions").report["classes"]
    assert len(classes["counts"]) == 40
    assert min(counts["training"] for counts in classes["counts"].values()) > 0
    assert classes["removed"] == {}


def test_reviews_contradict_nobody_and_repeat_nobody(taken):
    measures = taken("clothing-reviews").measures
    assert measures["best_accuracy"] == FULL
    assert measures["duplicates_across_splits"] == NULL
    assert measures["cut_off_rows"] < 0.001


def test_six_departments_hang_in_two_divisions_and_no_class_in_two_departments(taken):
    levels = {level["child"]: level for level in taken("clothing-reviews").report["hierarchies"]}
    assert {child: level["violations"] for child, level in levels.items()} == {
        "department_name": 6,
        "class_name": 0,
    }
    assert levels["department_name"]["examples"][0]["value"] == "Tops"
    assert set(levels["department_name"]["examples"][0]["parents"]) == {"General", "General Petite"}


def test_payments_repeat_across_splits_and_a_few_contradict_each_other(taken):
    measures = taken("hospital-ledger").measures
    assert measures["duplicates_across_splits"] == pytest.approx(0.43, abs=0.01)
    assert measures["best_accuracy"] == pytest.approx(0.997, abs=0.001)
    assert measures["cut_off_rows"] == NULL
    assert measures["hierarchy_violations"] == 143


def test_twenty_descriptions_are_removed_as_too_rare(taken):
    classes = taken("hospital-ledger").report["classes"]
    assert (len(classes["counts"]), len(classes["removed"]), sum(classes["removed"].values())) == (62, 20, 65)


@pytest.mark.parametrize(
    ("name", "measured"),
    [
        (
            "medical-transcriptions",
            {"strongest_feature": 0.10, "label_in_text": 0.084, "cut_off_rows": 0.886},
        ),
        (
            "medical-transcriptions-15",
            {"strongest_feature": 0.49, "label_in_text": 0.031, "cut_off_rows": 0.853},
        ),
        ("clothing-reviews", {"strongest_feature": 0.001, "label_in_text": 0.002, "label_conflict_rows": 0}),
        ("hospital-ledger", {"strongest_feature": 0.68, "near_duplicates_across_splits": 0.97}),
    ],
)
def test_the_measures_are_those_in_the_readme(taken, name, measured):
    found = taken(name).measures
    assert {measure: found[measure] for measure in measured} == pytest.approx(measured, abs=0.005)
    assert found["psi_between_splits"] < 0.035


# --- recipes with a mistake


@pytest.mark.parametrize("name", ["medical-transcriptions", "medical-transcriptions-15"])
def test_keywords_in_the_text_close_the_data_gate(taken, name):
    found = taken(name, columns__text=[KEYWORDS, "transcription"])
    assert found.measures["strongest_feature"] > 0.7
    assert found.measures["label_in_text"] > 0.75
    asked = {reason.split(": ")[1] for reason in found.refusals}
    assert asked == {"strongest_feature", "label_in_text"}


def test_keywords_alone_give_the_label_away(taken):
    """98.8 % right, as the linear model had it."""
    found = taken("medical-transcriptions", columns__text=[KEYWORDS], data__require=[KEYWORDS])
    assert found.report["leaks"]["columns"][0]["accuracy"] == pytest.approx(0.988, abs=0.005)
    assert found.measures["strongest_feature"] > 0.95
    assert found.measures["label_in_text"] == FULL
    assert found.findings[0].startswith("serious: combined_text alone tells the label")


def test_without_a_group_texts_are_in_two_splits_and_the_gate_is_shut(taken):
    found = taken("medical-transcriptions", columns__group=None)
    assert found.measures["duplicates_across_splits"] == pytest.approx(0.885, abs=0.005)
    assert [reason.split(": ")[1] for reason in found.refusals] == ["duplicates_across_splits"]


def test_the_customers_own_recommendation_closes_the_data_gate(taken):
    found = taken("clothing-reviews", columns__categorical=["recommended_ind"])
    assert found.report["leaks"]["columns"][0]["column"] == "recommended_ind"
    assert [reason.split(": ")[1] for reason in found.refusals] == ["strongest_feature"]


def test_a_ledgers_expense_code_closes_the_data_gate(taken):
    found = taken("hospital-ledger", rows=20_000, columns__categorical=["expense_code"])
    leak = found.report["leaks"]["columns"][0]
    assert (leak["column"], leak["strength"] > 0.99) == ("expense_code", True)
    assert [reason.split(": ")[1] for reason in found.refusals] == ["strongest_feature"]
