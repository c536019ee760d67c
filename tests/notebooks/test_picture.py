"""The graph as a picture: all of the graph is in it, nothing lies on anything else, and it can be heard as well as seen."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import combinations

import pytest

from orchestration.graph import OutputOf, PipelineParameter
from orchestration.picture import in_words, picture
from orchestration.pipeline import build

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def graph():
    return build()


@pytest.fixture(scope="module")
def drawing(graph) -> ET.Element:
    return ET.fromstring(picture(graph))


def texts(drawing: ET.Element) -> list[str]:
    return [element.text or "" for element in drawing.iter(f"{SVG}text")]


def shapes(drawing: ET.Element, kind: str) -> list[ET.Element]:
    return [element for element in drawing.iter() if element.get("class") == kind]


def test_every_step_and_gate_has_a_box_of_its_own_kind(graph, drawing):
    assert len(shapes(drawing, "step")) == len(graph.steps) >= 5
    assert len(shapes(drawing, "gate")) == len(shapes(drawing, "refused")) == len(graph.gates) == 2
    assert {shape.tag for shape in shapes(drawing, "gate")} == {f"{SVG}polygon"}
    assert {*graph.steps, *graph.gates, "a person approves"} <= set(texts(drawing))


def test_every_artifact_and_parameter_stands_on_an_arrow(graph, drawing):
    said = " ".join(texts(drawing))
    for step in graph.steps.values():
        for argument in step.arguments.values():
            assert isinstance(argument, OutputOf | PipelineParameter)
            name = argument.output if isinstance(argument, OutputOf) else argument.name
            assert re.search(rf"\b{name}\b", said), f"{name} of {step.name}"


def test_a_refusal_is_told_in_whole(graph, drawing):
    said = " ".join(texts(drawing))
    assert all(gate.refusal in said for gate in graph.gates.values())


def test_no_two_lanes_lie_on_each_other(drawing):
    lanes = []
    for path in shapes(drawing, "edge"):
        if found := re.fullmatch(r"M\S+ (\S+) H(\S+) V(\S+) H\S+", path.get("d")):
            lanes.append(tuple(map(float, found.groups())))
    assert len(lanes) >= 5
    for (start, lane, end), (other_start, other_lane, other_end) in combinations(lanes, 2):
        assert lane != other_lane or end < other_start or other_end < start


def test_nothing_lies_outside_the_picture(drawing):
    width, height = float(drawing.get("width")), float(drawing.get("height"))
    for path in shapes(drawing, "edge"):
        for axis, number in re.findall(r"([HV])([\d.]+)", path.get("d")):
            assert 0 < float(number) < (width if axis == "H" else height)


def test_whoever_hears_it_is_told_the_graph_and_its_gates(graph, drawing):
    assert drawing.get("role") == "img"
    named = {element.get("id") for element in drawing if element.get("id")}
    assert set(drawing.get("aria-labelledby").split()) == named
    assert drawing.find(f"{SVG}desc").text == in_words(graph)
    assert "train takes training, validation, features of preprocess. Behind data-gate." in in_words(graph)
    assert "if not: The data was refused. Nothing was trained." in in_words(graph)


def test_it_has_colours_for_dark_and_its_style_stays_its_own(drawing):
    style = drawing.find(f"{SVG}style").text
    assert "prefers-color-scheme: dark" in style
    rules = [line.strip() for line in style.splitlines() if "{" in line and not line.startswith("@media")]
    assert rules
    assert [rule for rule in rules if not rule.startswith(".sluice-graph")] == []
