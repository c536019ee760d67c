"""A home for libraries that look for one when they are imported."""

from __future__ import annotations

import os
import tempfile


def ensure_home() -> None:
    """Call the temporary folder home where this user has none: a bare number without HOME, as in many containers."""
    if os.path.expanduser("~") == "~":  # noqa: PTH111 — Path.home() raises here
        os.environ["HOME"] = tempfile.gettempdir()
