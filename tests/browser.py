"""A headless browser without a network: what a page that stands on disk shows to a person who opens it."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

OUTSIDE = re.compile(
    r"""(?:src|href|srcset|action|data)\s*=\s*["']?\s*(?:\w+:)?//[^"'>\s]*"""
    r"""|url\(\s*["']?\s*(?:\w+:)?//[^)]*\)|@import[^;]*"""
)
"""What makes a browser ask another host: a link, an image, a style or a script that is not on this disk."""


@dataclass(frozen=True)
class Page:
    """A page as the browser shows it."""

    html: str
    """The document once its scripts have run."""
    picture: Path
    """What it looks like, a PNG."""

    @property
    def text(self) -> str:
        """The words on the page, their white space made plain; nothing of what can't be seen."""
        body = re.sub(r"(?s)<(style|script|title)\b.*?</\1>|<!--.*?-->", " ", self.html)
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", body)).split())

    @property
    def inks(self) -> int:
        """How many colours the picture has; an empty page has one."""
        from matplotlib.image import imread

        return len(np.unique(imread(self.picture).reshape(-1, 4)[:, :3], axis=0))


def open_page(file: Path, width: int = 1200, height: int = 1600) -> Page:
    """Open a page that stands on disk in headless Chromium, which finds no other host; skips where there is no Chromium.

    Args:
        file: the page.
        width: of the window, in pixels.
        height: of the window, in pixels.
    """
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    picture = file.parent / f"{file.stem}.png"
    with TemporaryDirectory() as profile:
        command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        command += [f"--user-data-dir={profile}", f"--window-size={width},{height}"]
        command += ["--host-resolver-rules=MAP * 0.0.0.0", "--virtual-time-budget=5000"]
        html = _run([*command, "--dump-dom", file.as_uri()])
        _run([*command, f"--screenshot={picture}", file.as_uri()])
    return Page(html, picture)


def asks_outside(html: str) -> list[str]:
    """The places of a page that refer to another host; empty if it stands on its own."""
    return OUTSIDE.findall(html)


def _run(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
