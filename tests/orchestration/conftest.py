"""Small components that real runners run."""

from tests.builders.small_components import importable, small_components

__all__ = ["importable", "small_components"]
