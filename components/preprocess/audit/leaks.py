"""What tells the label too easily: one column alone, one word of the text, the label's own name in the text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from components.preprocess.audit.record import LabelInText, Leak, Leaks, Word
from components.preprocess.audit.rows import Rows, quoted
from sluice.features import FittedFeatures
from sluice.recipe import COMBINED_TEXT, ROW_ID, encoded

FEW = 1_000
"""A numeric column with no more different values than this is asked value by value, else by a hundred quantile bins."""
BINS = 100
NUMBERS = 1_000_000
"""Values that quantiles are made of at most."""
ROWS = 100_000
CHARACTERS = 20_000_000
"""Words are counted in so many training rows and characters at most, and asked of a quarter of that."""
SHOWN = 12
LABELS = 20
BY_VALUE = "each value's most frequent label in training"
BY_BIN = f"the most frequent label in training of each of {BINS} quantile bins"
BY_WORD = "the most telling word of each text, or two in a row, as counted in training"
NOT_WORDS = r"[^\p{L}\p{N}]+"


def find_leaks(rows: Rows, features: FittedFeatures) -> Leaks:
    """Ask each column alone for the label."""
    _count_labels(rows)
    columns = [_by_text(rows), *(_by_value(rows, name) for name in rows.plain)]
    columns += [_by_number(rows, name) for name in rows.columns.numeric]
    by_word, words = _by_word(rows)
    columns.append(by_word)
    columns.sort(key=lambda leak: (-(leak.strength or 0.0), leak.column, leak.by))
    return Leaks(columns=tuple(columns), words=words, label_in_text=_label_in_text(rows, features))


def _count_labels(rows: Rows) -> None:
    """Training's labels, and which of them is the most frequent."""
    rows.connection.execute(
        "CREATE TABLE shares AS SELECT label, count(*) / sum(count(*)) OVER () AS share FROM keyed "
        "WHERE split = 0 GROUP BY label"
    )
    rows.connection.execute(
        "CREATE TABLE majority AS SELECT label FROM shares ORDER BY share DESC, label LIMIT 1"
    )


def _leak(column: str, by: str, unseen: int, right: int, majority: int) -> Leak:
    if not unseen:
        return Leak(column=column, by=by, accuracy=None, majority=None, strength=None)
    accuracy, base = right / unseen, majority / unseen
    strength = None if base == 1 else max(0.0, (accuracy - base) / (1 - base))
    return Leak(column=column, by=by, accuracy=accuracy, majority=base, strength=strength)


def _asked(rows: Rows, column: str, by: str, source: str) -> Leak:
    """Learn each value's label on training and ask it of the others.

    Args:
        rows: the rows.
        column: for the answer.
        by: for the answer.
        source: SQL with the columns split, value and label.
    """
    answer = rows.query(
        f"""
        WITH counted AS (SELECT split > 0 AS unseen, value, label, count(*) AS n FROM ({source}) GROUP BY ALL),
        learned AS (
            SELECT value, label AS told FROM counted WHERE NOT unseen
            QUALIFY row_number() OVER (PARTITION BY value ORDER BY n DESC, label) = 1
        )
        SELECT coalesce(sum(n), 0)::BIGINT,
            coalesce(sum(n) FILTER (c.label = coalesce(told, m.label)), 0)::BIGINT,
            coalesce(sum(n) FILTER (c.label = m.label), 0)::BIGINT
        FROM counted c LEFT JOIN learned ON c.value IS NOT DISTINCT FROM learned.value CROSS JOIN majority m
        WHERE unseen
        """
    )[0]
    return _leak(column, by, *answer)


def _by_text(rows: Rows) -> Leak:
    return _asked(rows, COMBINED_TEXT, BY_VALUE, "SELECT split, text AS value, label FROM keyed")


def _by_value(rows: Rows, name: str) -> Leak:
    label = quoted(encoded(rows.columns.label))
    return _asked(rows, name, BY_VALUE, f"SELECT split, {quoted(name)} AS value, {label} AS label FROM every")


def _by_number(rows: Rows, name: str) -> Leak:
    if rows.one(f"SELECT count(DISTINCT {quoted(name)}) FROM training") <= FEW:
        return _by_value(rows, name)
    edges = np.unique(np.quantile(numbers(rows, name, "training"), np.linspace(0, 1, BINS + 1)[1:-1]))
    rows.connection.register("edges", pa.table({"edge": edges, "bin": np.arange(len(edges))}))
    leak = _asked(
        rows,
        name,
        BY_BIN,
        f"SELECT split, bin AS value, {quoted(encoded(rows.columns.label))} AS label FROM every "
        f"ASOF LEFT JOIN edges ON {quoted(name)} >= edge",
    )
    rows.connection.unregister("edges")
    return leak


def numbers(rows: Rows, name: str, table: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A numeric column's values without missing ones: all, or a seeded sample of a large table."""
    count = rows.one(f"SELECT count(*) FROM {table}")
    found = rows.connection.execute(
        f"SELECT {quoted(name)}::DOUBLE AS number FROM {table} WHERE {quoted(name)} IS NOT NULL "
        f"AND NOT isnan({quoted(name)}) AND {rows.sampled(count, NUMBERS)}"
    ).fetchnumpy()["number"]
    return np.asarray(found, np.float64)


def _by_word(rows: Rows) -> tuple[Leak, tuple[Word, ...]]:
    """The label that each text's most telling word says.

    A word says the label that most training rows with it have; how telling it is, is that label's share among them,
    with one more row that is as the whole training table is, so that a word seen twice doesn't beat one seen often.
    """
    mean = rows.one(f"SELECT coalesce(avg(length({quoted(COMBINED_TEXT)})), 1) FROM training") or 1
    wanted = min(ROWS, int(CHARACTERS / max(mean, 1)))
    _words(rows, "known", "split = 0", rows.sampled(rows.counts["training"], wanted))
    _words(rows, "asked", "split > 0", rows.sampled(rows.unseen, wanted // 4))
    rows.connection.execute(
        """
        CREATE TABLE telling AS
        WITH counted AS (SELECT word, label, count(*) AS n FROM known GROUP BY ALL),
        best AS (
            SELECT word, label, n, sum(n) OVER (PARTITION BY word) AS every FROM counted
            QUALIFY row_number() OVER (PARTITION BY word ORDER BY n DESC, label) = 1
        )
        SELECT word, label AS told, (n + share) / (every + 1) AS score FROM best JOIN shares USING (label) WHERE every > 1
        """
    )
    rows.connection.execute(
        "CREATE TABLE answers AS SELECT row, any_value(label) AS label, "
        "max_by(struct_pack(told := told, word := asked.word), struct_pack(score := score, short := -length(asked.word), word := asked.word)) "
        "FILTER (told IS NOT NULL) AS said "
        "FROM asked LEFT JOIN telling USING (word) GROUP BY row"
    )
    answer = rows.query(
        "SELECT count(*), count(*) FILTER (a.label = coalesce(said.told, m.label)), count(*) FILTER (a.label = m.label) "
        "FROM answers a CROSS JOIN majority m"
    )[0]
    told = rows.query(
        "SELECT said.word, said.told, count(*), count(*) FILTER (label = said.told) FROM answers WHERE said IS NOT NULL "
        f"GROUP BY 1, 2 ORDER BY 4 DESC, 1 LIMIT {SHOWN}"
    )
    words = tuple(Word(words=w, label=rows.labels[label], rows=n, right=right) for w, label, n, right in told)
    return _leak(COMBINED_TEXT, BY_WORD, *answer), words


def _words(rows: Rows, name: str, splits: str, sampled: str) -> None:
    """A table of the different words of some rows, and of the pairs of words that follow each other."""
    label, text = quoted(encoded(rows.columns.label)), quoted(COMBINED_TEXT)
    rows.connection.execute(
        f"""
        CREATE TABLE {name} AS
        WITH cut AS (
            SELECT {quoted(ROW_ID)} AS row, {label} AS label,
                list_filter(regexp_split_to_array(lower({text}), '{NOT_WORDS}'), lambda w: w <> '') AS w
            FROM every WHERE {splits} AND {sampled}
        )
        SELECT row, label, unnest(list_distinct(list_concat(
            w, list_transform(range(1, len(w)), lambda i: w[i] || ' ' || w[i + 1])))) AS word
        FROM cut
        """
    )


def _label_in_text(rows: Rows, features: FittedFeatures) -> LabelInText:
    """Rows whose text holds the words of their label's name, one after the other."""
    normalised = features.normalised(pa.array(rows.labels, pa.string()))
    rows.connection.register(
        "names", pa.table({"label": pa.array(range(len(rows.labels)), pa.int32()), "name": normalised})
    )
    rows.connection.execute(
        f"CREATE TABLE label_names AS SELECT label, trim(regexp_replace(lower(name), '{NOT_WORDS}', ' ', 'g')) AS name FROM names"
    )
    rows.connection.unregister("names")
    label, text = quoted(encoded(rows.columns.label)), quoted(COMBINED_TEXT)
    found = rows.query(
        f"SELECT label, count(*) FROM every JOIN label_names ON label = {label} WHERE name <> '' AND contains("
        f"' ' || regexp_replace(lower({text}), '{NOT_WORDS}', ' ', 'g') || ' ', ' ' || name || ' ') "
        "GROUP BY label ORDER BY 2 DESC, 1"
    )
    nothing_left = _indices(rows.query("SELECT label FROM label_names WHERE name = '' ORDER BY 1"))
    return LabelInText(
        rows=sum(count for _, count in found),
        labels={rows.labels[label]: count for label, count in found[:LABELS]},
        unnamed=tuple(rows.labels[label] for label in nothing_left),
    )


def _indices(found: Iterable[tuple[Any, ...]]) -> list[int]:
    return [index for (index,) in found]
