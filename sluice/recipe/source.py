"""How a recipe's YAML is read: plain mappings, lists and scalars only, and the line of every one of them.

YAML has more than a recipe needs, and some of it surprises. Anchors, merges and tags are refused. A plain scalar is a
number, a truth value or nothing only where nobody would read it as anything else: `012`, `1_000`, `1:30` and
`2020-01-01` stay text, `1e-5` is a number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, TypeVar

import yaml

from sluice.recipe.mistakes import Mistake, Path

TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
NOTHING = ("", "~", "null")
WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
DIGITS = re.compile(r"[-+]?[0-9]+")
INDENTED_BY_TAB = re.compile(r" *\t")

T = TypeVar("T")


@dataclass
class Source:
    """A recipe as its YAML says it, before anything is known about what it means."""

    data: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    """The line of each key and list item."""
    plain: dict[Path, str] = field(default_factory=dict)
    """Each unquoted scalar as it is written: `no` for a False."""
    mistakes: list[Mistake] = field(default_factory=list)
    holes: set[Path] = field(default_factory=set)
    """Where something refused stands in for a value; what is said about the value there would mislead."""

    def line(self, mistake: Mistake) -> int:
        """The mistake's own line, or that of the nearest key or item around it."""
        path = mistake.path
        while path and path not in self.lines:
            path = path[:-1]
        return mistake.line or self.lines.get(path, 1)

    def hides(self, mistake: Mistake) -> bool:
        """Whether the mistake is about something that was refused and isn't there any more."""
        return any(mistake.path[: len(hole)] == hole for hole in self.holes)

    def also_called(self, path: Path, meant: Path) -> None:
        """Let what stands at `path` be found under the path that was meant, too."""
        self.lines |= _moved(self.lines, path, meant)
        self.plain |= _moved(self.plain, path, meant)
        self.holes |= set(_moved(dict.fromkeys(self.holes), path, meant))


def _moved(places: Mapping[Path, T], path: Path, meant: Path) -> dict[Path, T]:
    inside = {place: value for place, value in places.items() if place[: len(path)] == path}
    return {(*meant, *place[len(path) :]): value for place, value in inside.items()}


def read_source(text: str) -> Source:
    """Read a recipe's YAML. What is wrong with it is in the result's `mistakes`; `data` is then what could be read."""
    if tabs := _tabs(text):
        return Source(mistakes=tabs)
    source = Source()
    try:
        loader = _Loader(text.removeprefix("\ufeff"), source)
        node = loader.get_single_node()
        source.data = _value(node, (), source) if node else None
    except (yaml.YAMLError, RecursionError) as error:
        source.mistakes.append(_broken(error, text))
    else:
        source.mistakes += _not_a_mapping(source)
    return source


def _tabs(text: str) -> list[Mistake]:
    what = "a tab in the indentation; YAML indents with blanks"
    return [
        Mistake((), what, line=number)
        for number, line in enumerate(text.split("\n"), start=1)
        if INDENTED_BY_TAB.match(line)
    ]


def _not_a_mapping(source: Source) -> list[Mistake]:
    if source.data is None:
        return (
            []
            if source.mistakes
            else [Mistake((), "the recipe is empty", "a mapping, beginning with version: 1")]
        )
    if not isinstance(source.data, dict):
        return [Mistake((), "the recipe is not a mapping", "key: value lines, beginning with version: 1")]
    return []


def _broken(error: yaml.YAMLError | RecursionError, text: str) -> Mistake:
    if isinstance(error, yaml.MarkedYAMLError):
        return Mistake(
            (), f"not YAML: {_problem(error)}", line=_line(error.problem_mark or error.context_mark)
        )
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return Mistake((), f"not YAML: the control character U+{error.character:04X}", line=line)
    return Mistake((), "nested too deeply", line=1)


def _problem(error: yaml.MarkedYAMLError) -> str:
    began = (
        f" ({error.context}, line {_line(error.context_mark)})"
        if error.context and error.context_mark
        else ""
    )
    return f"{error.problem or error.context}{began}"


def _line(mark: Any) -> int:
    return int(mark.line) + 1 if mark else 1


class _Loader(yaml.SafeLoader):
    """Composes nodes, and takes anchors, aliases and tags down as mistakes on the way."""

    def __init__(self, text: str, source: Source) -> None:
        super().__init__(text)
        self._source = source

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs leave the parser out
        if isinstance(event, yaml.AliasEvent):
            self.get_event()  # type: ignore[no-untyped-call]
            self._refuse(event, f"the alias *{event.anchor}; write the value out, a recipe has no references")
            return yaml.ScalarNode(_HOLE, "")
        if event.anchor:
            self._refuse(event, f"the anchor &{event.anchor}; write the value out where it is needed")
            event.anchor = None
        if event.tag:
            self._refuse(event, f"the tag {event.tag}; write the value without it")
            event.tag, event.implicit = None, (True, False)
        return super().compose_node(parent, index)

    def _refuse(self, event: Any, what: str) -> None:
        self._source.mistakes.append(Mistake((), what, line=_line(event.start_mark)))


_HOLE = "hole"


def _value(node: yaml.Node, path: Path, source: Source) -> Any:
    source.lines.setdefault(path, _line(node.start_mark))
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, source)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, position), source) for position, item in enumerate(node.value)]
    if node.tag == _HOLE:
        source.holes.add(path)
    return _scalar(node, path, source)


def _mapping(node: yaml.MappingNode, path: Path, source: Source) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = _line(key_node.start_mark)
        key = key_node.value
        if not isinstance(key, str):
            source.mistakes.append(Mistake(path, "a list or mapping as a key", "text", line=line))
        elif key == "<<" and key_node.style is None:
            source.mistakes.append(Mistake(path, "the merge key <<; write the keys out here", line=line))
        elif key in values:
            first = source.lines[(*path, key)]
            source.mistakes.append(Mistake((*path, key), f"given twice, first on line {first}", line=line))
        else:
            source.lines[(*path, key)] = line
            values[key] = _value(value_node, (*path, key), source)
    return values


def _scalar(node: Any, path: Path, source: Source) -> Any:
    written: str = node.value
    if node.style is not None:
        return _encodable(written, path, source)
    source.plain[path] = written
    return plain_value(written)


def _encodable(written: str, path: Path, source: Source) -> str:
    """Half of a surrogate pair, which an escape can make, is no character: no file and no JSON can hold it."""
    whole = written.encode("utf-8", "replace").decode()
    if whole != written:
        source.mistakes.append(
            Mistake(path, "an escape that is half of a surrogate pair", "whole characters")
        )
    return whole


def plain_value(written: str) -> Any:
    """What an unquoted scalar means."""
    if written.lower() in NOTHING:
        return None
    if written.lower() in TRUTH:
        return TRUTH[written.lower()]
    if WHOLE.fullmatch(written):
        return int(written)
    if NUMBER.fullmatch(written) and not DIGITS.fullmatch(written) and isfinite(float(written)):
        return float(written)
    return written
