"""Whether hierarchies are trees: a value that stands below two parents makes two of one."""

from __future__ import annotations

from itertools import pairwise

from components.preprocess.audit.record import Level, Violation
from components.preprocess.audit.rows import Rows, quoted

SHOWN = 5
PARENTS = 8


def find_levels(rows: Rows) -> tuple[Level, ...]:
    """Each level below the top of each hierarchy, over all three tables."""
    return tuple(
        _level(rows, hierarchy, parent, child)
        for hierarchy, levels in rows.columns.hierarchical.items()
        for parent, child in pairwise(levels)
    )


def _level(rows: Rows, hierarchy: str, parent: str, child: str) -> Level:
    rows.connection.execute(
        f"CREATE OR REPLACE TABLE pairs AS SELECT {quoted(parent)} AS parent, {quoted(child)} AS child, count(*)::BIGINT AS n "
        f"FROM every WHERE {quoted(child)} IS NOT NULL GROUP BY ALL"
    )
    values, violations = rows.query(
        "SELECT count(*), count(*) FILTER (parents > 1) FROM (SELECT child, count(parent) AS parents FROM pairs GROUP BY child)"
    )[0]
    found = rows.query(
        "SELECT child, sum(n)::BIGINT FROM pairs WHERE parent IS NOT NULL GROUP BY child "
        f"HAVING count(*) > 1 ORDER BY 2 DESC, 1 LIMIT {SHOWN}"
    )
    return Level(
        hierarchy=hierarchy,
        parent=parent,
        child=child,
        values=values,
        violations=violations,
        without_parent=rows.one("SELECT coalesce(sum(n), 0)::BIGINT FROM pairs WHERE parent IS NULL"),
        examples=tuple(Violation(value=value, rows=n, parents=_parents(rows, value)) for value, n in found),
    )


def _parents(rows: Rows, value: str) -> dict[str, int]:
    found = rows.query(
        f"SELECT parent, n FROM pairs WHERE child = $value AND parent IS NOT NULL ORDER BY n DESC, parent LIMIT {PARENTS}",
        value=value,
    )
    return dict(found)
