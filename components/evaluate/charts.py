"""How an evaluation is drawn: one figure per question, in a light and a dark theme."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from components.evaluate.evaluation import Evaluation
from components.evaluate.measure import BINS
from components.evaluate.scores import Array

BARS = 40
"""Classes in the F1 chart; more are not read."""
CELLS = 30
"""Classes on a side of the confusion matrix; the others are summed up in one more."""
LETTERS = 30
"""Longer labels are cut off in a chart."""
DOTS_PER_INCH = 130


class Theme(NamedTuple):
    """The colours of a figure."""

    ground: str
    ink: str
    faint: str
    model: str
    baseline: str
    wrong: str


LIGHT = Theme("#ffffff", "#1c2430", "#d9dee6", "#2f6fde", "#1c2430", "#d9822b")
DARK = Theme("#171c24", "#dfe5ee", "#333c49", "#6ea2ff", "#f2f5fa", "#e8a04f")

Chart = Callable[[Evaluation, Theme], Figure]


def png(chart: Chart, evaluation: Evaluation, theme: Theme) -> bytes:
    """A chart as PNG; the same bytes for the same evaluation."""
    figure, target = chart(evaluation, theme), BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "Glyph .* missing from font"
        )  # a label in a script that the font lacks
        figure.savefig(
            target, format="png", dpi=DOTS_PER_INCH, facecolor=theme.ground, metadata={"Software": None}
        )
    return target.getvalue()


def f1_chart(evaluation: Evaluation, theme: Theme) -> Figure:
    """F1 of the most frequent classes, the linear baseline's as a mark."""
    classes = evaluation.per_class()[:BARS]
    figure, axes = _figure(theme, 9, 1 + 0.23 * len(classes))
    places = np.arange(len(classes))
    axes.barh(places, [c["f1"] for c in classes], height=0.68, color=theme.model, label="model")
    if evaluation.linear_facts:
        marks = [c["linear_f1"] for c in classes]
        axes.plot(
            marks,
            places,
            "|",
            color=theme.baseline,
            markersize=9,
            markeredgewidth=2,
            clip_on=False,
            label="linear baseline",
        )
    _names(axes, "y", [f"{_cut(c['label'])}  ({c['support']})" for c in classes])
    axes.set(xlim=(0, 1), xlabel="F1 on the test rows", ylim=(len(classes) - 0.4, -0.6))
    axes.grid(axis="x", color=theme.faint, linewidth=0.8)
    _legend(figure, axes, theme)
    return figure


def confusion_chart(evaluation: Evaluation, theme: Theme) -> Figure:
    """Where the rows of each class go, as shares of its rows."""
    names, counts = folded_confusion(evaluation)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 2.6 + 0.26 * len(names)
    figure, axes = _figure(theme, side + 1.1, side)
    colours = LinearSegmentedColormap.from_list("shares", [theme.ground, theme.model])
    image = axes.imshow(shares, cmap=colours, vmin=0, vmax=1)
    for row, column in zip(*np.nonzero(shares >= 0.01), strict=True):
        ink = theme.ground if shares[row, column] > 0.6 else theme.ink
        axes.text(
            column, row, f"{100 * shares[row, column]:.0f}", ha="center", va="center", fontsize=6, color=ink
        )
    _names(axes, "x", names)
    axes.tick_params(axis="x", rotation=90)
    _names(axes, "y", names)
    axes.set(xlabel="predicted", ylabel="true")
    bar = figure.colorbar(image, ax=axes, shrink=0.5, format=lambda share, _: f"{100 * share:.0f} %")
    bar.ax.tick_params(colors=theme.ink, labelsize=8)
    bar.outline.set_visible(False)
    return figure


def confidence_chart(evaluation: Evaluation, theme: Theme) -> Figure:
    """How sure the model is of its predictions, right and wrong ones."""
    figure, axes = _figure(theme, 9, 3)
    wrong, right = evaluation.measured.confidence
    edges = np.arange(BINS) / BINS
    axes.bar(edges, right, width=0.9 / BINS, align="edge", color=theme.model, label="right")
    axes.bar(edges, wrong, width=0.9 / BINS, align="edge", bottom=right, color=theme.wrong, label="wrong")
    axes.set(xlim=(0, 1), xlabel="probability of the predicted class", ylabel="test rows")
    axes.grid(axis="y", color=theme.faint, linewidth=0.8)
    _legend(figure, axes, theme)
    return figure


def folded_confusion(evaluation: Evaluation) -> tuple[list[str], Array]:
    """The confusion matrix of the most frequent classes that occur; the others, if any, as one more at the end."""
    counts = evaluation.measured.model.confusion
    rows = counts.sum(axis=1)
    occurring = np.flatnonzero(rows + counts.sum(axis=0))
    order = occurring[np.argsort(-rows[occurring], kind="stable")]
    shown, others = order[:CELLS], order[CELLS:]
    groups: list[Array] = [*np.split(shown, len(shown)), *([others] if len(others) else [])]
    folded = np.array([[counts[np.ix_(a, b)].sum() for b in groups] for a in groups])
    names = [_cut(evaluation.measured.labels[i]) for i in shown]
    return names + ([f"{len(others)} other classes"] if len(others) else []), folded


def _figure(theme: Theme, width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.set_facecolor(theme.ground)
    axes.set_axisbelow(True)
    axes.tick_params(colors=theme.ink, labelsize=8, length=0)
    axes.xaxis.label.set_color(theme.ink)
    axes.yaxis.label.set_color(theme.ink)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure, axes


def _legend(figure: Figure, axes: Axes, theme: Theme) -> None:
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(
        range(len(labels)), key=lambda i: labels[i] not in ("model", "right")
    )  # the model's own first
    figure.legend(
        [handles[i] for i in order],
        [labels[i] for i in order],
        loc="outside upper right",
        ncols=2,
        frameon=False,
        labelcolor=theme.ink,
        fontsize=9,
    )


def _names(axes: Axes, side: str, names: list[str]) -> None:
    axis: Any = axes.xaxis if side == "x" else axes.yaxis
    for tick in axis.set_ticks(range(len(names)), labels=names):
        tick.label1.set_parse_math(False)  # a label's dollar signs are no formula


def _cut(label: str) -> str:
    line = " ".join(label.split())
    return line if len(line) <= LETTERS else line[: LETTERS - 1] + "…"
