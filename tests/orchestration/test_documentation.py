"""What `docs` writes: the graph's picture, and parts of pages between their markers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from orchestration.documentation import mermaid, outdated, write
from orchestration.graph import Graph
from orchestration.pipeline import build

ROOT = Path(__file__).parents[2]


@pytest.fixture
def pages(tmp_path) -> Path:
    """A copy of the pages that have generated parts."""
    for page in [ROOT / "README.md", *ROOT.glob("components/**/README.md")]:
        copy = tmp_path / page.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(page, copy)
    return tmp_path


@pytest.mark.usefixtures("importable")
def test_the_picture_shows_every_step_connection_and_gate():
    graph = Graph("small")
    emitted = graph.step("emit", count=1)
    with graph.gate("small-gate", emitted, refusal="The numbers were refused"):
        graph.step("total", values=emitted["values"])
    assert mermaid(graph).splitlines() == [
        "flowchart LR",
        "    data[(raw files)] --> emit",
        "    emit --> total",
        "    small-gate -- passed --> total",
        "    emit --> small-gate{small-gate}",
        "    small-gate -- refused --> small-gate-refused[The numbers were refused]",
        "    total --> approval([a person approves])",
    ]


def test_the_real_picture_has_every_step_and_gate():
    picture, graph = mermaid(build()), build()
    assert all(f"> {name}" in picture for name in graph.steps)
    assert all(f"{name}{{{name}}}" in picture for name in graph.gates)


def test_a_stale_part_is_found_and_written_again_and_nothing_around_it_is_touched(pages):
    page = pages / "components/train/README.md"
    good = page.read_text()
    page.write_text(good.replace("| input | `validation` |", "| input | `validate` |") + "\nmy own words\n")
    assert outdated(pages) == [page]
    write(pages)
    assert page.read_text() == good + "\nmy own words\n"
    assert outdated(pages) == []


def test_a_page_without_its_marker_is_told(pages):
    page = pages / "README.md"
    page.write_text(page.read_text().replace("<!-- /recipe -->", ""))
    with pytest.raises(ValueError, match=r"README\.md has no <!-- recipe --> … <!-- /recipe -->"):
        outdated(pages)
