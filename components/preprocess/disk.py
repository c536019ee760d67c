"""A full disk, as the operating system tells it, whoever met it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def duckdb_tells_a_full_disk() -> Iterator[None]:
    """Turn DuckDB's own error for a full disk into the system's, which whoever runs the component knows."""
    import duckdb

    try:
        yield
    except duckdb.IOException as error:
        if os.strerror(errno.ENOSPC) in str(error):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        raise
