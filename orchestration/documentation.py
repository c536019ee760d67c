"""Writes the generated parts of the READMEs: the graph, the recipe's fields, each component's interface."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from orchestration.graph import Graph
from orchestration.pipeline import build
from sluice.recipe import field_table


def write(root: Path) -> None:
    """Bring every generated part below `root` up to date."""
    for path, text in _current(root):
        path.write_text(text, encoding="utf-8")


def outdated(root: Path) -> list[Path]:
    """The files with a generated part that is not up to date."""
    return [path for path, text in _current(root) if path.read_text(encoding="utf-8") != text]


def mermaid(graph: Graph) -> str:
    """The graph as a Mermaid flow chart."""
    lines = ["flowchart LR"]
    for step in graph.steps.values():
        lines += [f"    {before} --> {step.name}" for before in step.needs or ["data[(raw files)]"]]
        if step.gate:
            lines.append(f"    {step.gate} -- passed --> {step.name}")
    for gate in graph.gates.values():
        lines.append(f"    {gate.verdict} --> {gate.name}{{{gate.name}}}")
        lines.append(f"    {gate.name} -- refused --> {gate.name}-refused[{gate.refusal}]")
    last = list(graph.steps)[-1]
    lines.append(f"    {last} --> approval([a person approves])")
    return "\n".join(lines)


def _current(root: Path) -> Iterator[tuple[Path, str]]:
    """Every README with generated parts, and what it should say."""
    graph = build()
    for step in graph.steps.values():
        path = root / "components" / step.component.name.replace(".", "/") / "README.md"
        yield path, _replace(path, {"interface": step.component.markdown_table()})
    readme = root / "README.md"
    yield (
        readme,
        _replace(readme, {"graph": f"```mermaid\n{mermaid(graph)}\n```", "recipe": field_table().strip()}),
    )


def _replace(path: Path, parts: dict[str, str]) -> str:
    text = path.read_text(encoding="utf-8")
    for marker, part in parts.items():
        begin, end = f"<!-- {marker} -->", f"<!-- /{marker} -->"
        if begin not in text or end not in text:
            raise ValueError(f"{path} has no {begin} … {end}")
        text = re.sub(f"{begin}.*?{end}", lambda _: f"{begin}\n{part}\n{end}", text, flags=re.DOTALL)  # noqa: B023
    return text
