"""The pinned English stop-word list: where it stands, what it must be, and how a list is read."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sluice.contract import ResourceMissing

PINNED = Path(__file__).with_name("stopwords.txt")
SHA256 = "2c1c7ba3333305e04a194f900f450a33ed9b314686063269f6ddc20c52d4b55a"
"""The sha256 of the pinned list's file."""


def pinned_stopwords() -> frozenset[str]:
    """The pinned list, checked.

    Raises:
        ResourceMissing: the file is gone, or isn't the pinned one.
    """
    found = hashlib.sha256(PINNED.read_bytes()).hexdigest() if PINNED.is_file() else "no file"
    if found != SHA256:
        raise ResourceMissing(
            "the stop-word list isn't the pinned one",
            where=PINNED,
            got=found,
            allowed=f"a file with the sha256 {SHA256}",
            next_step="Restore it from version control",
        )
    return read_stopwords(PINNED)


def read_stopwords(path: Path) -> frozenset[str]:
    """A list's words: one a line; a line that begins with # is a comment."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))
