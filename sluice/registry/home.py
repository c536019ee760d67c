"""Where a registry lives, as the thing that a component takes by URI: a folder on this machine, or SageMaker."""

from __future__ import annotations

import os
import re
from pathlib import Path

from sluice.contract import External, RegistryError, Settings, digest_of, storage
from sluice.registry.base import Registry
from sluice.registry.embedded import EmbeddedRegistry
from sluice.registry.identity import identity_of
from sluice.registry.sagemaker import SCHEME, SageMakerRegistry

REGION = re.compile(r"[a-z]+(-[a-z]+)+-\d+")


class RegistryHome(External):
    """The URI of a registry: `sagemaker://<region>`, or a folder that holds `mlflow.db`, made when it is first used.

    Raises:
        RegistryError: no registry can live there.
    """

    def __init__(self, uri: str) -> None:
        self.region = _region(uri) if uri.startswith(SCHEME) else None
        super().__init__(uri if self.region else _folder(uri))

    @classmethod
    def of_store(cls, store: str) -> RegistryHome:
        """The registry that belongs to a store: the folder `registry` in it, or in `artifacts` here for a store on S3."""
        return cls(storage.join(storage.on_this_machine(storage.to_uri(store)), "registry"))

    @property
    def folder(self) -> Path:
        """The folder of a registry on this machine."""
        return storage.local_path(self.uri)

    @property
    def address(self) -> str:
        """What a person types to name it: a path, or the URI."""
        return self.uri if self.region else str(self.folder)

    def digest(self, settings: Settings | None) -> str:
        """The registry's own identity, not its content: registering a version leaves it as it is.

        SageMaker's is the region and the endpoint, which needs no network. The account is not looked up: another
        account has another store.

        Raises:
            RegistryError: the identity is damaged.
            StorageError: it isn't there yet and can't be written.
        """
        if self.region:
            return digest_of({"uri": self.uri, "endpoint": os.environ.get("AWS_ENDPOINT_URL")})
        return identity_of(self.folder)

    def open(self) -> Registry:
        """The registry."""
        return SageMakerRegistry(self.region) if self.region else EmbeddedRegistry(self.folder)


def _region(uri: str) -> str:
    region = uri.removeprefix(SCHEME)
    if not REGION.fullmatch(region):
        raise RegistryError(
            "this names no region of AWS",
            where=uri,
            got=region,
            allowed="sagemaker://<region>, for instance sagemaker://eu-west-1",
        )
    return region


def _folder(uri: str) -> str:
    if "://" in uri and not storage.is_local(uri):
        raise RegistryError(
            "no registry can live there",
            where=uri,
            allowed="a folder on this machine, or sagemaker://<region>",
        )
    folder = storage.to_uri(uri)
    if any(character in str(storage.local_path(folder)) for character in "?%"):
        raise RegistryError(
            "MLflow can't keep a registry under a path with ? or %",
            where=storage.local_path(folder),
            next_step="Name another store with --store",
        )
    return folder
