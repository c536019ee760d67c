"""Who is at the keyboard."""

from __future__ import annotations

import getpass
import os


def current_user() -> str:
    """The operating system's name for this user; its number where it has no name, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
