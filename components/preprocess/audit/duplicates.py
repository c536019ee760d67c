"""Equal features: rows that repeat others, and labels that contradict each other."""

from __future__ import annotations

from collections.abc import Iterable

from components.preprocess.audit.record import BestAccuracy, Conflicts, Duplicates, Example
from components.preprocess.audit.rows import SPLITS, Rows

SHOWN = 5


def group(rows: Rows) -> None:
    """Count the rows of each key, split and label, once for all that asks."""
    rows.connection.execute(
        "CREATE TABLE groups AS SELECT key, split, label, count(*)::BIGINT AS n, min(row) AS first "
        "FROM keyed GROUP BY ALL"
    )


def find_duplicates(rows: Rows) -> Duplicates:
    """Rows whose features equal those of another row."""
    by_split = rows.query(
        "WITH parts AS (SELECT key, split, sum(n) AS n FROM groups GROUP BY ALL), "
        "keys AS (SELECT key, count(*) AS splits FROM parts GROUP BY key) "
        "SELECT split, sum(n)::BIGINT - count(*), coalesce(sum(n) FILTER (splits > 1), 0)::BIGINT "
        "FROM parts JOIN keys USING (key) GROUP BY split"
    )
    repeated = {SPLITS[split]: again for split, again, _ in by_split}
    across = {SPLITS[split]: shared for split, _, shared in by_split}
    return Duplicates(
        distinct=rows.one("SELECT count(DISTINCT key) FROM groups"),
        rows={split: repeated.get(split, 0) for split in SPLITS},
        across={split: across.get(split, 0) for split in SPLITS},
        examples=_examples(rows, "sum(n) > 1"),
    )


def find_conflicts(rows: Rows) -> Conflicts:
    """Rows whose features stand in the tables with another label as well."""
    inputs, found = rows.query(
        "SELECT count(*), coalesce(sum(n), 0)::BIGINT FROM "
        "(SELECT sum(n) AS n FROM groups GROUP BY key HAVING count(DISTINCT label) > 1)"
    )[0]
    return Conflicts(rows=found, inputs=inputs, examples=_examples(rows, "count(DISTINCT label) > 1"))


def find_best_accuracy(rows: Rows) -> BestAccuracy:
    """How well one label per row can do: each input's most frequent one."""
    right = rows.one(
        "SELECT coalesce(sum(most), 0)::BIGINT FROM (SELECT max(n) AS most FROM "
        "(SELECT key, label, sum(n) AS n FROM groups GROUP BY ALL) GROUP BY key)"
    )
    by_split = rows.query(
        "SELECT split, sum(most)::BIGINT FROM (SELECT split, max(n) AS most FROM groups GROUP BY key, split) GROUP BY split"
    )
    best = {SPLITS[split]: most / rows.counts[SPLITS[split]] for split, most in by_split}
    everywhere = right / rows.total if rows.total else None
    return BestAccuracy(tables=everywhere, **{split: best.get(split) for split in SPLITS})


def _examples(rows: Rows, condition: str) -> tuple[Example, ...]:
    """The most frequent features that meet a condition."""
    keys = rows.query(
        f"SELECT key, min(first) FROM groups GROUP BY key HAVING {condition} ORDER BY sum(n) DESC, min(first) LIMIT {SHOWN}"
    )
    counts = rows.query(
        "SELECT key, split, label, n FROM groups WHERE list_contains($keys, key)",
        keys=[key for key, _ in keys],
    )
    texts = rows.texts_of([first for _, first in keys])
    return tuple(
        Example(
            text=texts[first],
            rows=_summed((SPLITS[split], n) for other, split, _, n in sorted(counts) if other == key),
            labels=_summed((rows.labels[label], n) for other, _, label, n in sorted(counts) if other == key),
        )
        for key, first in keys
    )


def _summed(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    summed: dict[str, int] = {}
    for name, count in pairs:
        summed[name] = summed.get(name, 0) + count
    return summed
