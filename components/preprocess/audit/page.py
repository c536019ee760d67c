"""How the audit reads: one page that opens from disk. What was found comes first; the numbers behind it follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path

from components.preprocess.audit.charts import STYLE, drift_chart, lengths_chart, shares_chart
from components.preprocess.audit.findings import percent, share
from components.preprocess.audit.record import Alike, Audit, Column, Drift, Example, NearDuplicates
from sluice.page import Html, document, number, prose, section, table
from sluice.recipe.measures import MEASURES

PAGE = "index.html"
CLASSES = 40
"""Classes that are drawn; all are in audit.json."""
DRIFTS = 20
WORDS = {"serious": "Serious", "look": "Look", "note": "Note"}
PAGE_STYLE = (
    STYLE
    + """
.finding { border-left: .35rem solid var(--line); padding: .1rem 0 .1rem .9rem; margin: 0 0 .9rem; }
.finding.serious { border-left-color: var(--no); } .finding.serious b { color: var(--no); }
.finding.look { border-left-color: var(--model); } .finding.look b { color: var(--model); }
.finding p { margin: 0; } .finding p:first-child { color: var(--ink); }
h3 { font-size: .95rem; margin: 1.2rem 0 .5rem; } details { margin: .4rem 0; } summary { cursor: pointer; }
"""
)


def write_page(audit: Audit, folder: Path) -> None:
    """Write index.html."""
    sections = [
        _audited(audit),
        _findings(audit),
        _headline(audit),
        section("Equal rows", *_duplicates(audit)),
        section("Equal rows with unequal labels", *_conflicts(audit)),
        section("What tells the label", *_leaks(audit)),
        section("Drift between the splits", *_drift(audit.drift, "training")),
        *(_earlier(audit) if audit.previous else ()),
        *(_hierarchies(audit) if audit.hierarchies else ()),
        section("Classes", *_classes(audit)),
        section("Columns", *_columns(audit.columns, audit.rows["training"])),
        section("Length of the texts", *_lengths(audit)),
        section("Every measure", _measures(audit.measures)),
        section("How this was measured", _method(audit.near_duplicates)),
    ]
    text = document("Audit of the data", Html("Audit of the data"), sections, PAGE_STYLE)
    (folder / PAGE).write_text(text, encoding="utf-8")


def _audited(audit: Audit) -> Html:
    """Which tables these are; no date, so that the same tables give the same page."""
    tables = ", ".join(
        f"{split} {rows:,} rows <code>{audit.of.digests[split][:12]}</code>"
        for split, rows in audit.rows.items()
    )
    text = " + ".join(audit.of.text)
    return Html(f"<p>Of {tables}. Label: {escape(audit.of.label)}. Text: {escape(text)}.</p>")


def _findings(audit: Audit) -> Html:
    parts = [
        Html(
            f'<div class="finding {one.severity}"><p><b>{WORDS[one.severity]}.</b> {escape(one.what)}</p>'
            f"<p>{escape(one.advice)}</p></div>"
        )
        for one in audit.findings
    ]
    return section("What to look at", *parts or [Html("<p>Nothing stands out.</p>")])


def _headline(audit: Audit) -> Html:
    shown: dict[str, tuple[str, Callable[[float | None], str], str]] = {
        "best_accuracy": ("Best accuracy possible", _share, "of any model with one label per row"),
        "duplicates_across_splits": (
            "Rows in two splits",
            _share,
            "of validation and test rows, by features",
        ),
        "strongest_feature": ("Strongest column", _strength, "0 tells nothing of the label, 1 all of it"),
    }
    tiles = "".join(
        f'<div class="tile"><span>{title}</span><strong>{tell(audit.measures[name])}</strong><small>{note}</small></div>'
        for name, (title, tell, note) in shown.items()
    )
    return section("In short", Html(f'<div class="tiles">{tiles}</div>'))


def _share(value: float | None) -> str:
    return "–" if value is None else percent(value) if value else "0 %"


def _strength(value: float | None) -> str:
    return number(value, 2)


def _duplicates(audit: Audit) -> Iterator[Html]:
    found, near = audit.duplicates, audit.near_duplicates
    rows = [
        [split, f"{count:,}", f"{found.rows[split]:,}", f"{found.across[split]:,}"]
        for split, count in audit.rows.items()
    ]
    yield Html(
        f"<p>Rows whose features, all that a model sees, are equal: {found.distinct:,} different ones in all.</p>"
    )
    yield table(["split", "rows", "repeat an earlier row of the split", "stand in another split, too"], rows)
    yield from _examples(found.examples)
    yield Html("<h3>Nearly equal texts</h3>")
    yield Html(f"<p>{_near(near)}</p>")
    if near.examples:
        pairs = [[f"{one.similarity:.0%}", Html(_text(one, 0) + _text(one, 1))] for one in near.examples]
        yield table(["in common", "two texts"], pairs, words=0, tail=1)


def _text(pair: Alike, which: int) -> str:
    return prose(Html(f"<small>{pair.splits[which]}</small> {escape(pair.texts[which])}"))


def _near(near: NearDuplicates) -> str:
    which = "a seeded sample of " if near.sampled else ""
    least = " At least: a text's like may be outside the sample." if near.sampled else ""
    return (
        f"Of {near.rows_looked_at:,} rows with {which}{near.texts:,} different texts, {percent(share(near.within, near.rows_looked_at))}"
        f" have a row in their own split with other features and a text that is the same or shares {near.threshold:.0%} of its"
        f" runs of three words; of the validation and test rows among them, {percent(share(near.across, near.unseen))} have one"
        f" in training.{least}"
    )


def _examples(found: Sequence[Example]) -> Iterator[Html]:
    if found:
        rows = [[prose(one.text), _counts(one.rows), _counts(one.labels)] for one in found]
        yield table(["most frequent", "rows", "labels"], rows, words=3)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _conflicts(audit: Audit) -> Iterator[Html]:
    best, found = audit.best_accuracy, audit.conflicts
    yield Html(
        f"<p>{found.inputs:,} different inputs stand in the tables with more than one label; {found.rows:,} rows have them."
        f" A model that gives each input its most frequent label is right on <b>{_share(best.tables)}</b> of the rows, and"
        f" none does better. Taken alone: training {_share(best.training)}, validation {_share(best.validation)},"
        f" test {_share(best.test)}.</p>"
    )
    yield from _examples(found.examples)


def _leaks(audit: Audit) -> Iterator[Html]:
    found = audit.leaks
    yield Html(
        "<p>One column alone, learned on training, asked of validation and test rows. Strength: 0 no better than always"
        " saying the largest class, 1 always right. What is strong is a good feature or the answer in disguise.</p>"
    )
    rows = [
        [
            leak.column,
            leak.by,
            number(leak.accuracy, 3),
            number(leak.majority, 3),
            Html(f"{_bar(leak.strength)}{number(leak.strength, 3)}"),
        ]
        for leak in found.columns
    ]
    yield table(["column", "answered by", "right", "largest class", "strength"], rows, words=2)
    named = found.label_in_text
    yield Html(
        f"<h3>Labels named in their texts</h3><p>{named.rows:,} texts hold the name of their label: {escape(_counts(named.labels)) or 'none'}.</p>"
    )
    if found.words:
        yield Html("<details><summary>The words that most right answers came from</summary>")
        told = [[one.words, one.label, f"{one.rows:,}", f"{one.right:,}"] for one in found.words]
        yield table(["word", "label", "rows answered", "right"], told, words=2)
        yield Html("</details>")


def _bar(value: float | None) -> str:
    return f'<span class="bar"><i style="width:{100 * (value or 0):.0f}%"></i></span>'


def _drift(found: Sequence[Drift], reference: str) -> Iterator[Html]:
    if not found:
        yield Html("<p>There is nothing to compare.</p>")
        return
    shown = found[:DRIFTS]
    which = f"The {DRIFTS} largest of {len(found)}. " if len(found) > DRIFTS else ""
    yield Html(
        f"<p>{which}Population stability index against {reference}: below 0.1 nothing moved, from 0.25 on much did. The dashed"
        " mark is what so few rows would show on average if nothing had.</p>"
    )
    yield drift_chart(shown)
    numbers = [one for one in shown if one.ks is not None]
    if numbers:
        rows = [
            [one.column, one.table, number(one.psi, 3), number(one.psi_by_chance, 3), number(one.ks, 3)]
            for one in numbers
        ]
        yield table(["numeric column", "table", "index", "by chance", "Kolmogorov-Smirnov"], rows, words=2)


def _earlier(audit: Audit) -> Iterator[Html]:
    where = Html(f"<p>Against <code>{escape(audit.previous or '')}</code>.</p>")
    yield section(
        "Drift from the earlier run", where, *_drift(audit.drift_from_previous, "the earlier training rows")
    )


def _hierarchies(audit: Audit) -> Iterator[Html]:
    rows = [
        [
            level.hierarchy,
            f"{level.child} under {level.parent}",
            f"{level.values:,}",
            f"{level.violations:,}",
            f"{level.without_parent:,}",
            prose("; ".join(f"{one.value} under {_counts(one.parents)}" for one in level.examples[:3])),
        ]
        for level in audit.hierarchies
    ]
    head = ["hierarchy", "level", "values", "under several parents", "rows without parent", "for example"]
    yield section("Hierarchies", table(head, rows, words=2, tail=1))


def _classes(audit: Audit) -> Iterator[Html]:
    counts = audit.classes.counts
    shown = dict(list(counts.items())[:CLASSES])
    which = (
        f"The {CLASSES} most frequent of {len(counts)} classes"
        if len(counts) > CLASSES
        else f"All {len(counts)} classes"
    )
    yield Html(
        f"<p>{which}: share of the rows of training (top), validation and test; the number is training's.</p>"
    )
    yield shares_chart(shown)
    removed = audit.classes.removed
    if removed:
        yield Html(f"<p>Removed as too rare: {escape(_counts(removed))}.</p>")


def _columns(columns: Sequence[Column], training: int) -> Iterator[Html]:
    rows = [
        [
            column.name,
            column.role,
            f"{column.distinct:,}",
            _share(share(column.missing["training"], training)),
            ", ".join(
                word for word, holds in (("constant", column.constant), ("unique", column.unique)) if holds
            ),
            _tops(column),
        ]
        for column in columns
    ]
    yield table(["column", "role", "different values", "missing", "", "in training"], rows, words=2, tail=2)


def _tops(column: Column) -> Html:
    numbers = ", ".join(f"{said} {value:,.6g}" for said, value in column.numbers.items())
    if not column.top:
        return prose(numbers or "every value once")
    values = "<br>".join(f"{escape(value)} <small>{count:,}</small>" for value, count in column.top.items())
    return prose(Html(f"{escape(numbers)}<details><summary>most frequent values</summary>{values}</details>"))


def _lengths(audit: Audit) -> Iterator[Html]:
    lengths = audit.lengths
    which = "a seeded sample of " if lengths.sampled else ""
    said = ", ".join(f"{name} {count:,}" for name, count in lengths.percentiles.items())
    yield Html(
        f"<p>In tokens of <code>{escape(lengths.backbone)}</code>, special ones included; {which}{lengths.texts:,} rows."
        f" The model reads {lengths.maximum:,} (dashed): {percent(share(lengths.cut_off, lengths.texts))} of the texts are"
        f" cut off. Percentiles: {said or 'none'}. The last step holds all that is longer.</p>"
    )
    yield lengths_chart(lengths)


def _measures(measures: Mapping[str, float | None]) -> Html:
    rows = [[name, number(measures[name]), meaning] for name, meaning in MEASURES.items()]
    return table(["measure", "value", "meaning"], rows, words=1, tail=1)


def _method(near: NearDuplicates) -> Html:
    return Html(
        "<ul><li>Rows are equal if all that a model sees of them is: the normalised text, the categories, levels and numbers"
        " as they are readable in the tables. They are compared by a 64-bit hash.</li>"
        "<li>The best accuracy counts, for each different input, the rows of its most frequent label.</li>"
        f"<li>Nearly equal texts are found by MinHash and locality-sensitive hashing over runs of three words, and each pair is"
        f" verified by counting: from {near.threshold:.0%} in common on.</li>"
        "<li>The most telling word of a text is the word, or two in a row, whose training rows agree most on one label.</li>"
        "<li>The population stability index goes over ten quantile bins of the reference table, or its twenty most frequent"
        " values, the rest and missing ones; each bin has half a row more, so that none is empty.</li>"
        "<li>Samples are drawn by a hash, always the same ones. Tables of up to a million rows give exact quantiles and"
        " Kolmogorov-Smirnov distances.</li></ul>"
    )
