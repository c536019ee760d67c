"""A checkout of its own, in which CI's scripts run as they do on a runner."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SECONDS = 1500
"""For one script: the first merge may have to build four images from nothing."""


@dataclass(frozen=True)
class Checkout:
    """A repository with one commit. What set-up would fetch is there; nothing is built and nothing recorded.

    Attributes:
        folder: where it is.
        variables: what the workflow sets, beside what this process has.
    """

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    def run(self, script: str, *words: object, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run one of CI's scripts."""
        own = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "PYTEST"))}
        return subprocess.run(
            [self.folder / script, *map(str, words)],
            cwd=self.folder,
            env={**own, **self.variables, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )

    def commit(self, message: str) -> None:
        """Commit all that changed."""
        self._git("add", "--all")
        self._git("-c", "user.name=Tester", "-c", "user.email=tester@example.org", "commit", "-qm", message)

    def change(self, file: str) -> None:
        """Merge a change of one file: a comment at its end."""
        with (self.folder / file).open("a", encoding="utf-8") as source:
            source.write("# changed\n")
        self.commit(f"{file} changes")

    def _git(self, *words: str) -> None:
        subprocess.run(["git", *words], cwd=self.folder, check=True, capture_output=True)


@pytest.fixture
def checkout(repository, tmp_path) -> Checkout:
    """The project as it is now, as a repository of its own."""
    folder = tmp_path / "checkout"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (repository / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(repository / name, folder / name)
    for fetched in (".resources", "wheelhouse"):
        if (repository / fetched).is_dir():
            shutil.copytree(repository / fetched, folder / fetched, copy_function=os.link)
    (folder / ".venv").symlink_to(repository / ".venv")
    made = Checkout(folder)
    made._git("init", "-q", "-b", "main")
    (folder / ".git/info/exclude").write_text(".venv\n")
    made.commit("As it is")
    return made
