"""Everything about a component is derived from its signature."""

from __future__ import annotations

import pytest

from sluice.contract import Component, Metrics, Output, Report, Strict, Table, Verdict, WiringError

from . import builders


def test_a_signature_says_what_goes_in_and_comes_out():
    component = Component.of(builders.total)
    assert str(component.inputs["values"]) == "table with numeric"
    assert str(component.outputs["result"]) == "report"
    assert component.parameters["times"].default == 1.0
    assert component.summary == "Add them up."


def test_the_docstring_explains_the_parameters():
    assert Component.of(builders.numbers).descriptions == {"count": "how many of them."}


def test_the_json_schema_holds_the_whole_interface():
    schema = Component.of(builders.total).json_schema()
    assert schema["inputs"] == {"values": {"kind": "table", "roles": ["numeric"]}}
    assert schema["parameters"] == {"times": {"type": "number", "default": 1.0}}
    assert schema["metrics"]["properties"]["rows"]["type"] == "integer"


def test_the_readme_table_has_a_line_for_each_part():
    lines = Component.of(builders.numbers).markdown_table().splitlines()
    assert lines[2:] == [
        "| parameter | `count` | int, default `3` | how many of them. |",
        "| output | `values` | table with numeric, text |  |",
        "| metric | `rows` | int |  |",
    ]


class Part(Strict):
    number: int


class Nested(Metrics):
    one: Part | None
    several: tuple[Part, ...]
    counts: dict[str, int]


def nested() -> Nested:
    raise NotImplementedError


def test_a_type_is_written_without_its_module():
    lines = Component.of(nested).markdown_table().splitlines()
    assert lines[2:] == [
        "| metric | `one` | Part or None |  |",
        "| metric | `several` | tuple[Part, ...] |  |",
        "| metric | `counts` | dict[str, int] |  |",
    ]


def test_a_parameter_that_no_component_can_take_is_refused():
    def bad(values: list[int]) -> Metrics:
        raise NotImplementedError

    with pytest.raises(WiringError, match=r"bad\(values\): no component can take this. Got: list\[int\]"):
        Component.of(bad)


def test_a_component_returns_metrics():
    def bad(result: Output[Report]) -> int:
        raise NotImplementedError

    with pytest.raises(WiringError, match="a component returns Metrics"):
        Component.of(bad)


def test_a_port_takes_what_offers_at_least_its_roles():
    gives, takes = (
        Component.of(builders.numbers).outputs["values"],
        Component.of(builders.total).inputs["values"],
    )
    takes.require(gives, where="x")
    with pytest.raises(WiringError, match=r"Got: table with numeric\. Allowed: table with numeric, text"):
        gives.require(takes, where="x")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_metrics_are_finite(bad):
    class Loss(Metrics):
        loss: float

    with pytest.raises(ValueError, match="finite"):
        Loss(loss=bad)


def test_a_verdict_needs_its_boolean():
    with pytest.raises(ValueError, match="passed"):
        Verdict(reasons=("because",))


def test_an_annotated_input_without_roles_takes_any_table():
    def any_table(values: Table) -> Metrics:
        raise NotImplementedError

    Component.of(any_table).inputs["values"].require(
        Component.of(builders.numbers).outputs["values"], where="x"
    )
