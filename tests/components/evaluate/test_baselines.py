"""The two baselines: honest, fitted on the training rows alone, and there whenever they can be."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from components.evaluate import baselines
from components.evaluate.baselines import fit_baselines
from components.evaluate.scores import Scores, log_softmax
from sluice.recipe.model import Columns
from tests.components.evaluate.builders import KINDS, a_table, fitted, raw_rows


def fit(tmp_path, rows, columns=None):
    """The baselines fitted on these raw rows, the features and the linear one's facts."""
    features = fitted(rows, columns) if columns else fitted(rows)
    predictors, facts = fit_baselines(features, a_table(tmp_path / "training", features, rows))
    return predictors, features, facts


def accuracy(predict, features, rows):
    table = features.transform(rows)
    scores = Scores(len(features.labels))
    scores.add(predict(table), table[features.label_column].to_numpy())
    return scores.metrics()["accuracy"]


def test_the_majority_baseline_gives_every_row_the_class_shares_of_the_training_rows(tmp_path):
    predictors, features, _ = fit(tmp_path, raw_rows(["box"] * 6 + ["crate"] * 3 + ["letter"]))
    logits = predictors["majority"](features.transform(raw_rows(["letter", "crate"])))
    assert np.exp(logits).tolist() == [pytest.approx([0.6, 0.3, 0.1])] * 2


def test_the_linear_baseline_learns_from_words(tmp_path):
    predictors, features, _ = fit(tmp_path, raw_rows(KINDS * 30))
    assert accuracy(predictors["linear"], features, raw_rows(KINDS * 20, seed=9)) == 1


def test_the_linear_baseline_learns_from_pairs_of_words(tmp_path):
    def notes(count):
        return ["not good but bad" if i % 2 else "not bad but good" for i in range(count)]

    kinds = ["box", "crate"] * 40
    predictors, features, _ = fit(tmp_path, raw_rows(kinds, notes(80)))
    assert accuracy(predictors["linear"], features, raw_rows(kinds, notes(80), seed=9)) == 1


@pytest.mark.parametrize("column", ["region", "weight"])
def test_the_linear_baseline_learns_from_columns(tmp_path, column):
    def rows(seed):
        drawn = raw_rows(["box"] * 200, ["same"] * 200, seed)
        values = drawn[column].to_pylist()
        middle = sorted(values)[100]
        return raw_rows(["box" if value < middle else "crate" for value in values], ["same"] * 200, seed)

    predictors, features, _ = fit(tmp_path, rows(1))
    assert accuracy(predictors["linear"], features, rows(2)) > 0.9


def test_the_linear_baseline_knows_an_unseen_category_as_unknown(tmp_path):
    predictors, features, _ = fit(tmp_path, raw_rows(KINDS * 20))
    rows = raw_rows(KINDS)
    rows = rows.set_column(rows.schema.get_field_index("carrier"), "carrier", pa.array(["ship"] * 3))
    assert accuracy(predictors["linear"], features, rows) == 1


def test_texts_without_a_single_word_leave_the_columns_to_learn_from(tmp_path):
    predictors, features, facts = fit(tmp_path, raw_rows(KINDS * 20, [""] * 60))
    assert facts["inputs"] == sum(features.cardinalities.values()) + len(features.number_columns)
    assert np.isfinite(predictors["linear"](features.transform(raw_rows(KINDS)))).all()


def test_text_alone_is_enough(tmp_path):
    predictors, features, _ = fit(tmp_path, raw_rows(KINDS * 20), Columns(text=("note",), label="kind"))
    assert accuracy(predictors["linear"], features, raw_rows(KINDS)) == 1


def test_training_rows_of_one_class_have_no_linear_baseline(tmp_path):
    predictors, _, facts = fit(tmp_path, raw_rows(["box"] * 20))
    assert list(predictors) == ["majority"]
    assert facts is None


def test_a_class_that_the_training_table_lacks_is_impossible_for_both(tmp_path):
    features = fitted(raw_rows(KINDS * 20))
    predictors, _ = fit_baselines(
        features, a_table(tmp_path / "t", features, raw_rows(["box", "letter"] * 20))
    )
    batch = features.transform(raw_rows(["crate"]))
    assert [predictors[name](batch)[0, 1] for name in ("majority", "linear")] == [-np.inf, -np.inf]


def test_how_it_was_fitted_is_on_record(tmp_path):
    facts = fit(tmp_path, raw_rows(KINDS * 20))[2]
    assert facts["regression"] == {
        "C": 10.0,
        "tol": 1e-4,
        "max_iter": 1000,
        "solver": "lbfgs",
        "penalty": "l2",
        "class_weight": None,
    }
    assert (facts["training_rows"], facts["converged"]) == (60, True)
    assert 0 < facts["iterations"] < 1000


def test_a_regression_that_runs_out_of_iterations_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(baselines.REGRESSION, "max_iter", 1)
    assert fit(tmp_path, raw_rows(KINDS * 20))[2]["converged"] is False


def test_fitting_twice_gives_the_same_numbers(tmp_path):
    rows, shown = raw_rows(KINDS * 20), raw_rows(KINDS, seed=5)
    one, features, _ = fit(tmp_path / "one", rows)
    two, _, _ = fit(tmp_path / "two", rows)
    batch = features.transform(shown)
    assert (one["linear"](batch) == two["linear"](batch)).all()


def test_the_linear_baselines_logits_are_scikit_learns_probabilities_for_two_classes_as_for_three(tmp_path):
    for kinds in (KINDS, KINDS[:2]):
        rows = raw_rows(kinds * 20)
        features = fitted(rows)
        linear = baselines.Linear(features, a_table(tmp_path / f"{len(kinds)}", features, rows))
        batch = features.transform(raw_rows(kinds, seed=7))
        expected = linear._regression.predict_proba(linear._matrix(batch))
        assert np.exp(log_softmax(linear.logits(batch))) == pytest.approx(expected, rel=1e-4)
