"""The page opens from disk with nothing from elsewhere, and shows data as text, whatever the data hold."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from components.evaluate.ceiling import Ceiling
from components.evaluate.charts import CELLS, LIGHT, confusion_chart, folded_confusion, png
from components.evaluate.evaluation import Evaluation
from components.evaluate.gate import Rule
from components.evaluate.measure import Measured, Mistake
from components.evaluate.page import write_page
from components.evaluate.scores import Scores
from tests.components.evaluate.builders import inputs

HOSTILE = '<script>alert("label")</script>'
FACTS = {
    "what": "a line",
    "training_rows": 9,
    "inputs": 4,
    "regression": {"C": 1.0},
    "converged": True,
    "iterations": 3,
}

FINE = Rule("accuracy", True, "accuracy is fine.")


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory):
    made = inputs(tmp_path_factory.mktemp("artifacts"))
    return {"model": made.model, "training": made.training, "test": made.test}


@pytest.fixture
def evaluation(artifacts):
    """Make an evaluation of some classes with made-up answers."""

    def make(labels, rows=200, linear=True, rules=(FINE,), mistakes=()):
        numbers = np.random.default_rng(3)
        truth = numbers.integers(0, len(labels), rows)
        logits = numbers.normal(size=(rows, len(labels)))
        scores = {
            name: Scores(len(labels)) for name in ("model", "majority", *(["linear"] if linear else []))
        }
        for one in scores.values():
            one.add(logits, truth)
        measured = Measured(tuple(labels), scores, mistakes=list(mistakes))
        ceiling = Ceiling(tables=0.475, test=0.5)
        return Evaluation(measured, tuple(rules), FACTS if linear else None, artifacts, ceiling)

    return make


class Tags(HTMLParser):
    """What a browser would see: elements, links and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: list[str] = []
        self.sources: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.sources += [
            value for name, value in attrs if name in ("src", "srcset", "href", "data", "action")
        ]
        if tag not in ("meta", "img", "source", "link", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def page_of(evaluation, folder):
    write_page(evaluation, folder)
    return (folder / "report.html").read_text(encoding="utf-8")


def test_data_are_shown_as_text(evaluation, tmp_path):
    mistake = Mistake(0.9, -7, HOSTILE, "letter", '<img src=x onerror="alert(1)">')
    rule = Rule("x", False, "waived: <b>because</b>")
    page = page_of(evaluation([HOSTILE, "letter"], mistakes=[mistake], rules=[rule]), tmp_path)
    seen = Tags(page)
    assert not {"script", "b"} & set(re.findall(r"<(script|b)\b(?!>[\d.]+</b>)", page))
    for text in (HOSTILE, '<img src=x onerror="alert(1)">', "waived: <b>because</b>"):
        assert text in seen.text
    assert seen.open == []


def test_nothing_comes_from_elsewhere(evaluation, tmp_path):
    page = page_of(evaluation(["box", "letter"]), tmp_path)
    seen = Tags(page)
    assert len(seen.sources) == 6
    assert all(source.startswith("data:image/png;base64,") for source in seen.sources)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", re.sub(r"base64,[A-Za-z0-9+/=]+", "", page))
    assert not {"script", "link", "iframe"} & set(seen.names)


def test_the_plots_are_files_beside_the_page_too(evaluation, tmp_path):
    page_of(evaluation(["box", "letter"]), tmp_path)
    plots = sorted(path.name for path in tmp_path.glob("*.png"))
    assert plots == ["confidence.png", "confusion.png", "f1.png"]
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in plots)


def test_the_same_evaluation_gives_the_same_bytes(evaluation):
    made = evaluation(["box", "letter"])
    assert png(confusion_chart, made, LIGHT) == png(confusion_chart, made, LIGHT)


@pytest.mark.parametrize(
    ("passed", "word", "sentence"),
    [(True, "Accepted", "accuracy is fine."), (False, "Refused", "accuracy is 0.1: too low.")],
)
def test_the_verdict_stands_first_with_its_sentences(evaluation, tmp_path, passed, word, sentence):
    seen = Tags(page_of(evaluation(["box", "letter"], rules=[Rule("accuracy", passed, sentence)]), tmp_path))
    assert (
        seen.text.index(f"Metric gate: {word}")
        < seen.text.index(sentence)
        < seen.text.index("Beside the baselines")
    )


def test_headline_numbers_stand_beside_both_baselines(evaluation, tmp_path):
    made = evaluation(["box", "letter"])
    seen = Tags(page_of(made, tmp_path))
    macro_f1 = made.measured.finite_metrics["model"]["macro_f1"]
    assert f"linear baseline {macro_f1:.4f}, majority class {macro_f1:.4f}" in seen.text


def test_the_digests_of_what_was_measured_are_shown(evaluation, artifacts, tmp_path):
    seen = Tags(page_of(evaluation(["box", "letter"]), tmp_path))
    assert all(artifact.digest in seen.text for artifact in artifacts.values())


def test_no_linear_baseline_is_said(evaluation, tmp_path):
    seen = Tags(page_of(evaluation(["box", "letter"], linear=False), tmp_path))
    assert "There is no linear baseline: the training rows are of fewer than two classes." in seen.text


def test_an_evaluation_of_no_rows_still_has_a_page(evaluation, tmp_path):
    assert "0 test rows, 2 classes" in Tags(page_of(evaluation(["box", "letter"], rows=0), tmp_path)).text


def test_a_label_with_dollars_or_in_another_script_or_of_many_lines_is_drawn(evaluation, tmp_path):
    page_of(evaluation(["$x_{1$ for $5", "薬剤費", "two\nlines", "", "x" * 500]), tmp_path)


def test_the_confusion_matrix_of_many_classes_is_folded_without_losing_a_row(evaluation):
    made = evaluation([f"kind {i}" for i in range(80)], rows=3000)
    names, counts = folded_confusion(made)
    assert len(names) == CELLS + 1
    assert names[-1] == "50 other classes"
    assert counts.shape == (CELLS + 1, CELLS + 1)
    assert counts.sum() == 3000


def test_the_confusion_matrix_of_few_classes_is_whole(evaluation):
    made = evaluation(["box", "crate", "letter"], rows=300)
    names, counts = folded_confusion(made)
    order = [made.measured.labels.index(name) for name in names]
    assert (counts == made.measured.model.confusion[np.ix_(order, order)]).all()
