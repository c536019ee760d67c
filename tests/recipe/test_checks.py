"""What only shows when fields are seen together is told as well, and in the same breath."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.contract.errors import RecipeError
from sluice.recipe import parse_recipe, standardise, table_columns

RECIPE = Path(__file__).with_name("parcels.yaml").read_text(encoding="utf-8")


def mistakes_in(text: str) -> list[str]:
    with pytest.raises(RecipeError) as refused:
        parse_recipe(text, "parcels.yaml")
    return refused.value.mistakes


def changed(old: str, new: str) -> str:
    assert RECIPE.count(old) == 1, f"{old!r} has to be in the recipe once"
    return RECIPE.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        (
            "[note, street]",
            "[note, kind]",
            "line 18: columns.text[1]: 'kind' is in columns.label too; allowed: one of them; the label must not be "
            "given away",
        ),
        (
            "group: sender",
            "group: kind",
            "line 24: columns.group: 'kind' is in columns.label too; allowed: one of them; the label must not be "
            "given away",
        ),
        (
            "[weight]",
            "[weight, parcel]",
            "line 22: columns.numeric[1]: 'parcel' is in columns.id too; allowed: one of them; an id is carried "
            "along, never a feature",
        ),
        (
            "[weight]",
            "[weight, note]",
            "line 22: columns.numeric[1]: 'note' is in columns.text[0] too; allowed: one of them; a column is either "
            "numbers or words",
        ),
        (
            "[sent_month]",
            "[sent_month, street]",
            "line 21: columns.hierarchical.place[1]: 'street' is in columns.categorical[1] too; allowed: one of "
            "them; a column has one embedding",
        ),
        (
            "[country, street]",
            "[street, street]",
            "line 21: columns.hierarchical.place[1]: 'street' is in columns.hierarchical.place[0] too; allowed: one "
            "of them; a column has one embedding",
        ),
        ("[note, street]", "[note, note]", "line 18: columns.text[1]: 'note' is listed twice; allowed: once"),
        ("[parcels.csv]", "[a.csv, a.csv]", "line 4: data.files[1]: 'a.csv' is listed twice; allowed: once"),
        (
            "[train]",
            "[test, test]",
            "line 44: expectations[0].tables[1]: 'test' is listed twice; allowed: once",
        ),
        (
            "[weight]",
            "[weight, street_encoded]",
            "line 22: columns.numeric[1]: 'street_encoded' is a column that preprocessing adds; allowed: another name",
        ),
        (
            "[note, street]",
            "[combined_text]",
            "line 18: columns.text[0]: 'combined_text' is a column that preprocessing adds; allowed: another name",
        ),
        (
            "[note, street]",
            "[note, kind_id]",
            "line 18: columns.text[1]: the label 'kind' is made from 'kind_id'; allowed: no such feature",
        ),
        (
            "P<sent_month>",
            "P<sent>",
            "line 7: data.derive[0].pattern: makes 'sent', which data.derive[0].from has already; allowed: a new name",
        ),
        (
            "columns: [kind]",
            "columns: [kind, sent_year]",
            "line 12: data.merge.columns[1]: makes 'sent_year', which data.derive[0].pattern has already; allowed: a "
            "new name",
        ),
        (
            "key: kind_id",
            "key: Kind ID",
            "line 10: data.merge.key: got 'Kind ID'; allowed: names as standardised: trimmed, lower case, "
            "underscores; did you mean 'kind_id'?",
        ),
        (
            "P<sent_year>",
            "P<SentYear>",
            "line 7: data.derive[0].pattern: got 'SentYear'; allowed: names as standardised: trimmed, lower case, "
            "underscores; did you mean 'sentyear'?",
        ),
        (
            "street: 12",
            "streat: 12",
            "line 53: model.embedding_sizes.streat: not a categorical or hierarchical column; allowed: country, "
            "sent_month, street; did you mean 'street'?",
        ),
        (
            "{column: kind}",
            "{column: wieght_scaled}",
            "line 43: expectations[0].kwargs.column: got 'wieght_scaled', not a column of the preprocessed table; "
            "allowed: parcel, kind, sender, sent_month, weight, country, street, row_id, combined_text, "
            "kind_encoded, sent_month_encoded, weight_scaled, weight_missing, country_encoded, street_encoded; did you mean 'weight_scaled'?",
        ),
        (
            "{column: kind}",
            "{column: note}",
            "line 43: expectations[0].kwargs.column: got 'note', a text column, and those are in the preprocessed "
            "table only joined, as combined_text; allowed: parcel, kind, sender, sent_month, weight, country, street, "
            "row_id, combined_text, kind_encoded, sent_month_encoded, weight_scaled, weight_missing, "
            "country_encoded, street_encoded; did you mean 'combined_text'?",
        ),
        (
            "[train]",
            "[train, audit]",
            "line 44: expectations[0].tables: audit is a table of its own, with other columns than the splits; "
            "allowed: [audit], or splits only",
        ),
        (
            "{column: kind}\n    tables: [train]",
            "{column: label_conflict_row}\n    tables: [audit]",
            "line 43: expectations[0].kwargs.column: got 'label_conflict_row', not a measure of the audit; allowed: "
            "rows, duplicate_rows, duplicates_across_splits, near_duplicate_rows, near_duplicates_across_splits, "
            "label_conflict_rows, best_accuracy, strongest_feature, label_in_text, constant_columns, unique_columns, "
            "hierarchy_violations, psi_between_splits, ks_between_splits, psi_to_previous, ks_to_previous and 2 more; "
            "did you mean 'label_conflict_rows'?",
        ),
        ("test: 0.1", "test: 0.11", "line 32: split: train, validation and test add up to 1.01; allowed: 1"),
    ],
)
def test_what_does_not_fit_together_is_told(old, new, mistake):
    assert mistakes_in(changed(old, new)) == [mistake]


@pytest.mark.parametrize(
    "name", ["/data/a.csv", "../a.csv", "x/../../a.csv", "~/a.csv", "C:\\a.csv", "s3://bucket/a.csv"]
)
def test_a_file_outside_the_data_folder_is_refused(name):
    allowed = "; allowed: a name or glob inside the data folder, with forward slashes"
    assert mistakes_in(changed("[parcels.csv]", f"['{name}']")) == [
        f"line 4: data.files[0]: got {name!r}{allowed}"
    ]
    assert mistakes_in(changed("kinds.csv", f"'{name}'")) == [
        f"line 9: data.merge.file: got {name!r}{allowed}"
    ]


def test_two_dots_within_a_name_are_no_way_out():
    assert parse_recipe(changed("[parcels.csv]", "[a..b/*.csv.gz]"), "x").data.files == ("a..b/*.csv.gz",)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[sent_month]", "[sent_month, note]"),  # text and categorical
        ("group: sender", "group: street"),  # a feature may hold rows together
        ("group: sender", "group: parcel"),  # and so may the id
        ("train: 0.7", "train: 0.7000000001"),
    ],
)
def test_what_does_fit_together_passes(old, new):
    assert parse_recipe(changed(old, new), "parcels.yaml")


def test_the_same_expectation_twice_is_told_only_where_its_tables_meet():
    again = "\n  - type: expect_column_values_to_not_be_null\n    kwargs: {column: kind}\n    tables: [%s]"
    end = "severity: warning"
    assert mistakes_in(changed(end, end + again % "test, train")) == [
        "line 46: expectations[1]: the same as expectations[0]; allowed: each once"
    ]
    assert parse_recipe(changed(end, end + again % "test"), "parcels.yaml")


def test_columns_in_lists_of_an_expectation_are_checked_one_by_one():
    mistakes = mistakes_in(changed("{column: kind}", "{column_set: [kind, wieght], exact_match: false}"))
    assert mistakes[0].startswith("line 43: expectations[0].kwargs.column_set[1]: got 'wieght', not a column")
    assert mistakes[0].endswith("did you mean 'weight'?")


def test_gates_that_ask_for_nothing_are_refused():
    text = changed("  at_least:\n    accuracy: 0.5\n  at_most:\n    loss: 3.0\n", "")
    assert mistakes_in(text) == [
        "line 68: gates: nothing is asked of the model: no threshold, and the linear baseline is waived; allowed: "
        "at_least, at_most, or a linear baseline that is not waived"
    ]


def test_a_mistake_of_form_in_one_section_hides_none_of_sense_in_another():
    text = (
        changed("test: 0.1", "test: 0.2")
        .replace("epochs: 2", "epochs: many")
        .replace("street: 12", "strt: 12")
    )
    text = text.replace("numeric: [weight]", "numerics: [kind]")
    assert [mistake.split(": ")[1] for mistake in mistakes_in(text)] == [
        "columns.numerics",
        "columns.numeric[0]",
        "split",
        "model.embedding_sizes.strt",
        "training.epochs",
    ]


def test_the_preprocessed_table_has_the_named_columns_and_the_added_ones():
    assert table_columns(parse_recipe(RECIPE, "parcels.yaml").columns) == [
        *("parcel", "kind", "sender", "sent_month", "weight", "country", "street"),
        *(
            "row_id",
            "combined_text",
            "fold",
            "kind_encoded",
            "sent_month_encoded",
            "weight_scaled",
            "weight_missing",
        ),
        *("country_encoded", "street_encoded"),
    ]


@pytest.mark.parametrize(
    ("spelt", "standard"),
    [
        ("  Vendor Name ", "vendor_name"),
        ("Amount (£)", "amount"),
        ("cost--centre / id", "cost_centre_id"),
        ("Größe", "größe"),
        ("Gro\u0308ße", "größe"),
        ("already_standard_2", "already_standard_2"),
        ("--", ""),
    ],
)
def test_names_are_standardised(spelt, standard):
    assert standardise(spelt) == standard


@given(st.text())
def test_a_standard_name_stays_as_it_is(name):
    assert standardise(standardise(name)) == standardise(name)


@pytest.mark.parametrize(
    ("columns", "days", "told"),
    [
        (
            "time: sent",
            "2021-01-01, test_from: 2021-06-01",
            ["split.by_time: a group (sender) whose rows are from before and after can't be kept together; "
             "allowed: split.by_time or columns.group"],
        ),
        (
            None,
            "2021-06-01, test_from: 2021-02-30",
            ["split.by_time.test_from: got '2021-02-30', which is no day; allowed: a day as YYYY-MM-DD",
             "split.by_time.test_from: got 2021-02-30, validation begins on 2021-06-01; allowed: a later day",
             "split.by_time: rows are to be parted by time, and columns.time names none; "
             "allowed: a column of dates in columns.time"],
        ),
    ],
)  # fmt: skip
def test_parting_by_time_needs_days_in_order_a_time_and_no_group(columns, days, told):
    text = changed("  group: sender", f"  {columns}\n  group: sender" if columns else "")
    text = text.replace("split:\n", f"split:\n  by_time: {{validation_from: {days}}}\n")
    found = [line.partition(": ")[2] for line in mistakes_in(text)]
    assert [line for line in found if line.startswith("split.")] == told


@pytest.mark.parametrize("column", ["kind", "street", "sender", "parcel", "combined_text"])
def test_numbers_are_not_expected_of_a_column_of_words(column):
    asked = f"{{type: expect_column_mean_to_be_between, kwargs: {{column: {column}, min_value: 0}}}}"
    text = changed("expectations:\n", f"expectations:\n  - {asked}\n")
    line = 1 + text.splitlines().index(f"  - {asked}")
    assert mistakes_in(text) == [
        f"line {line}: expectations[0].kwargs.column: expect_column_mean_to_be_between compares numbers, and "
        f"{column!r} is words; allowed: a column of numbers"
    ]
    for number in ("weight", "weight_scaled", "street_encoded", "row_id"):
        parse_recipe(
            text.replace(f"column: {column}, min_value", f"column: {number}, min_value"), "parcels.yaml"
        )


def test_an_expectation_names_the_fold_only_where_there_are_folds():
    asked = "expectations:\n  - {type: expect_column_values_to_be_between, kwargs: {column: fold, min_value: 0}}\n"
    text = changed("expectations:\n", asked)
    assert any("got 'fold', not a column of the preprocessed table" in line for line in mistakes_in(text))
    parse_recipe(text.replace("split:\n", "split:\n  folds: 5\n"), "parcels.yaml")
