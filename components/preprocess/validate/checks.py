"""Sluice's own checks, asked of every data set beside the recipe's: every row is there, once, in one split, with a known label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.preprocess.validate.account import Account
from components.preprocess.validate.findings import Finding
from components.preprocess.validate.spill import Spill
from components.preprocess.validate.words import count, value
from sluice.contract import Role, Table, storage
from sluice.ingest.encoding import another_encoding
from sluice.recipe import Data, ValidateSettings

SHOWN = 3
ALL = "all tables"
Tables = Mapping[str, Table]


def own_checks(
    tables: Tables, quarantine: Table, account: Account, settings: ValidateSettings, spill: Spill
) -> list[Finding]:
    """Every check's finding, whether it holds or not."""
    return [
        *_have_rows(tables),
        _once(tables, spill),
        *_groups_whole(tables, settings.columns.group, spill),
        *_labels_known(tables),
        _balanced(tables, account),
        *_counted(tables, quarantine, account),
        _quarantine_within(quarantine, account, settings.data),
    ]


def _have_rows(tables: Tables) -> Iterator[Finding]:
    for name, table in tables.items():
        reason = "" if table.rows else f"{name}: the table has no rows"
        yield _finding(name, "the table has rows", f"{table.rows:,} rows", reason)


def _once(tables: Tables, spill: Spill) -> Finding:
    """No row is in two splits, and none is in one of them twice."""
    column = next(iter(tables.values())).named(Role.ID)[0]
    met = Met(tables, column, spill)
    repeated = met.count('"rows" > 1')
    places = met.places('"rows" > 1')
    reason = f"{ALL}: {column}: {count(repeated, 'row')} more than once ({places})"
    return _finding(
        ALL, f"each {column} is in one split, once", f"{met.count('true'):,} rows", reason if repeated else ""
    )


def _groups_whole(tables: Tables, column: str | None, spill: Spill) -> Iterator[Finding]:
    """No group is parted. Rows without a group are on their own."""
    if column is None:
        return
    met = Met(tables, column, spill)
    parted = met.count("c0 IS NOT NULL AND low <> high")
    places = met.places("c0 IS NOT NULL AND low <> high")
    reason = f"{ALL}: {column}: {count(parted, 'group')} in two splits ({places})"
    groups = met.count("c0 IS NOT NULL")
    yield _finding(ALL, f"each {column} is in one split", f"{groups:,} groups", reason if parted else "")


class Met:
    """Each value of a column, with the first and the last split it is met in and how often it is met."""

    def __init__(self, tables: Tables, column: str, spill: Spill) -> None:
        self._names = list(tables)
        self._spill = spill
        spill.drop(["met"])
        for place, table in enumerate(tables.values()):
            for batch in table.batches([column]):
                split = np.full(len(batch), place, dtype=np.int8)
                spill.add("met", pa.RecordBatch.from_arrays([batch.column(0), split], [column, "split"]))
        self._groups = spill.group("met", ", min(c1) AS low, max(c1) AS high")

    def count(self, which: str) -> int:
        """How many values there are of which something holds."""
        return self._spill.number(f"SELECT count(*) FROM {self._groups} WHERE {which}")

    def places(self, which: str) -> str:
        """The first of them, each with where it is met."""
        examples = f'FROM {self._groups} WHERE {which} ORDER BY "first" LIMIT {SHOWN}'
        said = []
        for what, low, high in self._spill.ask(f"SELECT c0, low, high {examples}"):
            places = (
                f"twice in {self._names[low]}"
                if low == high
                else f"in {self._names[low]} and {self._names[high]}"
            )
            said.append(f"{value(what)} {places}")
        return f"e.g. {', '.join(said)}"


def _labels_known(tables: Tables) -> Iterator[Finding]:
    """A label's index is one of 0..n-1, for the n labels of the training rows."""
    training = tables["training"]
    label, encoded = training.named(Role.LABEL)[0], training.encoded(Role.LABEL)[0]
    labels = len(_distinct(training, label))
    for name, table in tables.items():
        strange = sorted(_distinct(table, encoded) - set(range(labels)), key=str)
        examples = ", ".join(value(one) for one in strange[:SHOWN])
        wrong = f"{count(len(strange), 'value')} that {'is' if len(strange) == 1 else 'are'} no index"
        reason = f"{name}: {encoded}: {wrong} of the {labels} training labels (e.g. {examples})"
        asked = f"{encoded} is an index of a training label"
        yield _finding(name, asked, f"{labels} training labels", reason if strange else "")


def _distinct(table: Table, column: str) -> set[object]:
    return set().union(*(pc.unique(batch.column(0)).to_pylist() for batch in table.batches([column])))


def _balanced(tables: Tables, account: Account) -> Finding:
    """Rows in = rows out + rows dropped by a named rule + rows quarantined."""
    counts = {name: table.rows for name, table in tables.items()} | account.dropped
    counts["quarantined"] = account.rows_quarantined
    total = sum(counts.values())
    terms = " + ".join(f"{name} {rows:,}" for name, rows in counts.items())
    reason = f"account: {account.rows_read:,} rows were read, {total:,} are accounted for: {terms}"
    asked = "rows read = rows of the tables + rows dropped by a rule + rows quarantined"
    return _finding(
        "account", asked, f"{account.rows_read:,} = {terms}", reason if total != account.rows_read else ""
    )


def _counted(tables: Tables, quarantine: Table, account: Account) -> Iterator[Finding]:
    """The tables hold the rows that the account says they do."""
    said = {name: getattr(account, f"{name}_rows") for name in tables} | {
        "quarantine": account.rows_quarantined
    }
    for name, table in {**tables, "quarantine": quarantine}.items():
        expected = said[name]
        reason = f"{name}: the table has {table.rows:,} rows, the account says {expected:,}"
        found = "" if table.rows == expected else reason
        yield _finding(name, "the table has the rows that the account says", f"{table.rows:,} rows", found)


def _quarantine_within(quarantine: Table, account: Account, data: Data) -> Finding:
    limit = data.quarantine_limit
    share = account.rows_quarantined / account.rows_read if account.rows_read else 0.0
    found = f"{account.rows_quarantined:,} of {account.rows_read:,} rows could not be read, {share:.3%}"
    reason = (
        f"quarantine: {found}; at most {limit:.3%} may be (data.quarantine_limit). "
        f"First: {_first(quarantine)}. All of them: {storage.parent(quarantine.uri)}"
    )
    if hint := another_encoding(account.quarantine_reasons, account.rows_read, data.csv.encoding):
        found, reason = f"{found}; {hint}", f"{reason}; {hint}"
    asked = f"at most {limit:.3%} of the rows are quarantined"
    return _finding("quarantine", asked, found, reason if share > limit else "")


def _first(quarantine: Table) -> str:
    rows = (row for batch in quarantine.batches(size=SHOWN) for row in batch.to_pylist())
    return "; ".join(map(_place, islice(rows, SHOWN))) or "none"


def _place(row: dict[str, object]) -> str:
    place = f"row {row['row']}" if row["line"] is None else f"line {row['line']}"
    return f"{row['file']} {place}: {row['reason']}"


def _finding(table: str, check: str, observed: str, reason: str) -> Finding:
    return Finding(table, check, not reason, observed, reason)
