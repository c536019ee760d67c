"""Where an artifact comes from: the chain of manifests from it back to the raw source, as a tree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from sluice.contract import storage
from sluice.contract.artifacts import read_manifest
from sluice.contract.errors import ArtifactMissing, ContractError
from sluice.contract.manifest import MANIFEST, Manifest, Parent


class Found(StrEnum):
    """What stands today where a manifest says that its parent stood."""

    SAME = "as recorded"
    CHANGED = "changed: another artifact stands there now"
    MISSING = "missing: nothing stands there any more"
    UNREADABLE = "unreadable: its manifest is damaged or of a newer contract"
    SOURCE = "raw source: not an artifact, not checked again"


@dataclass(frozen=True)
class Lineage:
    """One artifact or raw source, and what it was made from.

    Attributes:
        name: the name of the input that it was; the kind of artifact at the root.
        uri: where it stood when it was used.
        digest: its identity then.
        found: what stands there today.
        manifest: the manifest, if the very same artifact still stands there.
        parents: what it was made from; empty unless the very same artifact still stands there.
    """

    name: str
    uri: str
    digest: str
    found: Found
    manifest: Manifest | None = None
    parents: tuple[Lineage, ...] = ()

    def walk(self) -> Iterator[Lineage]:
        """This node and everything behind it; what two artifacts share comes once for each."""
        yield self
        for parent in self.parents:
            yield from parent.walk()


def lineage(uri: str) -> Lineage:
    """Walk the manifests from the artifact whose manifest stands at `uri` to the raw source.

    Only manifests are read: payloads are verified by whoever reads them.

    Raises:
        ArtifactMissing: there is no manifest at `uri` itself. A parent that is gone is shown as such.
        ContractError: the manifest at `uri` itself can't be read.
    """
    uri = _manifest_uri(storage.to_uri(uri))
    manifest = read_manifest(uri)
    return lineage_of(Parent(name=manifest.kind, uri=uri, digest=manifest.digest))


def _manifest_uri(uri: str) -> str:
    """The manifest of an artifact whose folder was named instead."""
    folder = storage.is_local(uri) and storage.local_path(uri).is_dir()
    return storage.join(uri, MANIFEST) if folder else uri


def lineage_of(recorded: Parent) -> Lineage:
    """Walk from an artifact as it was recorded somewhere; if it is gone or another one stands there, that is the answer."""
    return _Walk().node(recorded)


class _Walk:
    """Each artifact is walked once, however many were made from it; one that claims to descend from itself is cut off."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Lineage] = {}
        self._open: set[str] = set()

    def node(self, recorded: Parent) -> Lineage:
        key = (recorded.uri, recorded.digest)
        if key not in self._known:
            self._known[key] = self._walk(recorded)
        known = self._known[key]
        return Lineage(recorded.name, known.uri, known.digest, known.found, known.manifest, known.parents)

    def _walk(self, recorded: Parent) -> Lineage:
        found, manifest = _look(recorded)
        if manifest is None or recorded.uri in self._open:
            return Lineage(recorded.name, recorded.uri, recorded.digest, found)
        self._open.add(recorded.uri)
        parents = tuple(self.node(parent) for parent in manifest.parents)
        self._open.remove(recorded.uri)
        return Lineage(recorded.name, recorded.uri, recorded.digest, found, manifest, parents)


def _look(recorded: Parent) -> tuple[Found, Manifest | None]:
    if not recorded.uri.endswith(f"/{MANIFEST}"):
        return Found.SOURCE, None
    try:
        manifest = read_manifest(recorded.uri)
    except ArtifactMissing:
        return Found.MISSING, None
    except ContractError:
        return Found.UNREADABLE, None
    if manifest.digest != recorded.digest:
        return Found.CHANGED, None
    return Found.SAME, manifest
