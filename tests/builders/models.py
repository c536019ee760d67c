"""A tiny model, really trained and exported; once for a whole test run."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from tests.builders.backbones import tiny_backbone
from tests.builders.parcels import Trained, parcels, settings, trained


@cache
def tiny_model(root: Path) -> Trained:
    """Train it below `root`; called again, it is there already."""
    return trained(root / "trained", parcels(root / "parcels"), settings(tiny_backbone(root / "backbone")))
