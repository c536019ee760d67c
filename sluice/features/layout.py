"""The columns of the tables that preprocess writes and models read, by the recipe's roles."""

from __future__ import annotations

from sluice.contract import Role, TableColumn
from sluice.recipe import names
from sluice.recipe.model import Columns


def table_columns(columns: Columns) -> tuple[TableColumn, ...]:
    """Every column, in order: what identifies a row, text, categories, hierarchies, numbers, the label."""
    found = [
        TableColumn(name=names.ROW_ID, type="int64", nullable=False, role=Role.ID),
        *_carried(columns),
        TableColumn(name=names.COMBINED_TEXT, type="string", nullable=False, role=Role.TEXT),
    ]
    for column in columns.categorical:
        found += _indexed(column, Role.CATEGORICAL)
    for hierarchy, levels in columns.hierarchical.items():
        for level, column in enumerate(levels):
            found += _indexed(column, Role.HIERARCHICAL, hierarchy, level)
    for column in columns.numeric:
        found += _number(column)
    found += _indexed(columns.label, Role.LABEL)
    return _each_once(found)


def _carried(columns: Columns) -> list[TableColumn]:
    identity = [TableColumn(name=columns.id, type="string")] if columns.id else []
    group = [TableColumn(name=columns.group, type="string", role=Role.GROUP)] if columns.group else []
    time = [TableColumn(name=columns.time, type="timestamp[ms]", role=Role.TIME)] if columns.time else []
    return identity + group + time


def _indexed(
    column: str, role: Role, hierarchy: str | None = None, level: int | None = None
) -> list[TableColumn]:
    readable = TableColumn(
        name=column, type="string", nullable=role != Role.LABEL, role=role, hierarchy=hierarchy, level=level
    )
    index = {"name": names.encoded(column), "type": "int32", "nullable": False, "encodes": column}
    return [readable, readable.model_copy(update=index)]


def _number(column: str) -> list[TableColumn]:
    readable = TableColumn(name=column, type="double", role=Role.NUMERIC)
    form = {"type": "float", "nullable": False, "encodes": column}
    added = (names.scaled(column), names.missing(column))
    return [readable, *(readable.model_copy(update={"name": name, **form}) for name in added)]


def _each_once(columns: list[TableColumn]) -> tuple[TableColumn, ...]:
    """A column may be the group and something else as well; it then is the group that no two splits share."""
    groups = {column.name for column in columns if column.role == Role.GROUP}
    return tuple(c for c in columns if c.name not in groups or c.role == Role.GROUP)
