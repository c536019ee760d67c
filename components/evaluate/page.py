"""How an evaluation reads: one self-contained HTML page that opens from disk, with its plots inside and beside it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from components.evaluate.charts import (
    BARS,
    CELLS,
    DARK,
    LIGHT,
    Chart,
    confidence_chart,
    confusion_chart,
    f1_chart,
    png,
)
from components.evaluate.evaluation import EVALUATION, Evaluation
from components.evaluate.measure import PREDICTIONS
from sluice.page import Html, document, number, prose, section, table

PAGE = "report.html"
CONFUSIONS = 15
"""How many pairs of confused classes are listed."""
TITLES = {
    "accuracy": "Accuracy",
    "macro_f1": "Macro F1",
    "weighted_f1": "Weighted F1",
    "top_3_accuracy": "Top-3 accuracy",
    "top_5_accuracy": "Top-5 accuracy",
    "loss": "Loss (lower is better)",
}
PREDICTORS = {"model": "Model", "linear": "Linear baseline", "majority": "Majority class"}


def write_page(evaluation: Evaluation, folder: Path) -> None:
    """Write report.html, and its plots as PNG files beside it."""
    sections = [
        _verdict(evaluation),
        _headline(evaluation),
        *(_details(evaluation, folder) if evaluation.per_class() else ()),
        section("How this was measured", _method(evaluation)),
        section("What was measured", _lineage(evaluation)),
    ]
    digest = evaluation.inputs["model"].digest[:12]
    heading = Html(f"Evaluation of model <code>{digest}</code>")
    text = document(f"Evaluation of model {digest}", heading, sections)
    (folder / PAGE).write_text(text, encoding="utf-8")


def _details(evaluation: Evaluation, folder: Path) -> list[Html]:
    """What there is to tell if any row was scored."""
    return [
        section("F1 by class", _f1_note(evaluation), _plot(f1_chart, evaluation, folder)),
        section("Confusion matrix", _confusion_note(evaluation), _plot(confusion_chart, evaluation, folder)),
        section("Classes most often confused", _confused(evaluation)),
        section("Confidence", _plot(confidence_chart, evaluation, folder)),
        section("Most confident mistakes", _mistakes(evaluation)),
        section("Every class", _classes(evaluation)),
    ]


def _verdict(evaluation: Evaluation) -> Html:
    word, kind = ("Accepted", "yes") if evaluation.passed else ("Refused", "no")
    items = "".join(
        f'<li class="{"yes" if rule.passed else "no"}">{escape(rule.sentence)}</li>'
        for rule in evaluation.rules
    )
    return Html(f'<section class="verdict {kind}"><h2>Metric gate: {word}</h2><ul>{items}</ul></section>')


def _headline(evaluation: Evaluation) -> Html:
    found = evaluation.measured.finite_metrics
    predictors = {key: title for key, title in PREDICTORS.items() if key in found}
    rows = [
        [title, *_marked(metric, [found[p][metric] for p in predictors])] for metric, title in TITLES.items()
    ]
    tiles = "".join(
        f'<div class="tile"><span>{TITLES[metric]}</span><strong>{number(found["model"][metric])}</strong>'
        f"<small>{escape(_beside(found, metric))}</small></div>"
        for metric in ("macro_f1", "accuracy")
    )
    counts = f"{evaluation.measured.model.rows:,} test rows, {len(evaluation.measured.labels)} classes"
    scores = table(["", *predictors.values()], rows)
    parts = Html(f'<p>{counts}</p><div class="tiles">{tiles}</div>'), _ceiling(evaluation), scores
    return section("Beside the baselines", *parts)


def _ceiling(evaluation: Evaluation) -> Html:
    """How much of the score that is missing no model could have."""
    best, here = evaluation.ceiling.tables, evaluation.ceiling.test
    if best is None:
        return Html("")
    why = "no" if best == 1 else "some"
    return Html(
        f"<p>The best accuracy that any model with one class per row can reach on these tables is <b>{number(best)}</b>"
        f" (on the test rows taken alone {number(here)}): {why} rows with equal features have unequal labels.</p>"
    )


def _beside(found: dict[str, dict[str, float | None]], metric: str) -> str:
    others = [
        (title, found[key][metric]) for key, title in PREDICTORS.items() if key != "model" and key in found
    ]
    return ", ".join(f"{title.lower()} {number(value)}" for title, value in others)


def _marked(metric: str, values: Sequence[float | None]) -> list[str]:
    """The values as text, the best of them in bold."""
    known = [value for value in values if value is not None]
    best = (min if metric == "loss" else max)(known, default=None)
    return [Html(f"<b>{number(v)}</b>") if v is not None and v == best else number(v) for v in values]


def _f1_note(evaluation: Evaluation) -> Html:
    count = len(evaluation.per_class())
    which = f"The {BARS} most frequent of {count} classes" if count > BARS else f"All {count} classes"
    return Html(f"<p>{which}, with their test rows.</p>")


def _confusion_note(evaluation: Evaluation) -> Html:
    count = len(evaluation.per_class())
    which = f" The {CELLS} most frequent of {count} classes; the rest in one." if count > CELLS else ""
    return Html(
        f"<p>Each line shows in percent where a class's rows went.{which} All counts are in <code>{EVALUATION}</code>.</p>"
    )


def _confused(evaluation: Evaluation) -> Html:
    counts = evaluation.measured.model.confusion.copy()
    support = counts.sum(axis=1)
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")
    pairs = islice(
        ((i, j) for i, j in zip(*np.unravel_index(order, counts.shape), strict=True) if counts[i, j]),
        CONFUSIONS,
    )
    labels = evaluation.measured.labels
    rows = [[labels[i], labels[j], str(counts[i, j]), f"{counts[i, j] / support[i]:.0%}"] for i, j in pairs]
    return table(["true class", "predicted as", "rows", "of the class"], rows, words=2)


def _mistakes(evaluation: Evaluation) -> Html:
    rows = [
        [str(m.row_id), f"{m.confidence:.3f}", m.label, m.predicted, prose(m.text)]
        for m in evaluation.measured.most_confident_mistakes
    ]
    return table(["row", "confidence", "true class", "predicted", "text"], rows, words=0, tail=3)


def _classes(evaluation: Evaluation) -> Html:
    rows = [
        [
            c["label"],
            str(c["support"]),
            *(f"{c[name]:.3f}" for name in ("precision", "recall")),
            Html(f'<span class="bar"><i style="width:{100 * c["f1"]:.0f}%"></i></span>{c["f1"]:.3f}'),
            number(c["linear_f1"], 3),
        ]
        for c in evaluation.per_class()
    ]
    left = len(evaluation.measured.labels) - len(rows)
    note = f"<p>{left} more classes neither occur in the test rows nor were predicted.</p>" if left else ""
    return Html(table(["class", "rows", "precision", "recall", "F1", "F1, linear baseline"], rows) + note)


def _method(evaluation: Evaluation) -> Html:
    return Html(
        "<ul><li>A prediction is the most probable class. Precision, recall and F1 are 0 where their denominator is.</li>"
        "<li>Macro F1 is the plain mean of F1 over the classes that occur in the test rows or were predicted for one of"
        " them, as in scikit-learn; weighted F1 weighs each class by its rows. Loss is the mean cross-entropy in nats."
        " All of it is the same for the model and the baselines, on the same rows.</li>"
        "<li>The majority class, and the class shares behind its loss and top-k accuracy, are those of the training rows.</li>"
        f"<li>{escape(_linear_note(evaluation.linear_facts))}</li>"
        f"<li>Every row's prediction is in <code>{PREDICTIONS}</code>.</li></ul>"
    )


def _linear_note(facts: Any) -> str:
    if facts is None:
        return "There is no linear baseline: the training rows are of fewer than two classes."
    came = "converged" if facts["converged"] else "did not converge"
    return (
        f"The linear baseline is {facts['what']}, fitted on the {facts['training_rows']:,} training rows alone: words"
        f" and pairs of words, {facts['inputs']:,} inputs, L2 penalty with C = {facts['regression']['C']:g}, no class"
        f" weights; it {came} after {facts['iterations']} iterations."
    )


def _lineage(evaluation: Evaluation) -> Html:
    rows = [
        [
            entry["name"],
            entry["kind"],
            "" if entry["rows"] is None else f"{entry['rows']:,}",
            _digest(entry["digest"]),
            ", ".join(f"{name} {digest[:12]}" for name, digest in entry["made_from"].items()),
        ]
        for entry in evaluation.lineage()
    ]
    return table(["input", "kind", "rows", "digest", "made from"], rows, words=2, tail=2)


def _digest(digest: str) -> Html:
    return Html(f"<code>{escape(digest)}</code>")


def _plot(chart: Chart, evaluation: Evaluation, folder: Path) -> Html:
    """The chart in the reader's theme; the light one also as a file."""
    name = f"{chart.__name__.removesuffix('_chart')}.png"
    light, dark = png(chart, evaluation, LIGHT), png(chart, evaluation, DARK)
    (folder / name).write_bytes(light)
    source = f'<source media="(prefers-color-scheme: dark)" srcset="{_data_uri(dark)}">'
    alt = (chart.__doc__ or "").strip()
    image = f'<img src="{_data_uri(light)}" alt="{escape(alt)}">'
    return Html(f"<figure><picture>{source}{image}</picture></figure>")


def _data_uri(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"
