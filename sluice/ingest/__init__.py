"""Raw files into Arrow batches: every row is kept, dropped by a named rule, or quarantined."""

from sluice.ingest.account import Account, DerivedCount, MergeCount, check_quarantine
from sluice.ingest.names import require_columns
from sluice.ingest.quarantine import QUARANTINE_SCHEMA, Quarantined
from sluice.ingest.raw import SOURCE_FILE, SOURCE_ROW, RawTable, open_raw
from sluice.recipe.names import standardise as standardize

__all__ = [
    "QUARANTINE_SCHEMA",
    "SOURCE_FILE",
    "SOURCE_ROW",
    "Account",
    "DerivedCount",
    "MergeCount",
    "Quarantined",
    "RawTable",
    "check_quarantine",
    "open_raw",
    "require_columns",
    "standardize",
]
