"""What was fitted is saved as readable files, and does the same wherever it is loaded."""

import json

import pyarrow as pa
import pytest

from sluice.contract import ArtifactTampered, ContractError, InputError
from sluice.contract.schema import arrow_schema
from sluice.features import FittedFeatures
from sluice.features.wordnet import FILES
from sluice.recipe import Columns, Text, table_columns
from sluice.recipe.names import FOLD

from .builders import COLUMNS, fitted, rows

ALL = Text(lowercase=True, letters_only=True, remove_stopwords=True, lemmatize=True)
TRAINING = rows({}, {"kind": "bag", "colour": "blue", "weight": None}, {"kind": "sack", "town": "York"})


@pytest.fixture
def saved(tmp_path):
    folder = tmp_path / "a folder with blanks" / "features"
    folder.mkdir(parents=True)
    fitted(TRAINING, text=ALL, clip_iqr=1.5).save(folder)
    return folder


def test_the_table_has_the_layout_that_every_reader_relies_on():
    made = fitted(TRAINING).transform(TRAINING)
    assert [f"{c}" for c in fitted(TRAINING).table_columns] == [
        "row_id: int64 not null [id]",
        "parcel: string",
        "sender: string [group]",
        "combined_text: string not null [text]",
        "colour: string [categorical]",
        "colour_encoded: int32 not null [categorical]",
        "country: string [hierarchical]",
        "country_encoded: int32 not null [hierarchical]",
        "town: string [hierarchical]",
        "town_encoded: int32 not null [hierarchical]",
        "weight: double [numeric]",
        "weight_scaled: float not null [numeric]",
        "weight_missing: float not null [numeric]",
        "kind: string not null [label]",
        "kind_encoded: int32 not null [label]",
    ]
    assert made.schema.equals(arrow_schema(fitted(TRAINING).table_columns))


def test_encoded_columns_say_what_they_encode_and_levels_where_they_stand():
    columns = {column.name: column for column in fitted(TRAINING).table_columns}
    assert {name: c.encodes for name, c in columns.items() if c.encodes} == {
        "colour_encoded": "colour",
        "country_encoded": "country",
        "town_encoded": "town",
        "weight_scaled": "weight",
        "weight_missing": "weight",
        "kind_encoded": "kind",
    }
    assert [(columns[n].hierarchy, columns[n].level) for n in ("country", "town")] == [
        ("place", 0),
        ("place", 1),
    ]


def test_models_are_told_the_columns_in_their_order():
    features = fitted(TRAINING)
    assert features.category_columns == ("colour_encoded", "country_encoded", "town_encoded")
    assert features.cardinalities == {"colour_encoded": 3, "country_encoded": 2, "town_encoded": 3}
    assert features.number_columns == ("weight_scaled", "weight_missing")
    assert (features.text_column, features.label_column) == ("combined_text", "kind_encoded")


def test_labels_count_from_0_in_sorted_order():
    features = fitted(TRAINING)
    assert features.labels == ("bag", "box", "sack")
    assert features.transform(TRAINING).column("kind_encoded").to_pylist() == [1, 0, 2]


def test_a_column_that_is_group_and_category_stands_once_as_the_group():
    both = Columns(text=("note",), categorical=("colour",), label="kind", group="colour")
    columns = [str(column) for column in fitted(TRAINING, columns=both).table_columns]
    assert [c for c in columns if c.startswith("colour")] == [
        "colour: string [group]",
        "colour_encoded: int32 not null [categorical]",
    ]
    assert len(fitted(TRAINING, columns=both).transform(TRAINING).schema.names) == len(columns)


def test_the_recipe_knows_the_same_columns():
    # The fold is preprocess's own: no feature, and only there if the recipe asks for folds.
    assert {column.name for column in fitted(TRAINING).table_columns} == set(table_columns(COLUMNS)) - {FOLD}


def test_loading_gives_the_same_rows_wherever_the_folder_is_now(saved, monkeypatch, tmp_path):
    monkeypatch.setenv("SLUICE_WORDNET", str(tmp_path / "nowhere"))
    moved = saved.rename(tmp_path / "moved here")
    loaded = FittedFeatures.load(moved)
    monkeypatch.undo()
    assert loaded.transform(TRAINING).equals(fitted(TRAINING, text=ALL, clip_iqr=1.5).transform(TRAINING))
    assert (
        loaded.transform(rows({"note": "the churches"})).column("combined_text")[0].as_py()
        == "church high street"
    )


def test_loaded_features_can_be_saved_again(saved, tmp_path):
    again = tmp_path / "again"
    again.mkdir()
    FittedFeatures.load(saved).save(again)
    assert {p.name: p.read_bytes() for p in again.rglob("*") if p.is_file()} == {
        p.name: p.read_bytes() for p in saved.rglob("*") if p.is_file()
    }


def test_the_folder_holds_readable_files_only(saved):
    names = sorted(path.relative_to(saved).as_posix() for path in saved.rglob("*") if path.is_file())
    assert names == ["features.json", "stopwords.txt", *sorted(f"wordnet/{name}" for name in FILES)]
    assert json.loads((saved / "features.json").read_text())["labels"] == ["bag", "box", "sack"]
    assert "Princeton University" in (saved / "wordnet" / "LICENSE").read_text()


def test_text_as_it_is_needs_no_more_than_the_record(tmp_path):
    fitted(TRAINING).save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["features.json"]


@pytest.mark.parametrize("name", ["features.json", "stopwords.txt", "wordnet/index.noun", "wordnet/noun.exc"])
def test_a_missing_file_is_refused(saved, name):
    (saved / name).unlink()
    with pytest.raises(ArtifactTampered, match=name):
        FittedFeatures.load(saved)


def test_a_changed_file_is_refused(saved):
    (saved / "stopwords.txt").write_text("all\n")
    with pytest.raises(
        ArtifactTampered, match=r"stopwords.txt: a file of the features isn't what features.json says"
    ):
        FittedFeatures.load(saved)


def test_a_malformed_record_is_refused(saved):
    (saved / "features.json").write_text('{"labels": 3}')
    with pytest.raises(
        ContractError, match=r"features.json: the fitted features can't be read. Got: columns: Field required"
    ):
        FittedFeatures.load(saved)


def test_serving_needs_neither_label_nor_ids():
    made = fitted(TRAINING).transform(rows({}, without=("row_id", "parcel", "sender", "kind")))
    with_all = fitted(TRAINING).transform(rows({}))
    assert "kind_encoded" not in made.schema.names
    assert made.equals(with_all.select(made.schema.names))


def test_rows_without_a_feature_are_refused():
    with pytest.raises(InputError) as error:
        fitted(TRAINING).transform(rows({}, without=("colour", "weight")))
    assert str(error.value) == (
        "the rows lack columns that the features are made from. Got: no colour, weight. "
        "Allowed: at least note, street, colour, country, town, weight."
    )


def test_a_label_that_was_not_in_training_is_refused():
    with pytest.raises(
        InputError,
        match=r"column kind: labels that were not in training. Got: 'crate'. Allowed: the 3 classes",
    ):
        fitted(TRAINING).transform(rows({"kind": "crate"}))


def test_no_rows_make_no_rows():
    none = pa.RecordBatch.from_pylist([], schema=TRAINING.schema)
    assert fitted(TRAINING).transform(none).num_rows == 0
    assert (
        fitted(TRAINING, text=ALL).transform(none).schema.equals(fitted(TRAINING).transform(TRAINING).schema)
    )
