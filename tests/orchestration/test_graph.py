"""A graph checks every connection while it is built."""

from __future__ import annotations

import pytest

from orchestration.graph import Graph
from sluice.contract import WiringError

pytestmark = pytest.mark.usefixtures("importable")


def test_a_connected_graph_knows_what_each_step_needs():
    graph = Graph("g")
    emitted = graph.step("emit", count=graph.parameter("count", "how many", int))
    graph.step("total", values=emitted["values"])
    assert graph.steps["total"].needs == ("emit",)
    assert graph.steps["total"].gate is None


def test_an_output_of_another_kind_is_refused_by_name():
    graph = Graph("g")
    added = graph.step("total", values=graph.step("emit", count=1)["values"])
    with pytest.raises(WiringError, match=r"step broken, input values: .*Got: report\. Allowed: table"):
        graph.step("broken", values=added["sum_of"], how="error")


def test_a_table_without_a_required_role_is_refused():
    graph = Graph("g")
    with pytest.raises(
        WiringError, match=r"step total, input values: .*Got: table\. Allowed: table with numeric"
    ):
        graph.step("total", values=graph.step("plain")["values"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cuont": 1}, r"step emit: the component takes no 'cuont' \(did you mean 'count'\?\)"),
        ({}, r"step emit: the step lacks what its component needs. Got: no count"),
    ],
)
def test_unknown_and_missing_arguments_are_refused(arguments, message):
    with pytest.raises(WiringError, match=message):
        Graph("g").step("emit", **arguments)


def test_a_value_does_not_go_into_an_input():
    with pytest.raises(WiringError, match="step total, values: an artifact goes into an input"):
        Graph("g").step("total", values="file:///somewhere")


def test_an_output_that_is_not_there_is_refused_with_a_suggestion():
    emitted = Graph("g").step("emit", count=1)
    with pytest.raises(
        WiringError, match=r"step emit: the component has no output 'vales' \(did you mean 'values'\?\)"
    ):
        emitted["vales"]


def test_a_gate_asks_for_a_verdict():
    graph = Graph("g")
    added = graph.step("total", values=graph.step("emit", count=1)["values"])
    with (
        pytest.raises(WiringError, match=r"gate g1: a gate reads a verdict .*total returns TotalMetrics"),
        graph.gate("g1", added, refusal="no"),
    ):
        pass


def test_what_is_added_inside_a_gate_stands_behind_it():
    graph = Graph("g")
    emitted = graph.step("emit", count=1)
    with graph.gate("first", emitted, refusal="no"):
        graph.step("broken", values=emitted["values"], how="error")
        with graph.gate("second", emitted, refusal="no"):
            pass
    assert graph.steps["broken"].gate == "first"
    assert graph.gates["second"].gate == "first"


def test_two_steps_of_one_name_are_refused():
    graph = Graph("g")
    graph.step("emit", count=1)
    with pytest.raises(WiringError, match="two steps of one name"):
        graph.step("emit", count=2)
