"""The tables as DuckDB sees them: their Parquet files as views, and each row's split, label and key in a file of its own.

What is large stands in files: DuckDB may take so much memory and no more, and writes the rest to a temporary folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from components.preprocess.disk import duckdb_tells_a_full_disk
from sluice.contract import Table
from sluice.recipe import COMBINED_TEXT, ROW_ID, Columns, encoded

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SPLITS = ("training", "validation", "test")
MEMORY = "400MB"
"""What DuckDB may take; the rest of the audit takes about as much."""
THREADS = 2
SEED = 17
"""Samples are drawn by a hash of the row's id and this."""
LONGEST = 160
"""Characters of a text that are shown."""

Row = tuple[Any, ...]


class Rows:
    """The rows of the three tables.

    Attributes:
        columns: the recipe's columns.
        labels: the classes by their index.
        counts: each split's rows.
    """

    def __init__(self, connection: DuckDBPyConnection, columns: Columns, labels: Sequence[str]) -> None:
        self.connection = connection
        self.columns = columns
        self.labels = tuple(labels)
        self.counts: dict[str, int] = {}

    @classmethod
    @contextmanager
    def open(
        cls, tables: Mapping[str, Table], columns: Columns, labels: Sequence[str], scratch: Path
    ) -> Iterator[Rows]:
        """Open the tables.

        Args:
            tables: by split; `previous` may be among them.
            columns: the recipe's columns.
            labels: the classes by their index.
            scratch: a folder to work in.
        """
        import duckdb

        with duckdb_tells_a_full_disk(), TemporaryDirectory(dir=scratch) as folder:
            settings: dict[str, str | bool | int | float | list[str]] = {
                "memory_limit": MEMORY,
                "threads": THREADS,
                "temp_directory": f"{folder}/spilled",
                "preserve_insertion_order": False,
            }
            with duckdb.connect(f"{folder}/audit.duckdb", config=settings) as connection:
                rows = cls(connection, columns, labels)
                rows._take(tables)
                yield rows

    @property
    def total(self) -> int:
        """All rows."""
        return sum(self.counts.values())

    @property
    def unseen(self) -> int:
        """Rows that are not learned from."""
        return self.total - self.counts["training"]

    @property
    def plain(self) -> tuple[str, ...]:
        """The readable categories and levels, in the recipe's order."""
        levels = [level for levels in self.columns.hierarchical.values() for level in levels]
        return tuple(dict.fromkeys([*self.columns.categorical, *levels]))

    @property
    def features(self) -> tuple[str, ...]:
        """The readable columns that a model is given, the text first."""
        return (COMBINED_TEXT, *self.plain, *self.columns.numeric)

    def query(self, sql: str, **given: Any) -> list[Row]:
        """The answer's rows."""
        return list(self.connection.execute(sql, given or None).fetchall())

    def one(self, sql: str, **given: Any) -> Any:
        """The answer's only value."""
        return self.query(sql, **given)[0][0]

    def texts_of(self, row_ids: Sequence[int]) -> dict[int, str]:
        """The beginnings of some rows' texts, by row id."""
        found = self.query(
            f"SELECT {quoted(ROW_ID)}, left({quoted(COMBINED_TEXT)}, {LONGEST + 1}) FROM every "
            f"WHERE list_contains($ids, {quoted(ROW_ID)})",
            ids=list(row_ids),
        )
        return {row: shortened(text) for row, text in found}

    def sampled(self, rows: int, wanted: int, column: str = ROW_ID) -> str:
        """A condition that about so many of some rows meet, and all of them if there are no more; it goes by a hash."""
        if rows <= wanted:
            return "true"
        return f"hash({quoted(column)}, {SEED}) < {int(wanted / rows * 2**64)}::UBIGINT"

    def _take(self, tables: Mapping[str, Table]) -> None:
        """Make a view of each table, and one of all three; then the file of keys."""
        for name, table in tables.items():
            self.connection.execute(f"CREATE VIEW {name} AS {_scan(table)}")
        self.counts = {split: tables[split].rows for split in SPLITS}
        wanted = ", ".join(map(quoted, [ROW_ID, encoded(self.columns.label), *self.features]))
        parts = [f"SELECT {i} AS split, {wanted} FROM {split}" for i, split in enumerate(SPLITS)]
        self.connection.execute(f"CREATE VIEW every AS {' UNION ALL '.join(parts)}")
        features = ", ".join(map(quoted, self.features))
        self.connection.execute(
            f"CREATE TABLE keyed AS SELECT split::TINYINT AS split, {quoted(ROW_ID)} AS row, "
            f"{quoted(encoded(self.columns.label))} AS label, hash({features}) AS key, "
            f"hash({quoted(COMBINED_TEXT)}) AS text FROM every"
        )


def shortened(text: str) -> str:
    """A text's beginning."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def quoted(name: str) -> str:
    """A column's name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def _scan(table: Table) -> str:
    paths = ["'" + str(table.folder / file.path).replace("'", "''") + "'" for file in table.manifest.files]
    return f"SELECT * FROM read_parquet([{', '.join(paths)}])"
