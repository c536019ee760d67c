"""What becomes of each row that can be read: a split, or the rule that drops it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from components.preprocess.splitting import sample, split
from components.preprocess.spool import Keys
from sluice.contract import InputError
from sluice.recipe.parts import PreprocessSettings


class Fate(IntEnum):
    """A row's split, or the rule that drops it. The splits come first, numbered as `splitting` numbers them."""

    TRAINING = 0
    VALIDATION = 1
    TEST = 2
    NOT_SAMPLED = 3
    NULL_LABEL = 4
    RARE_CLASS = 5
    LABEL_NOT_IN_TRAINING = 6
    OPEN = 7


SPLITS = (Fate.TRAINING, Fate.VALIDATION, Fate.TEST)
RULES = (Fate.NOT_SAMPLED, Fate.NULL_LABEL, Fate.RARE_CLASS, Fate.LABEL_NOT_IN_TRAINING)

SHOWN_CLASSES = 5


@dataclass(frozen=True)
class Decision:
    """What becomes of every row."""

    fates: NDArray[np.int8]
    """Each row's `Fate`."""
    classes: int
    """Classes that are left."""
    removed_classes: dict[str, int]
    """Classes removed as too rare or as absent from training, and their rows."""

    def rows(self, fate: Fate) -> int:
        """How many rows have this fate."""
        return int((self.fates == fate).sum())


def decide(keys: Keys, settings: PreprocessSettings, rows: int | None) -> Decision:
    """Sample, drop what can't be learned from, split.

    Args:
        keys: the rows.
        settings: the recipe's part.
        rows: how many rows to sample; all, if not given.

    Raises:
        InputError: nothing is left to learn from, or a split is empty.
    """
    where = f"column {settings.columns.label}"
    fates = np.full(len(keys), Fate.OPEN, np.int8)
    if rows is not None:
        fates[~sample(keys.row_ids, rows, settings.split.seed)] = Fate.NOT_SAMPLED
    fates[(fates == Fate.OPEN) & (keys.labels < 0)] = Fate.NULL_LABEL
    _require_labels(fates, where)
    _drop_rare(fates, keys, settings.rare_classes.minimum_rows)
    _require_classes(fates, keys, settings, where)
    left = fates == Fate.OPEN
    groups = None if keys.groups is None else keys.groups[left]
    fates[left] = split(keys.row_ids[left], keys.labels[left], groups, settings.split)
    _drop_unlearnable(fates, keys)
    _require_classes(fates, keys, settings, where)
    _require_splits(fates, settings)
    return Decision(fates, len(_classes(fates, keys)), _removed(fates, keys))


def _drop_rare(fates: NDArray[np.int8], keys: Keys, minimum_rows: int) -> None:
    left = fates == Fate.OPEN
    counts = np.bincount(keys.labels[left], minlength=len(keys.classes))
    fates[left & (counts[keys.labels] < minimum_rows)] = Fate.RARE_CLASS


def _drop_unlearnable(fates: NDArray[np.int8], keys: Keys) -> None:
    """Drop what can only be told apart from training rows: whole groups may keep a class out of training."""
    known = np.unique(keys.labels[fates == Fate.TRAINING])
    fates[_kept(fates) & ~np.isin(keys.labels, known)] = Fate.LABEL_NOT_IN_TRAINING


def _kept(fates: NDArray[np.int8]) -> NDArray[np.bool_]:
    kept: NDArray[np.bool_] = np.isin(fates, (*SPLITS, Fate.OPEN))
    return kept


def _classes(fates: NDArray[np.int8], keys: Keys) -> list[str]:
    return [keys.classes[code] for code in np.unique(keys.labels[_kept(fates)])]


def _removed(fates: NDArray[np.int8], keys: Keys) -> dict[str, int]:
    removed = np.isin(fates, (Fate.RARE_CLASS, Fate.LABEL_NOT_IN_TRAINING))
    codes, counts = np.unique(keys.labels[removed], return_counts=True)
    return {keys.classes[code]: int(count) for code, count in zip(codes, counts, strict=True)}


def _require_labels(fates: NDArray[np.int8], where: str) -> None:
    if not (fates == Fate.OPEN).any():
        raise InputError(
            "the label is null in every row",
            where=where,
            got=f"{(fates == Fate.NULL_LABEL).sum():,} rows without a label",
            allowed="a label in most rows",
            next_step="Correct columns.label in the recipe, the pattern or list that makes it, or the data",
        )


def _require_classes(fates: NDArray[np.int8], keys: Keys, settings: PreprocessSettings, where: str) -> None:
    classes = _classes(fates, keys)
    if len(classes) > 1:
        return
    raise InputError(
        "the label has a single class" if classes else "no class of the label is left",
        where=where,
        got=(f"only {classes[0]!r}" if classes else "none") + _told(_removed(fates, keys)),
        allowed=f"two classes or more, each with at least {settings.rare_classes.minimum_rows} rows",
        next_step="Correct columns.label or rare_classes.minimum_rows in the recipe, or give more rows",
    )


def _told(removed: dict[str, int]) -> str:
    shown = ", ".join(f"{name!r} ({rows})" for name, rows in list(removed.items())[:SHOWN_CLASSES])
    more = f" and {len(removed) - SHOWN_CLASSES:,} more" if len(removed) > SHOWN_CLASSES else ""
    return f"; too rare: {shown}{more}" if removed else ""


def _require_splits(fates: NDArray[np.int8], settings: PreprocessSettings) -> None:
    empty = [fate.name.lower() for fate in SPLITS if not (fates == fate).any()]
    if empty:
        shared = f" in groups of {settings.columns.group}" if settings.columns.group else ""
        raise InputError(
            f"the {' and the '.join(empty)} split {'is' if len(empty) == 1 else 'are'} empty",
            where="split",
            got=f"{_kept(fates).sum():,} rows{shared} for the shares "
            f"{settings.split.train}, {settings.split.validation}, {settings.split.test}",
            allowed="at least one row, or one whole group, in each split",
            next_step="Give more rows, or change the recipe's split",
        )
