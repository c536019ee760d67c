"""NLTK's WordNetLemmatizer on a plain folder, wherever it is and whatever its path. Imports NLTK: import this late."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, TextIO

from nltk.corpus.reader.wordnet import WordNetCorpusReader
from nltk.data import PathPointer
from nltk.stem import WordNetLemmatizer


class _Root(PathPointer):  # type: ignore[misc]
    """Stands for the reader's root.

    NLTK only opens text paths that are registered for the whole process; the files of a verified artifact may be
    anywhere, so the reader below opens them itself.
    """

    def open(self, encoding: str | None = None) -> Any:
        raise NotImplementedError

    def file_size(self) -> int:
        raise NotImplementedError

    def join(self, fileid: str) -> PathPointer:
        raise NotImplementedError


class NounReader(WordNetCorpusReader):  # type: ignore[misc]
    """NLTK's WordNet reader with nouns only: it finds lemmas, and knows no meanings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__(_Root(), omw_reader=())  # other languages: none

    def open(self, file: str) -> TextIO:
        """A file of the folder; whatever noun lemmas don't need is empty."""
        if file not in ("index.noun", "noun.exc"):
            return io.StringIO()
        return (self.folder / file).open(encoding="utf-8")

    def map_wn(self, version: str = "wordnet") -> None:
        """No mapping to another WordNet: only meanings would need it."""


class FolderLemmatizer(WordNetLemmatizer):  # type: ignore[misc]
    """The lemmatiser, with a reader of its own instead of NLTK's global one."""

    def __init__(self, folder: Path) -> None:
        self._reader = NounReader(folder)

    def _morphy(self, form: str, pos: str, check_exceptions: bool = True) -> list[str]:
        lemmas: list[str] = self._reader._morphy(form, pos, check_exceptions)
        return lemmas
