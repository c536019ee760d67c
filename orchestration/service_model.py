"""What SageMaker's API accepts, from botocore's service model: fields, types, lengths, ranges, patterns, allowed values.

botocore itself refuses unknown and missing fields, wrong types and what is too short or too small. It leaves to the
service what is too long or too large, and what no pattern or enum allows. Here all of it is found, and every mistake is
told at once, before anything is uploaded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from orchestration.definition import Partial
from sluice.recipe.mistakes import closest

TYPES: dict[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "character": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
}
"""What stands for a type of the service model in a definition. Whatever isn't here (a date, bytes) is not looked at."""
NAMES = {
    dict: "an object",
    list: "a list",
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}
JAVA = {r"\p{L}": r"\w", r"\p{N}": r"\d", r"\p{Z}": r"\s", r"\p{M}": r"\w"}
"""The service's patterns are Java's; these classes of characters have no such name in Python."""
TOO = {
    "entries": ("there are too many", "there are too few"),
    "characters": ("it is too long", "it is too short"),
    "": ("it is too large", "it is too small"),
}
LISTED = 8


@dataclass(frozen=True)
class Problem:
    """One thing that the API would refuse.

    Attributes:
        path: the field, dotted.
        what: what is wrong with it.
        got: what stands there.
        allowed: what may stand there.
    """

    path: str
    what: str
    got: object = None
    allowed: object = None


def problems(operation: str, arguments: dict[str, Any], given: str = "") -> Iterator[Problem]:
    """What an operation of the API would refuse in its arguments.

    Args:
        operation: `CreateTrainingJob` and its like.
        arguments: the arguments, resolved.
        given: a field that is filled in by whoever calls the operation.
    """
    shape = _model().operation_model(operation).input_shape
    for problem in _structure(arguments, shape, ""):
        if problem.path != given:
            yield problem


def value_problems(shape: str, value: Any, path: str) -> Iterator[Problem]:
    """What the API would refuse in one value of a shape, `PipelineName` or `StepName`."""
    yield from _value(value, _model().shape_for(shape), path)


def largest(shape: str) -> int:
    """How long a text, a list or a map of that shape may be, or how large a number."""
    return int(_model().shape_for(shape).metadata["max"])


def answers(operation: str) -> set[str]:
    """The fields of what an operation answers."""
    return set(_model().operation_model(operation).output_shape.members)


@cache
def _model() -> Any:
    import botocore.session

    return botocore.session.Session().get_service_model("sagemaker")


def _value(value: Any, shape: Any, path: str) -> Iterator[Problem]:
    types = TYPES.get(shape.type_name)
    if types is None or (isinstance(value, Partial) and str not in types):
        return  # a text of which a part is known, where no text belongs: a number or a truth that a step computes
    fits = isinstance(value, types) and (not isinstance(value, bool) or bool in types)
    if not fits:
        yield Problem(path, "the type is wrong", repr(value), NAMES[types[-1]])
    elif shape.type_name == "structure":
        yield from _structure(value, shape, path)
    elif shape.type_name == "map":
        yield from _size(len(value), shape, path, "entries")
        for key, inner in value.items():
            yield from _value(key, shape.key, f"{path} (the name {key})")
            yield from _value(inner, shape.value, f"{path}.{key}")
    elif shape.type_name == "list":
        yield from _size(len(value), shape, path, "entries")
        for index, inner in enumerate(value):
            yield from _value(inner, shape.member, f"{path}[{index}]")
    elif isinstance(value, str):
        yield from _text(value, shape, path)
    elif not isinstance(value, bool):
        yield from _size(value, shape, path, "")


def _structure(value: dict[str, Any], shape: Any, path: str) -> Iterator[Problem]:
    for name in shape.metadata.get("required", []):
        if value.get(name) is None:
            yield Problem(_dotted(path, name), "the field is missing")
    for name, inner in value.items():
        if name not in shape.members:
            meant = closest(name, shape.members)
            yield Problem(
                _dotted(path, name),
                "the API knows no such field" + (f" (did you mean {meant}?)" if meant else ""),
                allowed=_few(list(shape.members)),
            )
        elif inner is not None:
            yield from _value(inner, shape.members[name], _dotted(path, name))


def _size(size: float, shape: Any, path: str, unit: str) -> Iterator[Problem]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    large, small = TOO[unit]
    if most is not None and size > most:
        yield Problem(path, large, f"{size} {unit}".strip(), f"at most {most} {unit}".strip())
    if least is not None and size < least:
        yield Problem(path, small, f"{size} {unit}".strip(), f"at least {least} {unit}".strip())


def _text(value: str, shape: Any, path: str) -> Iterator[Problem]:
    whole = not isinstance(value, Partial)
    for problem in _size(len(value), shape, path, "characters"):
        if whole or problem.what == TOO["characters"][0]:
            yield problem
    if not whole:
        return
    if shape.enum and value not in shape.enum:
        meant = closest(value, shape.enum)
        hint = f" (did you mean {meant}?)" if meant else ""
        yield Problem(path, f"the value is not one that the API knows{hint}", value, _few(shape.enum))
    pattern = shape.metadata.get("pattern")
    if pattern and not _fits(pattern, value):
        yield Problem(path, "the text does not fit the API's pattern", _short(value), pattern)


def _fits(pattern: str, value: str) -> bool:
    for java, python in JAVA.items():
        pattern = pattern.replace(java, python)
    try:
        return re.fullmatch(pattern, value) is not None
    except re.error:
        return True  # a pattern that only Java reads: the service will look


def _dotted(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _few(values: list[str]) -> str:
    more = len(values) - LISTED
    return ", ".join(values[:LISTED]) + (f" and {more} others" if more > 0 else "")


def _short(value: str) -> str:
    return value if len(value) <= 80 else f"{value[:77]}…"
