"""What a component takes that is no artifact: things without a manifest, fingerprinted by looking at them."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Collection
from functools import cached_property
from pathlib import Path

from sluice.contract import storage
from sluice.contract.errors import InputError
from sluice.contract.manifest import digest_of
from sluice.contract.settings import Settings


class External(ABC):
    """Something outside the contract that a component takes by URI."""

    def __init__(self, uri: str) -> None:
        self.uri = uri

    @abstractmethod
    def digest(self, settings: Settings | None) -> str:
        """What stands there now, as one digest; part of the component's fingerprint."""


class Source(External):
    """A folder of raw files, on this machine or on S3."""

    def __init__(self, uri: str) -> None:
        super().__init__(storage.to_uri(uri))

    def digest(self, settings: Settings | None) -> str:
        """The digest of the files that the settings read from here, by name and content."""
        files = self._files(settings)
        return digest_of({file.path: storage.sha256_of(storage.join(self.uri, file.path)) for file in files})

    def local(self, settings: Settings | None, whole: Collection[str] | None = None) -> Path:
        """The folder on this machine; what the settings read is downloaded if it is on S3.

        Args:
            settings: name the files.
            whole: the files whose rows are wanted; of others on S3 so much is downloaded that their columns can be
                read. All, if not given.
        """
        self._require_folder()
        return storage.local_path(self.uri) if storage.is_local(self.uri) else self._download(settings, whole)

    def _files(self, settings: Settings | None) -> list[storage.StoredFile]:
        self._require_folder()
        patterns = settings.source_files() if settings else ("*",)
        files = storage.list_files(self.uri, patterns)
        if not files:
            raise InputError(
                "the data folder holds none of the recipe's files",
                where=self.uri,
                got=_names(storage.list_files(self.uri)),
                allowed=", ".join(patterns),
                next_step="Name the folder that holds them with --data",
            )
        return files

    def _require_folder(self) -> None:
        """Refuse what is no folder on this machine; on S3 a prefix exists as soon as a file is below it."""
        if storage.is_local(self.uri) and not (path := storage.local_path(self.uri)).is_dir():
            raise InputError(
                "the data folder isn't there",
                where=path,
                got="a file" if path.exists() else "nothing",
                allowed="a folder that holds the recipe's files",
                next_step="Correct DATA=<folder>, or --data",
            )

    def _download(self, settings: Settings | None, whole: Collection[str] | None) -> Path:
        for file in self._files(settings):
            fetch = storage.download if whole is None or file.path in whole else storage.download_columns
            fetch(storage.join(self.uri, file.path), self._scratch / file.path)
        return self._scratch

    @cached_property
    def _scratch(self) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="sluice-source-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return folder


def _names(files: list[storage.StoredFile]) -> str:
    shown = ", ".join(file.path for file in files[:10])
    return shown + (f" and {len(files) - 10} more" if len(files) > 10 else "") or "no files"
