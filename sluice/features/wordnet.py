"""Where WordNet stands, which of its files noun lemmas need, and how they are copied. Nothing is downloaded here."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from sluice.contract import ResourceMissing
from sluice.features.lemmatiser import NounLemmatiser

FILES = ("index.noun", "noun.exc", "LICENSE")
"""All that the lemmas of nouns need, and the licence that must go where they go."""
CHECKOUT = Path(__file__).resolve().parents[2]


def wordnet_folder() -> Path:
    """The folder that fitting reads WordNet from: SLUICE_WORDNET, else what `make resources` made.

    Raises:
        ResourceMissing: a file isn't there.
    """
    folder = Path(os.environ.get("SLUICE_WORDNET") or CHECKOUT / ".resources" / "wordnet")
    _require(folder, "Run `make resources`, or set SLUICE_WORDNET to a folder that holds them")
    return folder


def copy_wordnet(source: Path, target: Path) -> None:
    """Copy what lemmatising needs."""
    target.mkdir()
    for name in FILES:
        shutil.copyfile(source / name, target / name)


def load_lemmatiser(folder: Path) -> Callable[[str], str]:
    """A lemmatiser of nouns on a folder of WordNet files.

    Raises:
        ResourceMissing: a file isn't there.
    """
    _require(folder, "Make the artifact again with the step that wrote it")
    return NounLemmatiser(folder)


def _require(folder: Path, next_step: str) -> None:
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise ResourceMissing(
            "WordNet, which text.lemmatize needs, isn't here",
            where=folder,
            got=f"no {', '.join(missing)}",
            allowed=f"a folder with {', '.join(FILES)}",
            next_step=next_step,
        )
