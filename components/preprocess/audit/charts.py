"""The audit's plots as inline SVG: drawn in the page's own colours, light or dark, and sharp at any size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from components.preprocess.audit.record import Drift, Lengths
from sluice.page import Html

WIDTH, HEIGHT, FOOT = 900, 200, 36
LETTERS = 34
SHARES = ("training", "validation", "test")

STYLE = """
svg { display: block; width: 100%; height: auto; } svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }
svg .within { fill: var(--model); } svg .beyond { fill: var(--no); } svg .axis { stroke: var(--line); }
svg .training { fill: var(--model); } svg .validation { fill: var(--soft); } svg .test { fill: var(--yes); }
svg .limit { stroke: var(--no); stroke-dasharray: 4 3; } svg .name { fill: var(--ink); }
"""


def lengths_chart(lengths: Lengths) -> Html:
    """Texts by their tokens, those that are cut off in another colour."""
    starts, counts = [int(start) for start in lengths.histogram], list(lengths.histogram.values())
    if not counts:
        return Html("")
    wide, tall = WIDTH / len(counts), max(max(counts), 1)
    parts = []
    for i, (start, count) in enumerate(zip(starts, counts, strict=True)):
        high = (HEIGHT - FOOT) * count / tall
        kind = "beyond" if start > lengths.maximum else "within"
        title = f"from {start:,} tokens: {count:,} texts"
        parts.append(
            f'<rect class="{kind}" x="{i * wide + 1:.1f}" y="{HEIGHT - FOOT - high:.1f}" width="{wide - 2:.1f}" '
            f'height="{high:.1f}"><title>{title}</title></rect>'
        )
        if i % 2 == 0:
            parts.append(
                f'<text x="{i * wide + wide / 2:.1f}" y="{HEIGHT - FOOT + 16}" text-anchor="middle">{start:,}</text>'
            )
    place = _place(lengths.maximum, starts) * wide
    parts.append(f'<line class="limit" x1="{place:.1f}" x2="{place:.1f}" y1="0" y2="{HEIGHT - FOOT}"/>')
    parts.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 4}" text-anchor="middle">tokens of a text</text>')
    return _svg(HEIGHT, parts, f"texts by length; the model reads {lengths.maximum} tokens")


def _place(value: int, starts: Sequence[int]) -> float:
    """Where a value stands on an axis of steps, in steps."""
    step = starts[1] - starts[0] if len(starts) > 1 else 1
    return min((value - starts[0]) / step, len(starts))


def shares_chart(counts: Mapping[str, Mapping[str, int]]) -> Html:
    """Each class's share of the rows of each split, side by side: equal bars mean equal shares."""
    totals = {split: max(sum(one[split] for one in counts.values()), 1) for split in SHARES}
    shares = {name: {split: one[split] / totals[split] for split in SHARES} for name, one in counts.items()}
    largest = max((share for one in shares.values() for share in one.values()), default=0) or 1
    parts = []
    for i, (name, one) in enumerate(shares.items()):
        top = i * 30
        parts.append(f'<text class="name" x="0" y="{top + 18}">{escape(_cut(name))}</text>')
        for j, split in enumerate(SHARES):
            long = (WIDTH - 330) * one[split] / largest
            parts.append(
                f'<rect class="{split}" x="260" y="{top + 3 + j * 8}" width="{long:.1f}" height="7">'
                f"<title>{split}: {one[split]:.2%}</title></rect>"
            )
        said = f"{one['training']:.1%}"
        parts.append(f'<text x="{WIDTH}" y="{top + 18}" text-anchor="end">{said}</text>')
    return _svg(30 * len(shares), parts, "each class's share of the rows of each split")


def drift_chart(drifts: Sequence[Drift]) -> Html:
    """The population stability index of each column, and what chance alone would make of it as a mark."""
    largest = max([0.25, *(one.psi for one in drifts)])
    parts = []
    for i, one in enumerate(drifts):
        top, long = i * 24, (WIDTH - 330) * one.psi / largest
        mark = 260 + (WIDTH - 330) * min(one.psi_by_chance / largest, 1)
        kind = "beyond" if one.psi >= 0.25 else "within"
        said = escape(f"{_cut(one.column)}, {one.table}")
        parts.append(f'<text class="name" x="0" y="{top + 16}">{said}</text>')
        parts.append(f'<rect class="{kind}" x="260" y="{top + 4}" width="{long:.1f}" height="14"/>')
        parts.append(f'<line class="limit" x1="{mark:.1f}" x2="{mark:.1f}" y1="{top + 1}" y2="{top + 21}"/>')
        parts.append(f'<text x="{WIDTH}" y="{top + 16}" text-anchor="end">{one.psi:.3f}</text>')
    return _svg(24 * len(drifts), parts, "population stability index by column")


def _svg(height: float, parts: Sequence[str], label: str) -> Html:
    head = f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(label)}">'
    return Html(f"<figure>{head}{''.join(parts)}</svg></figure>")


def _cut(name: str) -> str:
    return name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"
