"""Where a registry lives, as the thing that a component takes by URI: a folder on this machine."""

from __future__ import annotations

from sluice.contract import External, RegistryError, Settings, storage
from sluice.registry.base import Registry
from sluice.registry.embedded import EmbeddedRegistry
from sluice.registry.identity import identity_of


class RegistryHome(External):
    """The URI of a registry: a folder that holds `mlflow.db`, made when it is first used.

    Raises:
        RegistryError: no registry can live there.
    """

    def __init__(self, uri: str) -> None:
        super().__init__(storage.to_uri(uri))
        if not storage.is_local(self.uri):
            raise RegistryError(
                "the embedded registry is a folder on this machine",
                where=self.uri,
                allowed="file:// or a local path",
            )
        self.folder = storage.local_path(self.uri)
        if any(character in str(self.folder) for character in "?%"):
            raise RegistryError(
                "MLflow can't keep a registry under a path with ? or %",
                where=self.folder,
                next_step="Name another store with --store",
            )

    @classmethod
    def of_store(cls, store: str) -> RegistryHome:
        """The registry that belongs to a store: the folder `registry` in it, or in `artifacts` here for a store on S3."""
        return cls(storage.join(storage.on_this_machine(storage.to_uri(store)), "registry"))

    @property
    def store(self) -> str:
        """The store that the registry belongs to."""
        return storage.parent(self.uri)

    def digest(self, settings: Settings | None) -> str:
        """The registry's own identity, not its content: registering a version leaves it as it is.

        Raises:
            RegistryError: the identity is damaged.
            StorageError: it isn't there yet and can't be written.
        """
        return identity_of(self.folder)

    def open(self) -> Registry:
        """The registry."""
        return EmbeddedRegistry(self.folder)
