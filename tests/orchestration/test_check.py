"""`check` reads the data once and says everything that doesn't fit the recipe, before anything runs."""

from __future__ import annotations

import pytest

from orchestration.check import check
from sluice.contract import InputError, RecipeError
from tests.components.preprocess.builders import csv_text, parcel, parcels, recipe


@pytest.fixture
def checked(tmp_path):
    """Checks a recipe against some raw rows; both are written to files first."""

    def run(rows=None, text=None, **sections):
        data = tmp_path / "raw"
        data.mkdir(exist_ok=True)
        (data / "parcels.csv").write_text(csv_text(parcels()) if rows is None else rows)
        path = tmp_path / "parcels.yaml"
        path.write_text(text or recipe(**sections))
        return check(path, str(data))

    return run


def message(caught) -> str:
    return str(caught.value)


def test_what_fits_is_counted(checked, tmp_path):
    assert checked() == [
        f"{tmp_path}/parcels.yaml: the recipe is in order",
        "1 file, 60 rows, 0 of them unreadable",
        "label kind: 3 classes kept, 0 too rare, 0 rows without one",
    ]


def test_a_list_and_derived_columns_are_counted_too(checked, tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/towns.csv").write_text("town,county\nLondon,Middlesex\n")
    derive = [{"from": "parcel", "pattern": r"p-(?P<digit>[0-4])\d?$"}]
    merge = {"file": "towns.csv", "key": "town", "columns": ["county"], "unmatched": "keep"}
    assert checked(data={"derive": derive, "merge": merge})[-2:] == [
        "list towns.csv: 1 keys, 30 rows match none of them",
        "derived digit: 15 values of parcel don't match the pattern",
    ]


def test_what_rules_and_types_do_not_know_is_counted_too(checked):
    recode = [{"from": "town", "to": "side", "values": {"London": "north"}}]
    types = {"weight": {"type": "number", "unparsed": "null"}}
    rows = csv_text([*parcels(), parcel(60, weight="heavy"), parcel(62, kind="crate")])
    kinds = sorted({row["kind"] for row in parcels()})
    assert checked(rows, data={"recode": recode, "types": types, "keep": {"kind": kinds}})[-3:] == [
        "recoded side: 30 values of town have no word in the recipe",
        "typed weight: 1 cells are not what data.types says, and count as missing, such as 'heavy'",
        "dropped by not_kept: 1 rows",
    ]


def test_rare_classes_and_rows_without_a_label_are_counted(checked):
    rows = [*parcels(), parcel(60, kind="crate"), parcel(61, kind=None)]
    assert checked(csv_text(rows))[-1] == "label kind: 3 classes kept, 1 too rare, 1 rows without one"


def test_without_data_the_recipe_alone_is_checked(tmp_path):
    path = tmp_path / "parcels.yaml"
    path.write_text(recipe())
    assert check(path, None)[-1] == "no data looked at: name its folder with --data"


def test_a_column_that_is_not_there_is_named_with_the_nearest_one(checked):
    with pytest.raises(InputError) as caught:
        checked(columns={"categorical": ["color"], "numeric": ["weight", "height"]})
    assert "2 columns are missing" in message(caught)
    assert "columns.categorical[0] names 'color' (did you mean 'colour'?)" in message(caught)
    assert "columns.numeric[1] names 'height'" in message(caught)


def test_a_folder_without_the_file_says_what_it_holds(checked, tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/other.csv").write_text("a\n1\n")
    with pytest.raises(InputError) as caught:
        checked(data={"files": ["letters.csv"]})
    assert "data.files names 'letters.csv', and no file matches" in message(caught)
    assert "Got: a folder with other.csv, parcels.csv." in message(caught)


def test_unreadable_rows_above_the_limit_are_refused_with_their_places(checked):
    text = csv_text(parcels())
    with pytest.raises(InputError) as caught:
        checked(text + "ragged,row\n")
    assert "the data doesn't fit the recipe" in message(caught)
    assert "1 of 61 rows can't be read (1.639%, allowed 0.000%), such as parcels.csv line 62: " in message(
        caught
    )


def test_unreadable_rows_below_the_limit_are_counted(checked):
    lines = checked(csv_text(parcels()) + "ragged,row\n", data={"quarantine_limit": 0.05})
    assert lines[1] == (
        "1 file, 61 rows, 1 of them unreadable, such as parcels.csv line 62: ragged row: 2 fields, 9 columns"
    )


@pytest.mark.parametrize("limit", [0.0, 0.5])
def test_many_wrong_bytes_are_laid_to_the_encoding(checked, tmp_path, limit):
    def told(towns):
        rows = csv_text([*parcels(), *(parcel(60 + n, town="Orléans") for n in range(towns))])
        (tmp_path / "raw/parcels.csv").write_bytes(rows.encode("latin-1"))
        path = tmp_path / "parcels.yaml"
        path.write_text(recipe(data={"quarantine_limit": limit}))
        try:
            return "\n".join(check(path, str(tmp_path / "raw")))
        except InputError as error:
            return error.message

    (tmp_path / "raw").mkdir()
    assert (
        "rows with wrong bytes: 3 of 63; if the files are Windows-1252 or Latin-1, "
        "write data.csv.encoding: cp1252 (or latin-1) into the recipe" in told(3)
    )
    assert "encoding" not in told(0)


def test_a_label_of_nothing_but_nulls_is_refused(checked):
    with pytest.raises(InputError, match="the label column kind holds nothing but nulls"):
        checked(csv_text(parcels(kind=None)))


def test_where_no_row_can_be_read_nothing_is_said_about_labels(checked):
    with pytest.raises(InputError, match="2 of 2 rows can't be read") as caught:
        checked(csv_text(parcels()).splitlines()[0] + "\nragged,row\nragged,row\n")
    assert "label" not in message(caught)


def test_a_label_of_one_class_is_refused(checked):
    with pytest.raises(
        InputError, match="the label column kind has 1 classes with at least 2 rows; two are needed"
    ):
        checked(csv_text(parcels(kind="bag")))


def test_all_that_does_not_fit_is_told_at_once(checked):
    with pytest.raises(InputError) as caught:
        checked(csv_text(parcels(kind="bag")) + "ragged,row\n")
    assert "rows can't be read" in message(caught)
    assert "two are needed" in message(caught)


def test_a_misspelt_expectation_is_found_in_great_expectations_own_registry(checked):
    text = recipe().replace("expect_table_row_count_to_be_between", "expect_table_row_count_to_be_betwen")
    with pytest.raises(RecipeError) as caught:
        checked(text=text)
    line = next(n for n, one in enumerate(text.splitlines(), 1) if "betwen" in one)
    assert f"line {line}: expectations[0].type" in message(caught)
    assert "did you mean 'expect_table_row_count_to_be_between'?" in message(caught)


def test_a_wrong_recipe_is_told_before_the_data_is_opened(tmp_path):
    path = tmp_path / "parcels.yaml"
    path.write_text(recipe() + "surprise: 1\n")
    with pytest.raises(RecipeError, match="surprise: unknown key"):
        check(path, str(tmp_path / "no such folder"))


def test_a_recipe_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(InputError, match=r"parcels.yaml: there is no recipe\. Allowed: recipes here: "):
        check(tmp_path / "parcels.yaml", None)
    (tmp_path / "parcels.yaml").write_bytes(b"name: caf\xe9\n")
    with pytest.raises(RecipeError, match="line 1: the byte 0xe9 is not UTF-8"):
        check(tmp_path / "parcels.yaml", None)
