"""What a result was computed from, as one digest; and which part of it changed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from sluice.contract.artifacts import file_sha256
from sluice.contract.component import Component
from sluice.contract.manifest import digest_of
from sluice.contract.settings import Settings, Strict

NOT_CODE = ("__pycache__", ".mypy_cache", ".ruff_cache")


class Fingerprint(Strict):
    """The parts of a fingerprint, kept whole so that `why` can say what changed."""

    component: str
    code: dict[str, str]
    """The sha256 of each file of the component's code, or its image's content digest under `image`."""
    settings: Any = None
    """The component's part of the recipe."""
    parameters: dict[str, Any] = {}
    """Plain values."""
    inputs: dict[str, str] = {}
    """The digest of each artifact and external input."""

    @property
    def digest(self) -> str:
        """All parts as one digest."""
        return digest_of(self.model_dump(mode="json"))

    def changes_since(self, other: Fingerprint) -> list[str]:
        """What is different from an earlier fingerprint of the same component, one line each; empty if nothing is."""
        changes: list[str] = []
        for label, new, old in (
            ("code", self.code, other.code),
            ("recipe", _flat(self.settings), _flat(other.settings)),
            ("parameter", self.parameters, other.parameters),
            ("input", self.inputs, other.inputs),
        ):
            changes += [
                _change(label, key, old, new) for key in sorted({*new, *old}) if old.get(key) != new.get(key)
            ]
        return changes


def fingerprint_of(
    component: Component,
    settings: Settings | None,
    parameters: Mapping[str, Any],
    inputs: Mapping[str, str],
    image: str | None = None,
) -> Fingerprint:
    """The fingerprint of one call of a component.

    Args:
        component: the component.
        settings: its part of the recipe.
        parameters: its plain values, defaults filled in.
        inputs: the digest of each artifact and external input.
        image: the content digest of the image that it runs in, if it does.
    """
    return Fingerprint(
        component=component.name,
        code=code_of(component, image),
        settings=None if settings is None else settings.model_dump(mode="json"),
        parameters=dict(parameters),
        inputs=dict(inputs),
    )


def code_of(component: Component, image: str | None = None) -> dict[str, str]:
    """The digests of what a component's behaviour depends on: its image's content, or its own files and the library's."""
    if image:
        return {"image": image}
    return _folder_digests(component.checkout, component.code_folder) | _folder_digests(
        component.checkout, component.checkout / "sluice"
    )


@lru_cache
def _folder_digests(root: Path, folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and not _is_noise(path))
    return {path.relative_to(root).as_posix(): file_sha256(path) for path in sorted(files)}


def _is_noise(path: Path) -> bool:
    return path.suffix in (".md", ".in") or any(part in NOT_CODE for part in path.parts)


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    """A nested JSON value as one level: `training.epochs` → 3."""
    if not isinstance(value, dict) or not value:
        return {path: value}
    entries = (_flat(item, f"{path}.{key}" if path else str(key)) for key, item in value.items())
    return {key: item for entry in entries for key, item in entry.items()}


def _change(label: str, key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    if label in ("code", "input"):
        verb = "added" if key not in old else "removed" if key not in new else "changed"
        return f"{label}: {key} {verb}"
    return f"{label}: {key} {old.get(key)!r} → {new.get(key)!r}"
