"""What a table's columns are: name, type, role; and which changes of a schema a reader accepts."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from itertools import zip_longest

import pyarrow as pa

from sluice.contract.errors import SchemaMismatch
from sluice.contract.settings import Strict


class Role(StrEnum):
    """What a column is for. Components ask for roles; only recipes know names."""

    TEXT = "text"
    CATEGORICAL = "categorical"
    HIERARCHICAL = "hierarchical"
    NUMERIC = "numeric"
    LABEL = "label"
    GROUP = "group"
    ID = "id"
    TIME = "time"
    FOLD = "fold"
    WEIGHT = "weight"


class TableColumn(Strict):
    """One column of a table."""

    name: str
    """The column's name in the Parquet files."""
    type: str
    """The Arrow type, as pyarrow prints it."""
    nullable: bool = True
    """Whether nulls may occur."""
    role: Role | None = None
    """What the column is for; none for one that is only carried along."""
    hierarchy: str | None = None
    """The hierarchy that a hierarchical column belongs to."""
    level: int | None = None
    """Its level there; 0 is the top."""
    encodes: str | None = None
    """The readable column that this one holds in a model's form (an index, a scaled number, a missing flag)."""

    def __str__(self) -> str:
        role = f" [{self.role}]" if self.role else ""
        return f"{self.name}: {self.type}{'' if self.nullable else ' not null'}{role}"


Columns = tuple[TableColumn, ...]


def arrow_type(text: str) -> pa.DataType:
    """The Arrow type that pyarrow prints as `text`; the inverse of `str(type)` for the types that tables use."""
    return pa.type_for_alias(text)


def arrow_schema(columns: Sequence[TableColumn]) -> pa.Schema:
    """The Arrow schema of these columns."""
    return pa.schema([pa.field(c.name, arrow_type(c.type), nullable=c.nullable) for c in columns])


def require_readable(
    written: Sequence[TableColumn], expected: Sequence[TableColumn], *, where: object
) -> None:
    """Check that a reader that expects one schema can read a table written with another.

    A new nullable column is a minor change and passes. A dropped column, another type or role, or a new column that
    may not be null is a major change.

    Raises:
        SchemaMismatch: with both schemas side by side.
    """
    found = {column.name: column for column in written}
    known = {column.name for column in expected}
    problems = [_problem(column, found.get(column.name)) for column in expected]
    problems += [
        f"{c.name} is new and not nullable" for c in written if c.name not in known and not c.nullable
    ]
    reasons = [problem for problem in problems if problem]
    if reasons:
        raise SchemaMismatch(
            f"the table's schema changed in a way its reader can't take: {'; '.join(reasons)}\n"
            f"{side_by_side(written, expected)}\n",
            where=where,
            allowed="the same columns and types; new columns only if nullable",
            next_step="Run the step that writes this table again with the code that reads it",
        )


def _problem(expected: TableColumn, found: TableColumn | None) -> str | None:
    if found is None:
        return f"{expected.name} is missing"
    if found.type != expected.type:
        return f"{expected.name} is {found.type}, not {expected.type}"
    if found.role != expected.role:
        return f"{expected.name} has the role {found.role}, not {expected.role}"
    if found.nullable and not expected.nullable:
        return f"{expected.name} may be null now"
    return None


def side_by_side(written: Sequence[TableColumn], expected: Sequence[TableColumn]) -> str:
    """Two schemas as two columns of text."""
    left = ["written", *map(str, written)]
    right = ["expected", *map(str, expected)]
    width = max(map(len, left))
    return "\n".join(f"  {a:<{width}}  | {b}" for a, b in zip_longest(left, right, fillvalue=""))
