"""Groups and orders rows by value in bounded memory: DuckDB, which moves to a folder on disk what doesn't fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa

from components.preprocess.disk import duckdb_tells_a_full_disk

MEMORY = "160MiB"
THREADS = 2
"""More threads group faster and need as much more memory each."""


class Spill:
    """Rows by the names that they were added under, in the order in which they were added."""

    def __init__(self, folder: Path) -> None:
        import duckdb

        # Nothing is looked for in the home folder or on the network: what is used here is built in.
        settings: dict[str, str | int] = {"memory_limit": MEMORY, "threads": THREADS}
        settings |= {"temp_directory": str(folder), "preserve_insertion_order": "true"}
        settings |= {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
        self._database = duckdb.connect(":memory:", config=settings)
        self._schemas: dict[str, pa.Schema] = {}

    def close(self) -> None:
        """Let go of everything."""
        self._database.close()

    def add(self, name: str, rows: pa.RecordBatch) -> None:
        """Add rows; columns are known by their place, `c0` and on."""
        places = [f"c{place}" for place in range(rows.num_columns)]
        self._database.register("added", pa.Table.from_batches([rows]).rename_columns(places))
        if name in self._schemas:
            self._database.execute(f"INSERT INTO {name} SELECT * FROM added")
        else:
            self._database.execute(f"CREATE TABLE {name} AS SELECT * FROM added")
            self._schemas[name] = rows.schema
        self._database.unregister("added")

    def group(self, name: str, more: str = "") -> str:
        """Group a name's rows by all their columns, once; gives the name of the groups.

        A group has `rows`, how many they are, and `first`, the place of the first of them. Nulls are one value.

        Args:
            name: whose rows.
            more: further aggregates, each after a comma; columns that these use are not grouped by.
        """
        groups = f"{name}_groups"
        columns = ", ".join(place for place in self._places(name) if f"({place})" not in more)
        self._database.execute(
            f'CREATE TABLE IF NOT EXISTS {groups} AS SELECT {columns}, count(*) AS "rows", '
            f'min(rowid) AS "first"{more} FROM {name} GROUP BY {columns}'
        )
        return groups

    def ordered(self, name: str) -> str:
        """Order a name's rows by their first column, once; gives the name of the ordered rows, whose `rowid` is their place."""
        ordered = f"{name}_ordered"
        self._database.execute(f"CREATE TABLE IF NOT EXISTS {ordered} AS SELECT * FROM {name} ORDER BY c0")
        return ordered

    def ask(self, question: str) -> list[tuple[Any, ...]]:
        """The answer to a question in SQL, as Python's values."""
        return self._database.sql(question).fetchall()

    def number(self, question: str) -> int:
        """The answer to a question that has one whole number as its answer; a sum of nothing is 0."""
        return int(self.ask(question)[0][0] or 0)

    def rows(self, name: str, question: str) -> pa.Table:
        """The answer to a question about all the columns of a name's rows, called and typed as they were added."""
        schema = self._schemas[name]
        answer = self._database.sql(question).to_arrow_table()
        return answer.rename_columns(schema.names).cast(schema)

    def drop(self, names: Sequence[str]) -> None:
        """Forget rows, their groups and their order."""
        for name in names:
            for table in (name, f"{name}_groups", f"{name}_ordered"):
                self._database.execute(f"DROP TABLE IF EXISTS {table}")
            self._schemas.pop(name, None)

    def _places(self, name: str) -> list[str]:
        return [f"c{place}" for place in range(len(self._schemas[name].names))]


@contextmanager
def spill_beside(folder: Path) -> Iterator[Spill]:
    """A Spill in a folder of its own beside a component's outputs: what a killed process leaves is cleared away with them."""
    with duckdb_tells_a_full_disk(), TemporaryDirectory(prefix=".spill-", dir=folder.parent) as own:
        spill = Spill(Path(own))
        try:
            yield spill
        finally:
            spill.close()
