"""An earlier run's training table, which `previous` names: refused before anything is measured if nothing can be compared."""

from __future__ import annotations

from sluice.contract import ContractError, InputError, StorageError, Table, storage
from sluice.recipe import Columns

WHERE = "previous (--previous)"
NEXT = "Name the manifest of the training table of an earlier run of this recipe: …/training/manifest.json"


def open_earlier(previous: str, training: Table, columns: Columns) -> Table:
    """Open the earlier table.

    Args:
        previous: its manifest, as the user names it.
        training: this run's.
        columns: the recipe's.

    Raises:
        InputError: there is no table, or it has none of this one's feature columns.
    """
    try:
        earlier = Table.open(storage.to_uri(previous))
    except (ContractError, StorageError) as error:
        raise InputError(
            f"it names no table that can be opened: {error.what}",
            where=WHERE,
            got=previous if error.got is None else f"{previous}: {str(error.got).rstrip('.')}",
            allowed="the manifest of a training table",
            next_step=NEXT,
        ) from None
    # Every table has a text, and unlike recipes may call their labels alike: neither says that the rows are of one kind.
    features = _features(columns) or (columns.label,)
    if all(name in not_compared(earlier, training, columns) for name in features):
        raise InputError(
            "the table that it names has no feature column in common with this run's training table",
            where=WHERE,
            got=f"{previous} with the columns {', '.join(_readable(earlier))}",
            allowed=f"a training table with at least one of {', '.join(features)}",
            next_step=NEXT,
        )
    return earlier


def compared(columns: Columns) -> tuple[str, ...]:
    """The columns whose drift is measured: categories, levels, numbers, the label."""
    return (*_features(columns), columns.label)


def not_compared(earlier: Table, training: Table, columns: Columns) -> dict[str, str | None]:
    """Columns whose drift from the earlier table can't be measured, with the type that they have there, if they are there."""
    was, now = _readable(earlier), _readable(training)
    return {name: was.get(name) for name in compared(columns) if was.get(name) != now[name]}


def _features(columns: Columns) -> tuple[str, ...]:
    levels = [level for levels in columns.hierarchical.values() for level in levels]
    return tuple(dict.fromkeys([*columns.categorical, *levels, *columns.numeric]))


def _readable(table: Table) -> dict[str, str]:
    return {column.name: column.type for column in table.columns if column.encodes is None}
