"""The graph as a picture: an SVG drawn without another program, for light and dark, that also says in words what it shows.

One row for each step and gate, from top to bottom. Parameters and refusals stand on the left; an artifact that passes
over rows runs down a lane on the right.
"""

from __future__ import annotations

import textwrap
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from orchestration.graph import Gate, Graph, OutputOf, PipelineParameter, Step

APPROVAL = "a person approves"

BOX, LEFT, TOP = 200, 250, 20
"""A box's width, where the column of boxes begins, and the margin above it."""
GAP = 44
"""Between two rows, room for an arrow and its label."""
PORT = 24
"""Between two arrows that meet a box on one side."""
LANE = 18
LETTER = 6.6
"""About a letter's width at 12 pixels: the picture is drawn where no font can be measured."""
MIDDLE, RIGHT = LEFT + BOX / 2, LEFT + BOX

STYLE = """
.sluice-graph { --ground: #ffffff; --ink: #1f2933; --line: #64748b; --step: #e8f1fb; --gate: #fff4d6; --refused: #fde8e8; --end: #e6f6ec }
@media (prefers-color-scheme: dark) {
  .sluice-graph { --ground: #14191f; --ink: #e6edf3; --line: #94a3b8; --step: #1d3a57; --gate: #4d3c10; --refused: #552222; --end: #1d4730 }
}
.sluice-graph text { font: 12px system-ui, sans-serif; fill: var(--ink) }
.sluice-graph .name { font-weight: 600; font-size: 13px; text-anchor: middle; dominant-baseline: central }
.sluice-graph .to { text-anchor: end; dominant-baseline: central }
.sluice-graph .ground { fill: var(--ground) }
.sluice-graph .edge { fill: none; stroke: var(--line); stroke-width: 1.4 }
.sluice-graph .tip { fill: var(--line) }
.sluice-graph .step, .sluice-graph .gate, .sluice-graph .refused, .sluice-graph .end { stroke: var(--line) }
.sluice-graph .step { fill: var(--step) }
.sluice-graph .gate { fill: var(--gate) }
.sluice-graph .refused { fill: var(--refused) }
.sluice-graph .end { fill: var(--end) }
"""


@dataclass(frozen=True)
class Edge:
    """An arrow from one row's box to another's, and what travels on it."""

    source: str
    target: str
    label: str


@dataclass
class Box:
    """One row: a step, a gate, or the approval at the end."""

    name: str
    kind: str
    text: str
    """What it does, in words."""
    y: float = 0
    height: float = 0

    @property
    def middle(self) -> float:
        """The height of its centre line."""
        return self.y + self.height / 2


def picture(graph: Graph) -> str:
    """The graph as an SVG document."""
    return ET.tostring(_Drawing(graph).svg(), encoding="unicode")


def in_words(graph: Graph) -> str:
    """What the picture shows, for whoever hears it."""
    sentences = []
    for step in graph.steps.values():
        behind = f" Behind {step.gate}." if step.gate else ""
        sentences.append(f"{step.name} takes {', '.join(_told(step)) or 'nothing'}.{behind}")
        sentences += [
            f"{g.name} opens if {g.verdict} passed; if not: {g.refusal}." for g in _gates(graph, step)
        ]
    return " ".join([*sentences, f"In the end {APPROVAL}."])


def _told(step: Step) -> Iterator[str]:
    yield from _parameters(step)
    for producer in step.needs:
        yield f"{_outputs(step, producer)} of {producer}"


def _parameters(step: Step) -> list[str]:
    return [a.name for a in step.arguments.values() if isinstance(a, PipelineParameter)]


def _outputs(step: Step, producer: str) -> str:
    taken = (a for a in step.arguments.values() if isinstance(a, OutputOf) and a.step == producer)
    return ", ".join(dict.fromkeys(output.output for output in taken))


def _gates(graph: Graph, step: Step) -> list[Gate]:
    return [gate for gate in graph.gates.values() if gate.verdict == step.name]


def _boxes(graph: Graph) -> Iterator[Box]:
    for step in graph.steps.values():
        yield Box(step.name, "step", step.component.summary)
        for gate in _gates(graph, step):
            yield Box(gate.name, "gate", f"Opens if {gate.verdict} passed.")
    yield Box(APPROVAL, "end", "Nothing is used before a person has approved it.")


def _edges(graph: Graph) -> Iterator[Edge]:
    for step in graph.steps.values():
        yield from (Edge(producer, step.name, _outputs(step, producer)) for producer in step.needs)
        if step.gate and not any(graph.steps[name].gate == step.gate for name in step.needs):
            yield Edge(step.gate, step.name, "passed")  # those after it only run if it did
        yield from (Edge(step.name, gate.name, "verdict") for gate in _gates(graph, step))
    for gate in graph.gates.values():
        if gate.gate and graph.steps[gate.verdict].gate != gate.gate:
            yield Edge(gate.gate, gate.name, "passed")
    yield Edge(list(graph.steps)[-1], APPROVAL, "")


class _Drawing:
    """Places everything first, then draws it."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.boxes = {box.name: box for box in _boxes(graph)}
        self.rows = {name: row for row, name in enumerate(self.boxes)}
        edges = list(_edges(graph))
        self.near = [edge for edge in edges if self._span(edge) == 1]
        self.lanes = self._in_lanes(edge for edge in edges if self._span(edge) > 1)
        self._place()
        beside = [_width(_lane_label(edge)) + 18 for edge in self.lanes]
        below = [_width(edge.label) + 10 - BOX / 2 for edge in self.near]
        self.first_lane = RIGHT + max([*beside, *below]) + 10
        self.root = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "class": "sluice-graph"})

    def _span(self, edge: Edge) -> int:
        return self.rows[edge.target] - self.rows[edge.source]

    def _in_lanes(self, edges: Iterable[Edge]) -> dict[Edge, int]:
        """Short ones inside; no two that pass the same rows in one lane."""
        lanes: dict[Edge, int] = {}
        for edge in sorted(edges, key=self._span):
            taken = {lane for other, lane in lanes.items() if self._overlap(edge, other)}
            lanes[edge] = next(lane for lane in range(len(lanes) + 1) if lane not in taken)
        return lanes

    def _overlap(self, one: Edge, other: Edge) -> bool:
        return (
            self.rows[one.source] < self.rows[other.target]
            and self.rows[other.source] < self.rows[one.target]
        )

    def _place(self) -> None:
        y: float = TOP
        for box in self.boxes.values():
            step = self.graph.steps.get(box.name)
            arrows = max(len(self._ports(box.name)), len(_parameters(step)) if step else 0)
            box.y, box.height = y, max(64 if box.kind == "gate" else 40, PORT * arrows + 12)
            y += box.height + GAP

    def _ports(self, name: str) -> list[Edge]:
        """The lanes that meet a box, from top to bottom, so ordered that none crosses another one there."""
        arriving = sorted((e for e in self.lanes if e.target == name), key=self.lanes.__getitem__)
        leaving = sorted(
            (e for e in self.lanes if e.source == name), key=self.lanes.__getitem__, reverse=True
        )
        return [*arriving, *leaving]

    def _port(self, name: str, edge: Edge) -> float:
        box, ports = self.boxes[name], self._ports(name)
        if box.kind == "gate":
            return box.middle  # a diamond is met at its corner
        return box.middle + PORT * (ports.index(edge) - (len(ports) - 1) / 2)

    def svg(self) -> ET.Element:
        """The whole document."""
        width = self.first_lane + LANE * (max(self.lanes.values(), default=-1) + 1)
        height = max(box.y + box.height for box in self.boxes.values()) + TOP
        size = {"viewBox": f"0 0 {width:g} {height:g}", "width": f"{width:g}", "height": f"{height:g}"}
        words = {"role": "img", "aria-labelledby": "sluice-graph-title sluice-graph-words"}
        self.root.attrib.update(size | words)
        self._add("title", f"The pipeline {self.graph.name}", id="sluice-graph-title")
        self._add("desc", in_words(self.graph), id="sluice-graph-words")
        self._add("style", STYLE)
        self._add("rect", cls="ground", width="100%", height="100%", rx=8)
        for edge in self.near:
            self._near(edge)
        for edge in self.lanes:
            self._lane(edge)
        for box in self.boxes.values():
            self._box(box)
        return self.root

    def _near(self, edge: Edge) -> None:
        above, below = self.boxes[edge.source], self.boxes[edge.target]
        self._add("path", cls="edge", d=f"M{MIDDLE:g} {above.y + above.height:g} V{below.y - 7:g}")
        self._tip(MIDDLE, below.y, "-4,-8 4,-8")
        self._add("text", edge.label, x=MIDDLE + 10, y=below.y - GAP / 2 + 4)

    def _lane(self, edge: Edge) -> None:
        lane = self.first_lane + LANE * self.lanes[edge]
        start, end = self._port(edge.source, edge), self._port(edge.target, edge)
        self._add("path", cls="edge", d=f"M{RIGHT} {start:g} H{lane:g} V{end:g} H{RIGHT + 7}")
        self._tip(RIGHT, end, "8,-4 8,4")
        self._add("text", _lane_label(edge), x=RIGHT + 14, y=end - 5)

    def _box(self, box: Box) -> None:
        if box.kind == "gate":
            self._gate(box)
        else:
            rounded = 6 if box.kind == "step" else 20
            shape = self._add("rect", cls=box.kind, x=LEFT, y=box.y, width=BOX, height=box.height, rx=rounded)
            ET.SubElement(shape, "title").text = box.text
        if box.kind == "step":
            self._given(box)
        self._add("text", box.name, cls="name", x=MIDDLE, y=box.middle)

    def _given(self, box: Box) -> None:
        names = _parameters(self.graph.steps[box.name])
        for place, name in enumerate(names):
            y = box.middle + PORT * (place - (len(names) - 1) / 2)
            self._add("text", name, cls="to", x=LEFT - 36, y=y)
            self._left(y, LEFT - 30, LEFT - 7)
            self._tip(LEFT, y, "-8,-4 -8,4")

    def _gate(self, box: Box) -> None:
        corners = [(MIDDLE, box.y), (RIGHT, box.middle), (MIDDLE, box.y + box.height), (LEFT, box.middle)]
        shape = self._add("polygon", cls="gate", points=" ".join(f"{x:g},{y:g}" for x, y in corners))
        ET.SubElement(shape, "title").text = box.text
        lines = textwrap.wrap(self.graph.gates[box.name].refusal, 26)
        height = 16 * len(lines) + 14
        refused = self._add(
            "rect", cls="refused", x=10, y=box.middle - height / 2, width=180, height=height, rx=6
        )
        ET.SubElement(
            refused, "title"
        ).text = f"{box.name}-refused: the pipeline fails here, with the reasons."
        for place, line in enumerate(lines):
            self._add("text", line, x=20, y=box.middle + 16 * (place - (len(lines) - 1) / 2) + 4)
        self._left(box.middle, LEFT, 197)
        self._tip(190, box.middle, "8,-4 8,4")

    def _left(self, y: float, start: float, end: float) -> None:
        self._add("path", cls="edge", d=f"M{start:g} {y:g} H{end:g}")

    def _tip(self, x: float, y: float, others: str) -> None:
        """The head of an arrow that ends here; the other two corners are given from here."""
        offsets = [tuple(map(float, pair.split(","))) for pair in others.split()]
        points = [(x, y), *((x + dx, y + dy) for dx, dy in offsets)]
        self._add("polygon", cls="tip", points=" ".join(f"{px:g},{py:g}" for px, py in points))

    def _add(self, tag: str, text: str | None = None, cls: str = "", **attributes: object) -> ET.Element:
        named = {"class": cls} if cls else {}
        values = {name: f"{v:g}" if isinstance(v, float) else str(v) for name, v in attributes.items()}
        element = ET.SubElement(self.root, tag, named | values)
        element.text = text
        return element


def _lane_label(edge: Edge) -> str:
    """A lane comes from far away, so its label says from where."""
    return f"{edge.label} of {edge.source}"


def _width(text: str) -> float:
    return LETTER * len(text)
