"""What becomes of a row is the same however the rows are batched, sharded and ordered, in small tables and in large ones."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.preprocess import census
from components.preprocess.census import Census
from components.preprocess.plan import SPLITS, Fate, decide
from components.preprocess.spool import GROUP, PLACE
from sluice.contract import InputError
from sluice.recipe.parts import PreprocessSettings

from .builders import recipe

thorough = settings(deadline=None, derandomize=True, max_examples=100)
ROWS = st.lists(
    st.tuples(st.sampled_from("aaaabbc") | st.sampled_from([None, "d", "e"]), st.integers(0, 30)),
    min_size=30,
    max_size=250,
)
"""Each row's label and group."""


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Large tables begin at 100 rows and large classes at 10."""
    monkeypatch.setattr(census, "SMALL_TABLE", 100)
    monkeypatch.setattr(census, "SMALL_CLASS", 10)
    monkeypatch.setattr(census, "STEP", 16)


def told(**sections):
    columns = {
        "text": ["street"],
        "numeric": [],
        "categorical": ["colour"],
        "hierarchical": {},
        "label": "kind",
    }
    return PreprocessSettings.from_recipe(
        recipe(**{**sections, "columns": columns | sections.get("columns", {})}), "recipe"
    )


def spooled(found, *, grouped=False):
    labels, groups = zip(*found, strict=True)
    columns = {"kind": pa.array(labels, pa.string()), "colour": pa.array([f"c{g % 3}" for g in groups])}
    columns["sent"] = pa.array(np.array(groups) * 86400, pa.int64()).cast(pa.timestamp("s"))
    columns[PLACE] = pa.array(range(len(found)), pa.int64())
    if grouped:
        columns[GROUP] = pa.array(groups, pa.uint64())
    return pa.record_batch(columns)


def counted(rows, how, cuts=(), sample=None):
    """A census of the rows in shards, each taken in batches of 7."""
    whole = None
    for start, end in zip([0, *cuts], [*cuts, len(rows)], strict=True):
        shard = Census(how, sample)
        for begin in range(start, end, 7):
            shard.take(rows.slice(begin, min(7, end - begin)))
        if whole:
            whole.merge(shard)
        whole = whole or shard
    return whole


def decided(rows, how, cuts=(), sample=None):
    found = counted(rows, how, cuts, sample)
    plan, dropped = decide(found)
    return plan.fates(rows), dropped, found.learning, plan


def decided_or_refused(*given):
    try:
        return decided(*given)
    except InputError as error:
        return error.message


@thorough
@given(
    found=ROWS,
    cuts=st.lists(st.integers(0, 30), max_size=3).map(sorted),
    sample=st.none() | st.integers(20, 200),
    grouped=st.booleans(),
    stratify=st.booleans(),
)
def test_shards_and_batches_make_no_difference(found, cuts, sample, grouped, stratify):
    how = told(columns={"group": "sender"} if grouped else {}, split={"stratify": stratify, "folds": 3})
    rows = spooled(found, grouped=grouped)
    whole, parts = decided_or_refused(rows, how, (), sample), decided_or_refused(rows, how, cuts, sample)
    if isinstance(whole, str):
        assert whole == parts
        return
    assert (whole[0] == parts[0]).all()
    assert whole[1] == parts[1]
    assert whole[2].vocabularies(1) == parts[2].vocabularies(1)
    kept = pa.array(whole[0] <= Fate.TEST)
    folds = [each[3].folds_of(rows.filter(kept), each[0][each[0] <= Fate.TEST]) for each in (whole, parts)]
    assert folds[0] == folds[1]


@thorough
@given(found=ROWS, sample=st.none() | st.integers(20, 200), grouped=st.booleans())
def test_every_row_has_one_fate_and_the_counts_are_the_fates(found, sample, grouped):
    how = told(columns={"group": "sender"} if grouped else {})
    rows = spooled(found, grouped=grouped)
    outcome = decided_or_refused(rows, how, (), sample)
    if isinstance(outcome, str):
        return
    fates, dropped, learning, plan = outcome
    assert {rule: int((fates == Fate[rule.upper()]).sum()) for rule in dropped.rules} == dropped.rules
    assert sum(dropped.rules.values()) + sum(int((fates == fate).sum()) for fate in SPLITS) == len(found)
    labels = np.array([label or "" for label, _ in found])
    assert learning.labels == tuple(sorted(set(labels[fates == Fate.TRAINING])))
    assert set(labels[fates <= Fate.TEST]) == set(plan.classes) == set(learning.labels)
    if grouped:
        groups = np.array([group for _, group in found])
        for group in set(groups):
            assert len(set(fates[(groups == group) & (fates <= Fate.TEST)].tolist())) <= 1


@thorough
@given(found=ROWS, grouped=st.booleans())
def test_what_is_learned_is_learned_on_the_training_rows_alone(found, grouped):
    how = told(columns={"group": "sender"} if grouped else {})
    rows = spooled(found, grouped=grouped)
    outcome = decided_or_refused(rows, how)
    if isinstance(outcome, str):
        return
    fates, _, learning, _ = outcome
    colours = {
        c for c, fate in zip(rows.column("colour").to_pylist(), fates, strict=True) if fate == Fate.TRAINING
    }
    assert {path[0] for path in learning.vocabularies(1)[0].paths} == colours


def test_a_small_class_of_a_large_table_is_parted_exactly():
    rows = spooled([("a", n) for n in range(400)] + [("b", n) for n in range(10)] + [("c", 1), ("c", 2)])
    fates, _, _, _ = decided(rows, told(split={"train": 0.8, "validation": 0.1, "test": 0.1}))
    assert np.bincount(fates[400:410]).tolist() == [8, 1, 1]
    assert Fate.TRAINING in fates[410:]
    assert np.bincount(fates[:400]) / 400 == pytest.approx([0.8, 0.1, 0.1], abs=0.06)


def test_rows_are_parted_by_their_time_and_rows_without_one_are_dropped_by_rule():
    rows = spooled([("ab"[n % 2], n) for n in range(60)])
    sent = rows.column("sent").to_pylist()
    sent[5] = None
    rows = rows.set_column(2, "sent", pa.array(sent, pa.timestamp("s")))
    days = {"validation_from": "1970-01-31", "test_from": "1970-02-10"}
    data = {"types": {"sent": {"type": "date", "format": "%Y-%m-%d"}}}
    fates, dropped, _, _ = decided(rows, told(data=data, columns={"time": "sent"}, split={"by_time": days}))
    assert fates.tolist() == [0] * 5 + [Fate.NO_TIME] + [0] * 24 + [1] * 10 + [2] * 20
    assert dropped.rules["no_time"] == 1


def test_a_split_that_time_leaves_empty_is_refused():
    rows = spooled([("ab"[n % 2], n) for n in range(60)])
    days = {"validation_from": "1970-01-31", "test_from": "1990-01-01"}
    data = {"types": {"sent": {"type": "date", "format": "%Y-%m-%d"}}}
    with pytest.raises(InputError) as caught:
        decided(rows, told(data=data, columns={"time": "sent"}, split={"by_time": days}))
    assert "the test split is empty" in caught.value.message
    assert (
        "60 rows, from 1970-01-01 to 1970-03-01, with validation from 1970-01-31 and test from 1990-01-01"
        in caught.value.message
    )


def test_the_first_and_the_last_time_are_the_same_however_the_rows_are_sharded():
    rows = spooled([("ab"[n % 2], n) for n in range(60)])
    days = {"validation_from": "1970-01-31", "test_from": "1970-02-10"}
    data = {"types": {"sent": {"type": "date", "format": "%Y-%m-%d"}}}
    how = told(data=data, columns={"time": "sent"}, split={"by_time": days})
    for cuts in ((), (20, 50)):
        assert [f"{time:%m-%d}" for time in counted(rows, how, cuts).times] == ["01-01", "03-01"]


def test_too_few_classes_of_a_sample_are_laid_to_the_sample():
    rows = spooled([("a", n) for n in range(60)])
    with pytest.raises(InputError, match=r"or give more rows: --rows asked for a sample"):
        decided(rows, told(), sample=20)


@pytest.mark.parametrize("count", [90, 900])
@pytest.mark.parametrize("grouped", [True, False])
def test_training_and_validation_rows_have_a_fold_and_test_rows_have_none(count, grouped):
    rows = spooled([("ab"[n % 2], n // 3) for n in range(count)], grouped=grouped)
    how = told(columns={"group": "sender"} if grouped else {}, split={"folds": 5})
    fates, _, _, plan = decided(rows, how)
    folds = plan.folds_of(rows, fates)
    assert [fold is None for fold in folds.to_pylist()] == (fates == Fate.TEST).tolist()
    assert folds.drop_null().unique().sort().to_pylist() == [0, 1, 2, 3, 4]
    sizes = np.bincount(folds.drop_null().to_numpy())
    assert sizes / sizes.sum() == pytest.approx([0.2] * 5, abs=0.06)
    if grouped:
        pairs = {(n // 3, fold) for n, fold in enumerate(folds.to_pylist())}
        assert len(pairs) == len({group for group, _ in pairs})
