"""Every measure on tables so small that its value was counted by hand."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.preprocess.audit.drift import kolmogorov_smirnov, stability_index
from sluice.recipe import Columns, Text
from sluice.recipe.measures import MEASURES
from tests.components.audit.builders import row

TEXT_ONLY = Columns(text=("note",), label="kind")


def long(words: int, *changed: int) -> str:
    """A text of that many different words, some of them changed."""
    return " ".join(f"{'other' if i in changed else 'word'}{i}" for i in range(words))


# --- equal rows


def test_rows_are_equal_if_all_that_a_model_sees_is(audited):
    same = row("blue rope", "bag")
    found = audited(
        training=[same, same, row("blue rope", "bag", weight=2.0), row("red rope", "bag")],
        validation=[same, row("old rope", "bag")],
        test=[same, same, row("new rope", "bag")],
    ).found
    assert found.duplicates.distinct == 5
    assert found.duplicates.rows == {"training": 1, "validation": 0, "test": 1}
    assert found.duplicates.across == {"training": 2, "validation": 1, "test": 2}
    assert found.measures["duplicate_rows"] == pytest.approx(2 / 9)
    assert found.measures["duplicates_across_splits"] == pytest.approx(3 / 5)
    (example,) = found.duplicates.examples
    assert (example.text, example.labels) == ("blue rope", {"bag": 5})
    assert example.rows == {"training": 2, "validation": 1, "test": 2}


def test_a_missing_value_equals_a_missing_value_and_nothing_else(audited):
    none = row("rope", "bag", weight=None, colour=None)
    found = audited(
        training=[none, none, row("rope", "bag", weight=0.0, colour=None)], test=[row("x", "bag")]
    ).found
    assert found.duplicates.rows["training"] == 1


# --- conflicts and the ceiling


def test_equal_rows_with_unequal_labels_bound_every_models_accuracy(audited):
    found = audited(
        training=[row("a", "bag"), row("a", "bag"), row("a", "box"), row("b", "box")],
        validation=[row("b", "bag"), row("c", "bag")],
        test=[row("d", "box")],
    ).found
    # a: 2 of 3 right, b: 1 of 2, c and d: all
    assert found.best_accuracy.tables == pytest.approx(5 / 7)
    assert (found.best_accuracy.training, found.best_accuracy.validation) == (3 / 4, 1)
    assert (found.conflicts.rows, found.conflicts.inputs) == (5, 2)
    assert found.measures["label_conflict_rows"] == pytest.approx(5 / 7)
    assert found.conflicts.examples[0].labels == {"bag": 2, "box": 1}
    told = [finding.what for finding in found.findings]
    assert any("can be right on more than 71.4 % of these tables" in what for what in told)


NOTES = st.lists(
    st.tuples(
        st.sampled_from("abcd"), st.sampled_from(["bag", "box"]), st.sampled_from(["training", "test"])
    ),
    min_size=2,
    max_size=12,
)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(notes=NOTES, seed=st.integers(0, 99))
def test_the_order_of_rows_changes_nothing_that_is_counted(audited, notes, seed):
    def found(rows):
        split = {name: [row(n, k) for n, k, where in rows if where == name] for name in ("training", "test")}
        split["training"] += [row("z", "bag"), row("z", "box")]  # so that both labels are known
        made = audited(**split).found
        return made.measures, made.duplicates.rows, made.duplicates.across, made.conflicts.rows

    turned = random.Random(seed).sample(notes, len(notes))
    assert found(notes) == found(turned)


def test_without_conflicts_a_model_can_be_always_right(audited):
    found = audited(training=[row("a", "bag"), row("b", "box")], test=[row("a", "bag")]).found
    assert found.measures["best_accuracy"] == 1.0
    assert found.measures["label_conflict_rows"] == 0.0


# --- nearly equal texts


def test_texts_are_nearly_equal_from_four_fifths_of_their_runs_on(audited):
    # 30 words are 28 runs of three; one changed word at the end leaves 27 of 29 in common, in the middle 25 of 31
    base, end, middle, far = long(30), long(30, 29), long(30, 15), long(30, 5, 15)
    found = audited(
        columns=TEXT_ONLY,
        training=[row(base, "bag"), row(end, "box"), row("something else", "bag")],
        validation=[row(middle, "bag")],
        test=[row(far, "box"), row("quite another text", "bag")],
    ).found
    near = found.near_duplicates
    assert (near.texts, near.rows_looked_at, near.sampled) == (6, 6, False)
    assert near.within == 2
    assert (near.across, near.unseen) == (1, 3)
    assert sorted(round(pair.similarity, 3) for pair in near.examples) == [
        round(25 / 31, 3),
        round(25 / 31, 3),
        round(27 / 29, 3),
    ]
    assert found.measures["near_duplicates_across_splits"] == pytest.approx(1 / 3)


def test_the_same_text_with_another_number_is_nearly_equal_and_not_equal(audited):
    found = audited(
        training=[
            row("supplier one", "bag", weight=1.0),
            row("supplier one", "bag", weight=2.0),
            row("x", "box"),
        ],
        test=[row("supplier one", "bag", weight=3.0), row("x", "box")],
    ).found
    assert found.measures["near_duplicate_rows"] == pytest.approx(2 / 5)
    assert found.measures["near_duplicates_across_splits"] == pytest.approx(1 / 2)
    assert found.measures["duplicates_across_splits"] == pytest.approx(1 / 2)


def test_a_sample_of_the_texts_is_said_to_be_one(audited, monkeypatch):
    from components.preprocess.audit import alike

    monkeypatch.setattr(alike, "TEXTS", 50)
    rows = [row(f"note {i}", "bag" if i % 2 else "box") for i in range(400)]
    near = audited(training=rows, test=rows[:2]).found.near_duplicates
    assert near.sampled
    assert 20 < near.texts < 80


# --- what tells the label


def strength(found, column):
    return {leak.column: leak for leak in found.leaks.columns if "word" not in leak.by}[column]


def test_a_column_that_determines_the_label_is_the_strongest(audited):
    kinds = ["bag", "box", "sack"] * 6
    rows = [row(f"n{i}", kind, colour=kind.upper(), weight=i % 2) for i, kind in enumerate(kinds)]
    found = audited(training=rows, validation=rows[:3], test=rows[3:9]).found
    leak = strength(found, "colour")
    assert (leak.accuracy, leak.majority, leak.strength) == (1, pytest.approx(1 / 3), 1)
    assert found.measures["strongest_feature"] == 1
    assert any("colour alone tells the label" in finding.what for finding in found.findings)


def test_a_value_that_was_not_learned_is_answered_with_the_largest_class(audited):
    training = [row("n", "bag", colour="red")] * 3 + [row("n", "box", colour="blue")] * 2
    test = [row("n", "box", colour="blue"), row("n", "box", colour="green"), row("n", "bag", colour="green")]
    leak = strength(audited(training=training, test=test).found, "colour")
    assert leak.accuracy == pytest.approx(2 / 3)
    assert leak.majority == pytest.approx(1 / 3)
    assert leak.strength == pytest.approx(1 / 2)


def test_a_number_with_many_values_is_asked_by_its_bins(audited, monkeypatch):
    from components.preprocess.audit import leaks

    monkeypatch.setattr(leaks, "FEW", 10)
    rows = [row("n", "bag" if i < 50 else "box", weight=i + 0.5) for i in range(100)]
    test = [row("n", "bag", weight=3.25), row("n", "box", weight=97.75), row("n", "bag", weight=None)]
    leak = strength(audited(training=rows, test=test).found, "weight")
    assert leak.by == leaks.BY_BIN
    assert leak.accuracy == 1


def test_a_word_that_gives_the_label_away_is_found_and_named(audited):
    def noted(word, kind, count, seed):
        noise = random.Random(seed)
        return [
            row(f"{noise.getrandbits(40):x}q {word} {noise.getrandbits(40):x}q", kind) for _ in range(count)
        ]

    training = noted("baggy", "bag", 20, 1) + noted("boxy", "box", 20, 2)
    found = audited(training=training, test=noted("baggy", "bag", 5, 3) + noted("boxy", "box", 5, 4)).found
    by_word = next(leak for leak in found.leaks.columns if "word" in leak.by)
    assert (by_word.accuracy, by_word.strength) == (1, 1)
    assert {word.words: (word.label, word.rows, word.right) for word in found.leaks.words} == {
        "baggy": ("bag", 5, 5),
        "boxy": ("box", 5, 5),
    }


def test_rows_that_are_only_learned_from_leave_nothing_to_ask(audited):
    found = audited(training=[row("a", "bag"), row("b", "box")]).found
    assert found.measures["strongest_feature"] is None
    assert found.measures["duplicates_across_splits"] is None
    assert found.measures["psi_between_splits"] is None


def test_a_labels_name_is_found_in_a_text_normalised_as_the_text_is(audited):
    rows = [
        row("Large CO-OP bags!", "Co-op / Bag"),
        row("a coop bag", "Co-op / Bag"),
        row("coops", "Co-op / Bag"),
        row("box", "7"),
    ]
    plain = audited(training=rows, text=Text(lowercase=True, letters_only=True)).found.leaks.label_in_text
    # "Large CO-OP bags!" is "large coop bags": not the words coop bag
    assert (plain.rows, plain.labels, plain.unnamed) == (1, {"Co-op / Bag": 1}, ("7",))
    case = audited(training=[row("my CO-OP:  bag", "Co-op / Bag"), row("box 17", "7")]).found
    assert case.leaks.label_in_text.labels == {"Co-op / Bag": 1}


# --- hierarchies


def test_a_value_below_two_parents_is_a_violation(audited):
    places = [("UK", "York"), ("UK", "York"), ("US", "York"), ("FR", "Nice"), (None, "Nice")]
    rows = [row(f"n{i}", "bag", country=country, town=town) for i, (country, town) in enumerate(places)]
    (level,) = audited(training=rows[:4], test=rows[4:]).found.hierarchies
    assert (level.parent, level.child, level.values, level.violations) == ("country", "town", 2, 1)
    assert level.without_parent == 1
    (example,) = level.examples
    assert (example.value, example.rows, example.parents) == ("York", 3, {"UK": 2, "US": 1})


# --- drift


def test_the_stability_index_is_the_textbooks_with_half_a_row_more_in_each_bin():
    was, now = np.array([50.0, 30.0, 20.0]), np.array([20.0, 30.0, 50.0])
    first, second = (was + 0.5) / 101.5, (now + 0.5) / 101.5
    assert stability_index(was, now) == pytest.approx(sum((second - first) * np.log(second / first)))
    assert stability_index(was, was * 1) == 0


def test_the_distance_of_numbers_is_kolmogorovs_and_smirnovs():
    from scipy.stats import ks_2samp

    draw = np.random.default_rng(3)
    first, second = np.sort(draw.normal(size=200)), np.sort(draw.normal(0.4, 2, size=90).round(1))
    assert kolmogorov_smirnov(first, second) == pytest.approx(ks_2samp(first, second).statistic)


def test_columns_that_move_between_splits_and_since_the_last_run_are_found(audited):
    def some(count, weight, colours):
        return [
            row("n", "bag", weight=weight + i % 10, colour=colours[i % len(colours)]) for i in range(count)
        ]

    steady = some(200, 0, ["red", "blue"])
    moved = some(100, 20, ["green"])
    found = audited(training=steady, validation=steady[:100], test=moved, previous=moved).found
    by = {(one.column, one.table): one for one in found.drift}
    assert by["weight", "test"].ks == 1
    assert by["weight", "validation"].ks == 0
    assert by["colour", "test"].psi > 1
    assert by["colour", "validation"].psi < 0.001
    assert found.measures["ks_to_previous"] == 1
    assert found.measures["psi_to_previous"] > 1
    assert {one.reference for one in found.drift_from_previous} == {"previous"}
    assert any("than in the earlier run's training rows" in finding.what for finding in found.findings)


def test_without_an_earlier_run_there_is_no_drift_from_it(audited):
    found = audited(training=[row("a", "bag")], test=[row("b", "bag")]).found
    assert (found.previous, found.drift_from_previous) == (None, ())
    assert (found.measures["psi_to_previous"], found.measures["ks_to_previous"]) == (None, None)


# --- columns, classes, lengths


def test_constants_keys_and_missing_values_are_counted_in_training(audited):
    rows = [row(f"n{i}", "bag", colour=f"c{i}", weight=None if i else 3.5) for i in range(4)]
    found = audited(training=rows, test=[row("", "bag", town="Leeds")]).found
    columns = {column.name: column for column in found.columns}
    assert [name for name, column in columns.items() if column.constant] == ["country", "town"]
    assert [name for name, column in columns.items() if column.unique] == ["colour"]
    assert columns["weight"].missing == {"training": 3, "validation": 0, "test": 0}
    assert columns["combined_text"].missing["test"] == 1
    assert columns["town"].top == {"York": 4}
    assert columns["weight"].numbers["median"] == 3.5
    assert found.measures["missing_values"] == 0.75
    assert (found.measures["constant_columns"], found.measures["unique_columns"]) == (2, 1)


def test_whole_numbers_of_their_own_name_rows_and_measured_ones_do_not(audited):
    numbered = Columns(text=("note",), numeric=("number", "weight"), label="kind")
    rows = [{"note": "n", "kind": "bag", "number": float(i), "weight": i + 0.5} for i in range(5)]
    found = audited(columns=numbered, training=rows).found
    assert [column.name for column in found.columns if column.unique] == ["number"]


def test_classes_are_counted_by_split_and_removed_ones_told(audited):
    found = audited(
        training=[row("a", "bag"), row("b", "box"), row("c", "box")],
        test=[row("d", "bag")],
        removed={"lamp": 1},
    ).found
    assert found.classes.counts == {
        "bag": {"training": 1, "validation": 0, "test": 1},
        "box": {"training": 2, "validation": 0, "test": 0},
    }
    assert found.classes.removed == {"lamp": 1}
    assert "1 class of 1 row removed as too rare (lamp): the model never" in found.findings[-1].what


def test_texts_are_counted_in_tokens_with_the_special_ones(audited):
    notes = ["one", "one two three", long(20)]
    lengths = audited(training=[row(note, "bag") for note in notes], maximum_tokens=5).found.lengths
    assert (lengths.texts, lengths.cut_off, lengths.sampled) == (3, 1, False)
    assert (lengths.percentiles["50%"], lengths.percentiles["100%"]) == (5, 22)
    assert sum(lengths.histogram.values()) == 3


def test_what_is_measured_is_what_the_gate_can_ask_for(audited):
    made = audited(training=[row("a", "bag"), row("b", "box")], test=[row("c", "box")])
    assert made.found.measures.keys() == MEASURES.keys()
