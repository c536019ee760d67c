"""An image's bill of materials: its Python distributions and Debian packages as CycloneDX JSON, beside its tag."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cyclonedx.model.component import Component
    from docker import DockerClient

FOLDER = Path(__file__).resolve().parent.parent / "build/sbom"

INVENTORY = """
import importlib.metadata, json, pathlib, platform, re
python = [
    {"name": d.name, "version": d.version, "license": d.metadata.get("License-Expression") or d.metadata.get("License")}
    for d in importlib.metadata.distributions()
]
status = pathlib.Path("/var/lib/dpkg/status")
debian = [
    dict(re.findall(r"^(Package|Version|Architecture): (.*)", entry, re.M))
    for entry in (status.read_text() if status.exists() else "").split("\\n\\n") if "Status: install ok installed" in entry
]
print(json.dumps({"interpreter": platform.python_version(), "python": python, "debian": debian}))
"""
"""What an image's own Python says is in it."""


def path_of(component: str, tag: str) -> Path:
    """Where the bill of an image is."""
    return FOLDER / f"{component}-{tag}.cdx.json"


def write(client: DockerClient, reference: str, component: str, tag: str) -> None:
    """Write the bill of an image that the engine has, unless it is there. The same image gives the same bill."""
    path = path_of(component, tag)
    if path.exists():
        return
    printed = client.containers.run(
        reference, ["-c", INVENTORY], entrypoint="python", network="none", remove=True
    )
    created = client.images.get(reference).attrs["Created"][:19]
    text = bill(json.loads(printed), component, tag, datetime.fromisoformat(f"{created}+00:00"))
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".new")
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(path)


def bill(inventory: dict[str, Any], component: str, tag: str, created: datetime) -> str:
    """An inventory as CycloneDX."""
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6

    image = Component(type=ComponentType.CONTAINER, name=f"sluice-{component}", version=tag, bom_ref="image")
    parts = list(parts_of(inventory))
    bom = Bom(
        serial_number=uuid.uuid5(uuid.NAMESPACE_URL, f"sluice-{component}:{tag}"),
        metadata=BomMetaData(component=image, timestamp=created),
        components=parts,
    )
    bom.register_dependency(image, parts)
    return JsonV1Dot6(bom).output_as_string(indent=1)


def parts_of(inventory: dict[str, Any]) -> Iterator[Component]:
    """The interpreter, each Python distribution, and each Debian package."""
    from packageurl import PackageURL

    yield part(
        "python", inventory["interpreter"], PackageURL("generic", None, "python", inventory["interpreter"])
    )
    for found in inventory["python"]:
        url = PackageURL("pypi", None, found["name"].lower().replace("_", "-"), found["version"])
        yield part(found["name"], found["version"], url, found["license"])
    for found in inventory["debian"]:
        architecture = {"arch": found["Architecture"]}
        url = PackageURL("deb", "debian", found["Package"], found["Version"], architecture)
        yield part(found["Package"], found["Version"], url)


def part(name: str, version: str, url: Any, licence: str | None = None) -> Component:
    """One entry. A licence that is a whole text or a remark is left to whoever reads the package."""
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model.component import Component, ComponentType

    short = licence if licence and len(licence) < 60 and "\n" not in licence else None
    return Component(
        type=ComponentType.LIBRARY,
        name=name,
        version=version,
        purl=url,
        bom_ref=str(url),
        licenses=[LicenseFactory().make_from_string(short)] if short else [],
    )
