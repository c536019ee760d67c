"""An image's bill of materials: its Python distributions and Debian packages as CycloneDX JSON, beside its tag."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docker import DockerClient

FOLDER = Path(__file__).resolve().parent.parent / "build/sbom"


def path_of(component: str, tag: str) -> Path:
    """Where the bill of an image is."""
    return FOLDER / f"{component}-{tag}.cdx.json"


def write(client: DockerClient, reference: str, component: str, tag: str) -> None:
    """Write the bill of an image, unless it is there."""
