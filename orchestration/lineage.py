"""Draws where an artifact comes from: a tree from it back to the raw files."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

from sluice.contract.lineage import Found, Lineage, lineage

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree

DIGITS = 12
"""Digits of a digest that are shown."""


def render_lineage(uri: str) -> str:
    """The lineage of the artifact whose manifest stands at `uri`, as text.

    Raises:
        ArtifactMissing: there is no manifest.
        ContractError: it can't be read.
    """
    from rich.console import Console

    console = Console(file=StringIO(), width=10_000, highlight=False)
    console.print(lineage_tree(lineage(uri)))
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())  # type: ignore[attr-defined]


def lineage_tree(root: Lineage) -> Tree:
    """The tree; what several were made from is drawn in full once."""
    from rich.tree import Tree

    tree = Tree(_label(root))
    _grow(tree, root, drawn=set())
    return tree


def _grow(tree: Tree, node: Lineage, drawn: set[tuple[str, str]]) -> None:
    for parent in node.parents:
        key = (parent.uri, parent.digest)
        label = _label(parent)
        if key in drawn and parent.parents:
            tree.add(label.append("  (as above)"))
            continue
        drawn.add(key)
        _grow(tree.add(label), parent, drawn)


def _label(node: Lineage) -> Text:
    from rich.text import Text

    label = Text.assemble((node.name, "bold"), f"  {node.digest[:DIGITS]}")
    if node.manifest:
        label.append(f"  by {node.manifest.producer.component}")
        label.append("" if node.manifest.rows is None else f", {node.manifest.rows:,} rows")
    if node.found is not Found.SAME:
        label.append(f"  {node.found}", "dim" if node.found is Found.SOURCE else "red")
    return label.append(f"  {node.uri}", "dim")
