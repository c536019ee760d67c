"""How far columns drift: population stability index over bins, Kolmogorov-Smirnov distance of numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from components.preprocess.audit.leaks import numbers
from components.preprocess.audit.record import Drift
from components.preprocess.audit.rows import Rows, quoted

BINS = 10
VALUES = 20
Counts = np.ndarray[Any, np.dtype[np.float64]]


def find_drift(rows: Rows, reference: str, tables: tuple[str, ...], columns: set[str]) -> tuple[Drift, ...]:
    """How far the values in some tables are from those in another, the largest first.

    Args:
        rows: the rows.
        reference: the view that the bins are made of.
        tables: the views that are compared with it; those without rows are passed over.
        columns: the columns that all of them have.
    """
    count = rows.one(f"SELECT count(*) FROM {reference}")
    others = [table for table in tables if rows.one(f"SELECT count(*) FROM {table}")] if count else []
    if not others:
        return ()
    found: list[Drift] = []
    for name in (*rows.plain, rows.columns.label):
        if name in columns:
            found += _of_values(rows, name, reference, others)
    for name in rows.columns.numeric:
        if name in columns:
            found += _of_numbers(rows, name, reference, others)
    return tuple(sorted(found, key=lambda drift: (-drift.psi, drift.column, drift.table)))


def _of_values(rows: Rows, name: str, reference: str, others: list[str]) -> Iterator[Drift]:
    """The most frequent values, the rest, and missing ones."""
    column = quoted(name)
    top = rows.query(
        f"SELECT {column}, count(*) FROM {reference} WHERE {column} IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {VALUES}"
    )
    known = [value for value, _ in top]

    def counts(table: str) -> Counts:
        found: dict[str | None, int] = dict(
            rows.query(
                f"SELECT CASE WHEN list_contains($known, {column}) THEN {column} END, count(*) FROM {table} "
                f"WHERE {column} IS NOT NULL GROUP BY 1",
                known=known,
            )
        )
        missing = rows.one(f"SELECT count(*) FROM {table} WHERE {column} IS NULL")
        return np.array([*(found.get(value, 0) for value in known), found.get(None, 0), missing], np.float64)

    was = counts(reference)
    for table in others:
        yield _drift(name, reference, table, was, counts(table), None)


def _of_numbers(rows: Rows, name: str, reference: str, others: list[str]) -> Iterator[Drift]:
    """Ten quantile bins, and missing ones."""
    first = np.sort(numbers(rows, name, reference))
    edges = np.unique(np.quantile(first, np.linspace(0, 1, BINS + 1)[1:-1])) if len(first) else np.zeros(0)

    def counts(table: str, values: Any) -> Counts:
        missing = rows.one(f"SELECT avg(({quoted(name)} IS NULL OR isnan({quoted(name)}))::INT) FROM {table}")
        bins = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
        total = rows.one(f"SELECT count(*) FROM {table}")
        share = (1 - missing) * total / len(values) if len(values) else 0.0  # of a sample
        return np.array([*(bins * share), missing * total], np.float64)

    was = counts(reference, first)
    for table in others:
        second = np.sort(numbers(rows, name, table))
        ks = kolmogorov_smirnov(first, second) if len(first) and len(second) else None
        yield _drift(name, reference, table, was, counts(table, second), ks)


def _drift(name: str, reference: str, table: str, was: Counts, now: Counts, ks: float | None) -> Drift:
    used = was + now > 0
    was, now = was[used], now[used]
    chance = (len(was) - 1) * (1 / was.sum() + 1 / now.sum())
    return Drift(
        column=name,
        reference=reference,
        table=table,
        psi=stability_index(was, now),
        psi_by_chance=float(chance),
        ks=ks,
    )


def stability_index(was: Counts, now: Counts) -> float:
    """The population stability index of two rows of counts. Each bin has half a row more, so that none is empty."""
    first = (was + 0.5) / (was.sum() + 0.5 * len(was))
    second = (now + 0.5) / (now.sum() + 0.5 * len(now))
    return float(((second - first) * np.log(second / first)).sum())


def kolmogorov_smirnov(first: Any, second: Any) -> float:
    """The largest distance of two empirical distribution functions; both sorted."""
    places = np.concatenate([first, second])
    below = np.searchsorted(first, places, side="right") / len(first)
    also = np.searchsorted(second, places, side="right") / len(second)
    return float(np.abs(below - also).max())
