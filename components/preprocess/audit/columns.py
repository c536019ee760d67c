"""What each column holds: missing values, top values, constants, keys; and the classes of the label."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from components.preprocess.audit.leaks import numbers
from components.preprocess.audit.record import Classes, Column
from components.preprocess.audit.rows import LONGEST, SPLITS, Rows, quoted
from sluice.contract import ContractError, Report, first_problem
from sluice.recipe import COMBINED_TEXT

TOP = 10
ACCOUNT = "account.json"
QUARTILES = {"least": 0.0, "lower quartile": 0.25, "median": 0.5, "upper quartile": 0.75, "largest": 1.0}


class Account(BaseModel):
    """The part of preprocess's account that the audit shows."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    removed_classes: dict[str, int] = {}


def find_columns(rows: Rows) -> tuple[Column, ...]:
    """Each readable feature column."""
    roles = dict.fromkeys(rows.plain, "hierarchical") | dict.fromkeys(rows.columns.categorical, "categorical")
    found = [_text(rows), *(_category(rows, name, roles[name]) for name in rows.plain)]
    return tuple(found + [_number(rows, name) for name in rows.columns.numeric])


def _text(rows: Rows) -> Column:
    missing = _missing(rows, f"{quoted(COMBINED_TEXT)} = ''")
    distinct = rows.one("SELECT count(DISTINCT text) FROM keyed WHERE split = 0")
    top = rows.query(
        f"SELECT min(row), count(*) FROM keyed WHERE split = 0 GROUP BY text HAVING count(*) > 1 ORDER BY 2 DESC, 1 LIMIT {TOP}"
    )
    texts = rows.texts_of([first for first, _ in top])
    counts = {_once(texts[first], place): n for place, (first, n) in enumerate(top)}
    return _column(rows, COMBINED_TEXT, "text", distinct - (missing["training"] > 0), missing, counts)


def _once(text: str, place: int) -> str:
    """A long text's beginning, told apart from another that begins the same way."""
    return f"{text} ({place + 1})" if len(text) > LONGEST else text


def _category(rows: Rows, name: str, role: str) -> Column:
    distinct = rows.one(f"SELECT count(DISTINCT {quoted(name)}) FROM training")
    missing = _missing(rows, f"{quoted(name)} IS NULL")
    return _column(rows, name, role, distinct, missing, _top(rows, name), unique=True)


def _number(rows: Rows, name: str) -> Column:
    column = quoted(name)
    distinct, whole = rows.query(
        f"SELECT count(DISTINCT {column}), coalesce(bool_and({column} = floor({column})), false) FROM training "
        f"WHERE NOT isnan({column})"
    )[0]
    missing = _missing(rows, f"({column} IS NULL OR isnan({column}))")
    values = numbers(rows, name, "training")
    found = {said: float(np.quantile(values, at)) for said, at in QUARTILES.items()} if len(values) else {}
    made = _column(rows, name, "numeric", distinct, missing, _top(rows, name), unique=whole)
    return made.model_copy(update={"numbers": found})


def _top(rows: Rows, name: str) -> dict[str, int]:
    found = rows.query(
        f"SELECT {quoted(name)}, count(*) FROM training WHERE {quoted(name)} IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {TOP}"
    )
    return {f"{value:g}" if isinstance(value, float) else str(value): n for value, n in found}


def _column(
    rows: Rows,
    name: str,
    role: str,
    distinct: int,
    missing: dict[str, int],
    top: dict[str, int],
    unique: bool = False,
) -> Column:
    count = rows.counts["training"]
    kinds = distinct + (missing["training"] > 0)
    return Column(
        name=name,
        role=role,
        distinct=distinct,
        missing=missing,
        constant=count > 0 and kinds <= 1,
        unique=unique and count > 1 and distinct == count,
        top=top,
        numbers={},
    )


def _missing(rows: Rows, condition: str) -> dict[str, int]:
    found: dict[int, int] = dict(
        rows.query(f"SELECT split, count(*) FROM every WHERE {condition} GROUP BY split")
    )
    return {split: found.get(i, 0) for i, split in enumerate(SPLITS)}


def find_classes(rows: Rows, account: Report) -> Classes:
    """Each class's rows in each split, and what preprocess removed."""
    found = rows.query("SELECT label, split, count(*) FROM keyed GROUP BY ALL")
    counts: dict[int, dict[str, int]] = {i: dict.fromkeys(SPLITS, 0) for i in range(len(rows.labels))}
    for label, split, count in found:
        counts[label][SPLITS[split]] = count
    order = sorted(counts, key=lambda label: (-sum(counts[label].values()), label))
    return Classes(
        counts={rows.labels[label]: counts[label] for label in order},
        removed=_read(account).removed_classes,
    )


def _read(report: Report) -> Account:
    try:
        content: Any = json.loads((report.folder / ACCOUNT).read_bytes())
        return Account.model_validate(content)
    except FileNotFoundError:
        raise ContractError("the report holds no row account", where=report.uri, allowed=ACCOUNT) from None
    except ValueError as error:
        got = first_problem(error) if isinstance(error, ValidationError) else str(error)
        raise ContractError("the row account is malformed", where=report.uri, got=got) from None
