"""Raw files become three tables, features, a quarantine table and an account that misses no row."""

from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluice.contract import InputError, Role
from sluice.features import FittedFeatures

from .builders import HEADER, SPLITS, Place, csv_text, parcel, parcels, recipe

FULL_TEXT = {"lowercase": True, "letters_only": True, "remove_stopwords": True, "lemmatize": True}


def test_every_row_is_in_one_table_and_the_tables_say_what_their_columns_are_for(place):
    place.put(parcels(60))
    made = place.run()
    assert sorted(row["row_id"] for row in made.rows()) == list(range(60))
    assert [made.table(name).rows for name in SPLITS] == [36, 12, 12]
    for name in SPLITS:
        assert made.table(name).named(Role.TEXT) == ["combined_text"]
        assert [row["row_id"] for row in made.rows(name)] == sorted(row["row_id"] for row in made.rows(name))


def test_a_row_is_carried_read_normalised_and_encoded(place):
    place.put(parcels(60))
    made = place.run(recipe(text=FULL_TEXT))
    row = next(row for row in made.rows() if row["row_id"] == 7)
    assert row | {"weight_scaled": None} == {
        "row_id": 7,
        "parcel": "p-7",
        "combined_text": "dog high street",
        "colour": "blue",
        "colour_encoded": 1,
        "country": "UK",
        "country_encoded": 1,
        "town": "York",
        "town_encoded": 2,
        "weight": 3.5,
        "weight_scaled": None,
        "weight_missing": 0,
        "kind": "box",
        "kind_encoded": 1,
    }


def test_what_is_learned_is_learned_on_the_training_rows_alone(place):
    place.put(parcels(60))
    first = place.run()
    held_back = {row["row_id"] for row in first.rows("validation", "test")}
    rows = [
        parcel(n, **({"colour": f"only {n}", "weight": 1e6} if n in held_back else {})) for n in range(60)
    ]
    place.put(rows)
    second = place.run()
    record = "features/features.json"
    assert (second.folder / record).read_bytes() == (first.folder / record).read_bytes()
    assert {row["colour_encoded"] for row in second.rows("validation", "test")} == {0}


def test_the_saved_features_do_to_raw_rows_what_preprocess_did(place):
    place.put(parcels(60))
    made = place.run(recipe(text=FULL_TEXT))
    columns = {name: [parcel(n)[name] for n in range(60)] for name in HEADER}
    raw = pa.record_batch({**columns, "row_id": list(range(60))})
    again = FittedFeatures.load(made.folder / "features").transform(raw).to_pylist()
    assert again == sorted(made.rows(), key=lambda row: row["row_id"])


def test_nothing_depends_on_how_the_rows_are_batched(place, tmp_path):
    table = pa.Table.from_pylist(parcels(100))
    digests = []
    for number, size in enumerate((3, 17, 100)):
        other = Place(tmp_path / str(number))
        pq.write_table(table, other.data / "parcels.parquet", row_group_size=size)
        text = recipe(data={"files": ["parcels.parquet"]}, columns={"group": "sender"}, text=FULL_TEXT)
        digests.append(other.run(text, rows=80).digests)
    assert digests[0] == digests[1] == digests[2]


def test_files_together_are_one_table_with_one_count_of_rows(place):
    place.put(parcels(60)[:25], "a.csv")
    place.put(csv_text(parcels(60)[25:]), "b.csv")
    made = place.run(recipe(data={"files": ["a.csv", "b.csv"]}))
    assert {row["row_id"]: row["parcel"] for row in made.rows()} == {n: f"p-{n}" for n in range(60)}


def test_times_and_folds_come_with_the_rows_and_can_be_read_back(place):
    """Parquet has no seconds: what the manifest says has to be what a reader finds."""
    place.put([parcel(n, sender=f"2021-{1 + n // 20:02}-{1 + n % 20:02}") for n in range(60)])
    sent = {"types": {"sender": {"type": "date", "format": "%Y-%m-%d"}}}
    split = {"by_time": {"validation_from": "2021-02-11", "test_from": "2021-03-01"}, "folds": 3}
    made = place.run(recipe(data=sent, columns={"time": "sender"}, split=split))
    assert made.table("test").named(Role.TIME) == ["sender"]
    assert made.table("test").named(Role.FOLD) == ["fold"]
    assert [len(made.rows(name)) for name in SPLITS] == [30, 10, 20]
    assert min(row["sender"] for row in made.rows("test")) == datetime(2021, 3, 1)
    assert {row["fold"] for row in made.rows("training", "validation")} == {0, 1, 2}
    assert {row["fold"] for row in made.rows("test")} == {None}


def test_a_sample_has_exactly_as_many_rows_as_were_asked_for(place):
    place.put(parcels(60))
    made = place.run(rows=40)
    assert len(made.rows()) == 40
    assert made.metrics["dropped"]["not_sampled"] == 20
    assert place.run(rows=1000).metrics["dropped"]["not_sampled"] == 0


def test_groups_are_never_parted(place):
    place.put(parcels(110))
    made = place.run(recipe(columns={"group": "sender"}))
    senders = [{row["sender"] for row in made.rows(name)} for name in SPLITS]
    assert all(senders)
    assert not senders[0] & senders[1]
    assert not senders[0] & senders[2]
    assert not senders[1] & senders[2]


def test_rows_without_a_group_are_not_one_group(place):
    place.put(parcels(60, sender=None))
    made = place.run(recipe(columns={"group": "sender"}))
    assert [len(made.rows(name)) for name in SPLITS] == [36, 12, 12]


def test_a_class_that_groups_keep_out_of_training_is_dropped_by_name(place):
    # The first group of a class of its own is dealt to the split that lacks most rows; here that is seldom training.
    rows = parcels(90, sender=None) + [
        parcel(90 + n, kind=f"z{n // 2}", sender=f"g{n // 2}") for n in range(20)
    ]
    place.put(rows)
    shares = {"train": 0.34, "validation": 0.33, "test": 0.33}
    made = place.run(recipe(columns={"group": "sender"}, split=shares))
    gone = made.metrics["removed_classes"]
    assert gone
    assert made.metrics["dropped"]["label_not_in_training"] == sum(gone.values())
    assert not {row["kind"] for row in made.rows()} & set(gone)
    assert {row["kind"] for row in made.rows()} == {row["kind"] for row in made.rows("training")}


def test_rare_classes_are_removed_and_named_with_their_rows(place):
    place.put([*parcels(60), parcel(60, kind="crate"), *(parcel(n, kind="tube") for n in range(61, 65))])
    made = place.run(recipe(rare_classes={"minimum_rows": 5}))
    assert made.metrics["removed_classes"] == {"crate": 1, "tube": 4}
    assert made.metrics["dropped"]["rare_class"] == 5
    assert made.metrics["classes"] == 3


def test_a_class_that_occurs_once_is_always_removed(place):
    place.put([*parcels(60), parcel(60, kind="crate"), *(parcel(n, kind="tube") for n in (61, 62))])
    made = place.run()
    assert made.metrics["removed_classes"] == {"crate": 1}
    assert "tube" in {row["kind"] for row in made.rows("training")}


def test_rows_without_a_label_are_dropped_by_rule(place):
    place.put([*parcels(60), parcel(60, kind=None), parcel(61, kind=" ")])
    made = place.run()
    assert made.metrics["dropped"] == {
        "unmatched_key": 0,
        "not_kept": 0,
        "missing_value": 0,
        "not_sampled": 0,
        "null_label": 2,
        "no_time": 0,
        "rare_class": 0,
        "label_not_in_training": 0,
    }


def test_rows_that_cannot_be_read_are_in_the_quarantine_table_with_the_reason(place):
    place.put(
        csv_text([*parcels(60), parcel(60, weight="heavy"), parcel(61, weight="NaN")]) + "p-62,too,short\n"
    )
    made = place.run()
    found = made.rows("quarantine")
    assert [row["row"] for row in found] == [60, 61, 62]
    assert "heavy" in found[0]["reason"]
    assert found[2]["text"] == "p-62,too,short"
    assert made.metrics["rows_quarantined"] == 3
    assert sum(made.metrics["quarantine_reasons"].values()) == 3
    assert len(made.rows()) == 60


def test_a_list_is_merged_and_what_it_misses_is_counted(place):
    place.put([parcel(n, kind=f"{n % 4}") for n in range(60)])
    place.put("key,title\n0,bag\n1,box\n2,sack\n", "kinds.csv")
    merge = {"file": "kinds.csv", "key": "kind", "list_key": "key", "columns": ["title"]}
    text = recipe(data={"files": ["parcels.csv"], "merge": merge}, columns={"label": "title"})
    made = place.run(text)
    assert made.metrics["dropped"]["unmatched_key"] == 15
    assert made.metrics["merge"] == {
        "file": "kinds.csv",
        "keys": 3,
        "unmatched": 15,
        "unmatched_examples": ["3"],
        "duplicated": {},
        "blank_keys": 0,
    }


def test_the_account_is_what_the_metrics_say(place):
    place.put(parcels(60))
    made = place.run()
    assert made.account == made.metrics
    assert made.metrics["quarantine_limit"] == 0


cells = st.sampled_from(["bag", "box", "sack", "crate", None])
weights = st.sampled_from([1, -2.5, None, "NaN", "inf", "1e400", "heavy"])


@settings(
    deadline=None,
    derandomize=True,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    dirty=st.lists(st.tuples(cells, weights, st.sampled_from(["s-1", "s-2", None])), max_size=40),
    rows=st.none() | st.integers(30, 80),
    grouped=st.booleans(),
)
def test_rows_in_are_rows_out_and_rows_dropped_by_a_rule_and_rows_quarantined(
    tmp_path_factory, dirty, rows, grouped
):
    place = Place(tmp_path_factory.mktemp("any"))
    place.put(parcels(60) + [parcel(60 + n, kind=k, weight=w, sender=s) for n, (k, w, s) in enumerate(dirty)])
    made = place.run(recipe(columns={"group": "sender"} if grouped else {}), rows)
    kept, bad = [row["row_id"] for row in made.rows()], [row["row"] for row in made.rows("quarantine")]
    assert len(set(kept + bad)) == len(kept + bad)
    assert made.metrics["rows_read"] == 60 + len(dirty)
    assert len(kept) + len(bad) + sum(made.metrics["dropped"].values()) == 60 + len(dirty)
    assert bad == [
        60 + n for n, (_, weight, _) in enumerate(dirty) if weight in ("NaN", "inf", "1e400", "heavy")
    ]


def test_an_unchanged_second_run_is_reused(place):
    place.put(parcels(60))
    first = place.run()
    written = (first.folder / "result.json").stat().st_mtime_ns
    assert place.run().folder == first.folder
    assert (first.folder / "result.json").stat().st_mtime_ns == written


def test_nothing_but_results_is_left_in_the_store(place):
    place.put(parcels(60))
    made = place.run()
    assert [path.name for path in made.folder.parent.iterdir()] == [made.folder.name]
    assert {path.name for path in made.folder.iterdir()} == {
        *SPLITS, "features", "quarantine", "account", "result.json"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "sections", "message"),
    [
        (
            parcels(60, kind=None),
            {},
            "column kind: the label is null in every row. Got: 60 rows without a label. Allowed: a label in most rows. "
            "Correct columns.label in the recipe, the pattern or list that makes it, or the data.",
        ),
        (
            parcels(60, kind="box"),
            {},
            "column kind: the label has a single class. Got: only 'box'. Allowed: two classes or more, each with at "
            "least 2 rows. Correct columns.label or rare_classes.minimum_rows in the recipe, or give more rows.",
        ),
        (
            [*parcels(60, kind="box"), parcel(60, kind="bag")],
            {},
            "column kind: the label has a single class. Got: only 'box'; too rare: 'bag' (1). "
            "Allowed: two classes or more, each with at least 2 rows. Correct columns.label or "
            "rare_classes.minimum_rows in the recipe, or give more rows.",
        ),
        (
            [parcel(n, kind=f"k-{n}") for n in range(20)],
            {},
            "column kind: no class of the label is left. Got: none; too rare: 'k-0' (1), 'k-1' (1), 'k-10' (1), 'k-11' (1), 'k-12' (1) and 15 more. "
            "Allowed: two classes or more, each with at least 2 rows. Correct columns.label or "
            "rare_classes.minimum_rows in the recipe, or give more rows.",
        ),
        (
            parcels(4, kind="box") + parcels(4, kind="bag"),
            {"split": {"train": 0.98, "validation": 0.01, "test": 0.01}},
            "split: the validation and the test split are empty. Got: 8 rows for the shares 0.98, 0.01, 0.01. "
            "Allowed: at least one row, or one whole group, in each split. Change the recipe's split, or give more rows.",
        ),
        (
            [parcel(n, sender=f"s-{n % 2}") for n in range(60)],
            {"columns": {"group": "sender"}},
            "split: the validation and the test split are empty. Got: 60 rows in 2 groups of sender for the shares 0.6, 0.2, 0.2. "
            "Allowed: at least one row, or one whole group, in each split. Change the recipe's split, or give more rows.",
        ),
    ],
    ids=[
        "no label",
        "one class",
        "one class and a rare one",
        "rare classes only",
        "too few rows",
        "too few groups",
    ],
)
def test_data_that_nothing_can_be_learned_from_is_refused(place, rows, sections, message):
    place.put(rows)
    with pytest.raises(InputError) as error:
        place.run(recipe(**sections))
    assert str(error.value) == message


def test_files_without_a_readable_row_are_refused(place):
    place.put(csv_text(parcels(2, weight="heavy")))
    with pytest.raises(
        InputError, match=r"no row is left after reading. Got: 2 rows, 2 unreadable; parcels.csv line 2: "
    ):
        place.run()
