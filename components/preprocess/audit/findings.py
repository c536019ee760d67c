"""What a person should look at first: each finding with its numbers and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from components.preprocess.audit.record import (
    Audit,
    Column,
    Drift,
    Duplicates,
    Finding,
    NearDuplicates,
)

SERIOUS, LOOK, NOTE = "serious", "look", "note"
ORDER = (SERIOUS, LOOK, NOTE)
GIVES_AWAY, TELLS = 0.95, 0.8
"""From which strength on a column gives the label away, and from which on it is looked at."""
SHIFTED, MOVED = 0.25, 0.1
"""The usual bounds of the population stability index."""
FAR = 0.1
"""A Kolmogorov-Smirnov distance that is looked at."""
NAMED = 3

Measures = Mapping[str, float | None]


def measures_of(audit: Audit) -> dict[str, float | None]:
    """What the data gate can ask for, by the names of `sluice.recipe.measures`."""
    rows, near = sum(audit.rows.values()), audit.near_duplicates
    training = audit.rows["training"]
    unseen = rows - training
    drift, earlier = audit.drift, audit.drift_from_previous
    strengths = [leak.strength for leak in audit.leaks.columns if leak.strength is not None]
    return {
        "rows": float(rows),
        "duplicate_rows": share(sum(audit.duplicates.rows.values()), rows),
        "duplicates_across_splits": share(_across(audit.duplicates), unseen),
        "near_duplicate_rows": share(near.within, near.rows_looked_at),
        "near_duplicates_across_splits": share(near.across, near.unseen),
        "label_conflict_rows": share(audit.conflicts.rows, rows),
        "best_accuracy": audit.best_accuracy.tables,
        "strongest_feature": max(strengths, default=None),
        "label_in_text": share(audit.leaks.label_in_text.rows, rows),
        "constant_columns": float(sum(column.constant for column in audit.columns)),
        "unique_columns": float(sum(column.unique for column in audit.columns)),
        "hierarchy_violations": float(sum(level.violations for level in audit.hierarchies)),
        "psi_between_splits": max((d.psi for d in drift), default=None),
        "ks_between_splits": max((d.ks for d in drift if d.ks is not None), default=None),
        "psi_to_previous": max((d.psi for d in earlier), default=None),
        "ks_to_previous": max((d.ks for d in earlier if d.ks is not None), default=None),
        "cut_off_rows": share(audit.lengths.cut_off, audit.lengths.texts),
        "missing_values": max(
            (share(c.missing["training"], training) or 0.0 for c in audit.columns), default=None
        )
        if training
        else None,
    }


def share(part: int, whole: int) -> float | None:
    """A share; none of nothing."""
    return part / whole if whole else None


def findings_of(audit: Audit, measures: Measures) -> tuple[Finding, ...]:
    """All that should be looked at, the most serious first."""
    found = [
        *_duplicates(audit.duplicates, measures),
        *_near_duplicates(audit.near_duplicates, measures),
        *_conflicts(audit, measures),
        *_leaks(audit),
        *_columns(audit.columns, audit.rows["training"]),
        *_hierarchies(audit),
        *_drift(audit.drift),
        *_earlier(audit.drift_from_previous),
        *_not_compared(audit.not_in_previous),
        *_lengths(audit, measures),
        *_removed(audit),
    ]
    return tuple(sorted(found, key=lambda finding: ORDER.index(finding.severity)))


def percent(value: float | None) -> str:
    """A share as a person reads it: none, 0.04 %, 12.3 %."""
    if not value:
        return "none"
    return f"{value:.2%}".replace("%", " %") if value < 0.01 else f"{value:.1%}".replace("%", " %")


def _across(duplicates: Duplicates) -> int:
    return sum(count for split, count in duplicates.across.items() if split != "training")


def _duplicates(found: Duplicates, measures: Measures) -> Iterator[Finding]:
    across = measures["duplicates_across_splits"]
    if across:
        what = f"{percent(across)} of the validation and test rows ({_across(found):,}) have the features of a row in another split"
        yield Finding(
            severity=SERIOUS if across >= 0.01 else LOOK,
            what=f"{what}: what is measured on them is partly memory.",
            advice="Keep such rows together: name the column that they share as columns.group in the recipe.",
        )
    within = measures["duplicate_rows"]
    if within and within >= 0.01:
        yield Finding(
            severity=LOOK,
            what=f"{percent(within)} of the rows repeat the features of an earlier row of their split.",
            advice="If each is a fact of its own, leave them; if a file was read twice or a join multiplied rows, correct that.",
        )


def _near_duplicates(found: NearDuplicates, measures: Measures) -> Iterator[Finding]:
    across = measures["near_duplicates_across_splits"]
    if across and across >= 0.01:
        sample = (
            f" (in a sample of {found.texts:,} different texts; there may be more)" if found.sampled else ""
        )
        yield Finding(
            severity=LOOK,
            what=f"{percent(across)} of the validation and test rows have the text of a training row, or nearly so, "
            f"though not all of its features{sample}.",
            advice="Where texts repeat by nature, as a firm's name does, that is as it should be. "
            "If they are copies of one document, group them.",
        )


def _conflicts(audit: Audit, measures: Measures) -> Iterator[Finding]:
    rows = measures["label_conflict_rows"]
    if not rows:
        return
    best = audit.best_accuracy.tables or 0.0
    yield Finding(
        severity=SERIOUS if best < 0.9 else LOOK,
        what=f"{percent(rows)} of the rows have the features of a row with another label: no model with one label per row "
        f"can be right on more than {best:.1%} of these tables.".replace("%", " %").replace("  %", " %"),
        advice="Read the model's accuracy beside this ceiling. To raise it, correct the labels, add the column that tells "
        "such rows apart, or join classes that mean the same.",
    )


def _leaks(audit: Audit) -> Iterator[Finding]:
    for leak in audit.leaks.columns:
        if leak.strength is None or leak.strength < TELLS:
            continue
        yield Finding(
            severity=SERIOUS if leak.strength >= GIVES_AWAY else LOOK,
            what=f"{leak.column} alone tells the label of rows that weren't learned on: {percent(leak.accuracy)} right "
            f"by {leak.by}, {percent(leak.majority)} by always saying the largest class.",
            advice="Ask whether it is known before the label is. If it was written with the label or from it, take it out "
            "of the recipe's columns.",
        )
    named = audit.leaks.label_in_text
    part = share(named.rows, sum(audit.rows.values()))
    if part and part >= 0.05:
        top = ", ".join(f"{label} {count:,}" for label, count in list(named.labels.items())[:NAMED])
        yield Finding(
            severity=SERIOUS if part >= 0.5 else LOOK,
            what=f"{percent(part)} of the texts hold the name of their label (most: {top}).",
            advice="If the text was written with the label in view, as a heading or a keyword, leave that part out.",
        )


def _columns(columns: tuple[Column, ...], training: int) -> Iterator[Finding]:
    for column in columns:
        if column.constant:
            yield Finding(
                severity=LOOK,
                what=f"{column.name} has one value in all training rows: nothing can be learned from it.",
                advice="Take it out of the recipe's columns, or find out why it was not filled.",
            )
        if column.unique:
            yield Finding(
                severity=LOOK,
                what=f"{column.name} has a value of its own in every training row: it names rows and says nothing of new ones.",
                advice="Take it out of the recipe's features; columns.id is the place for what identifies a row.",
            )
        missing = share(column.missing["training"], training) or 0.0
        if missing >= 0.2 and not column.constant:
            yield Finding(
                severity=LOOK if missing >= 0.5 else NOTE,
                what=f"{column.name} is missing in {percent(missing)} of the training rows.",
                advice="If that says something, the model is told (a missing flag, or the unknown index); if not, fill it at the source.",
            )


def _hierarchies(audit: Audit) -> Iterator[Finding]:
    for level in audit.hierarchies:
        if level.violations:
            one = level.examples[0]
            parents = ", ".join(f"{parent} ({rows:,})" for parent, rows in list(one.parents.items())[:NAMED])
            yield Finding(
                severity=LOOK,
                what=f"{level.violations:,} of {level.values:,} values of {level.child} stand below more than one "
                f"{level.parent}: {one.value} below {parents}.",
                advice="The model tells them apart by their path. If they are one thing, correct the parent; if the levels "
                "are no hierarchy, make them two categorical columns.",
            )


def _drift(found: tuple[Drift, ...]) -> Iterator[Finding]:
    worst = next((d for d in found if _moved(d)), None)
    if worst:
        yield Finding(
            severity=LOOK,
            what=f"{worst.column} is spread differently in {worst.table} than in training: {_distances(worst)}.",
            advice="A split by time or group does that, and it is then what a model will meet. A random split should not: look at the grouping.",
        )


def _earlier(found: tuple[Drift, ...]) -> Iterator[Finding]:
    for one in [d for d in found if _moved(d)][:NAMED]:
        yield Finding(
            severity=SERIOUS if one.psi >= SHIFTED else LOOK,
            what=f"{one.column} is spread differently than in the earlier run's training rows: {_distances(one)}.",
            advice="Find out whether the world has changed or the files have, before a model learns it.",
        )


def _not_compared(found: Mapping[str, str | None]) -> Iterator[Finding]:
    for name, kind in found.items():
        where = (
            "not in the previous table" if kind is None else f"of another type in the previous table, {kind}"
        )
        yield Finding(
            severity=LOOK,
            what=f"Column {name} is {where}: how far it has drifted since isn't measured.",
            advice="If the recipe has gained it or renamed it, that is as it should be. "
            "If not, --previous names another recipe's table.",
        )


def _moved(d: Drift) -> bool:
    """Whether it is more than the few rows of a small table make by chance."""
    return (d.psi >= MOVED and d.psi >= 3 * d.psi_by_chance) or (
        d.ks is not None and d.ks >= FAR and d.psi >= 2 * d.psi_by_chance
    )


def _distances(d: Drift) -> str:
    ks = "" if d.ks is None else f", Kolmogorov-Smirnov distance {d.ks:.3f}"
    return f"population stability index {d.psi:.3f} (about {d.psi_by_chance:.3f} by chance){ks}"


def _lengths(audit: Audit, measures: Measures) -> Iterator[Finding]:
    cut = measures["cut_off_rows"]
    if cut and cut >= 0.01:
        lengths = audit.lengths
        yield Finding(
            severity=LOOK if cut >= 0.1 else NOTE,
            what=f"{percent(cut)} of the texts have more than the {lengths.maximum} tokens that the model reads "
            f"(median {lengths.percentiles['50%']:,}, 95th percentile {lengths.percentiles['95%']:,}).",
            advice="If what matters stands at the end, raise model.maximum_tokens; time grows with it.",
        )


def _removed(audit: Audit) -> Iterator[Finding]:
    removed = audit.classes.removed
    if removed:
        names = ", ".join(list(removed)[:NAMED]) + (" and others" if len(removed) > NAMED else "")
        yield Finding(
            severity=NOTE,
            what=f"{_count(len(removed), 'class', 'classes')} of {_count(sum(removed.values()), 'row', 'rows')} removed as too rare ({names}): "
            "the model never answers with them.",
            advice="Join them to others, or collect more rows, if they matter.",
        )


def _count(number: int, one: str, more: str) -> str:
    return f"{number:,} {one if number == 1 else more}"
