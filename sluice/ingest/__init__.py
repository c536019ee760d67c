"""Raw files into Arrow batches: every row is kept, dropped by a named rule, or quarantined."""

from sluice.ingest.account import Account, DerivedCount, MergeCount, NulledCount, RecodedCount
from sluice.ingest.names import require_columns
from sluice.ingest.quarantine import QUARANTINE_SCHEMA, Quarantined
from sluice.ingest.raw import SOURCE_FILE, SOURCE_ROW, RawTable, open_raw

__all__ = [
    "QUARANTINE_SCHEMA",
    "SOURCE_FILE",
    "SOURCE_ROW",
    "Account",
    "DerivedCount",
    "MergeCount",
    "NulledCount",
    "Quarantined",
    "RawTable",
    "RecodedCount",
    "open_raw",
    "require_columns",
]
