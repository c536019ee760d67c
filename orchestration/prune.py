"""What a start need not run again: the steps whose results stand in the store, found before any job is launched."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestration.definition import Definition, waits_for
from orchestration.environment import Environment, Image
from orchestration.executions import Deployed
from orchestration.graph import Graph, OutputOf, PipelineParameter, Step
from sluice.contract import Call, Result, storage
from sluice.job import NOT_GIVEN, record_uri

LENDING = ("Succeeded", "Failed")
"""How an execution must have ended to lend its results to another one."""
LOOKED_AT = 50
"""So many of the last executions are asked whether they can lend."""


@dataclass(frozen=True)
class Given:
    """What the pipeline is started with.

    Attributes:
        recipe: the recipe's text.
        recipe_uri: where the jobs read it.
        values: the pipeline parameters, the deployed defaults filled in.
        images: each step's image, by the digest of what went in.
        known: the digest of raw files that carry their own, by the URI of their folder.
    """

    recipe: str
    recipe_uri: str
    values: Mapping[str, str]
    images: Mapping[str, str]
    known: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Survey:
    """What a start would find.

    Attributes:
        finished: the results that stand in the store, by step.
        folders: where they stand.
        missing: the steps that have to run.
        refused: the gate that refuses, by a verdict that stands in the store; empty if none does.
        reasons: why it refuses.
    """

    finished: dict[str, Result] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    refused: str = ""
    reasons: str = ""


@dataclass(frozen=True)
class Selection:
    """A selective execution.

    Attributes:
        steps: the steps to run, gates and their refusals among them.
        source: the ARN of the execution that lends the others' results.
    """

    steps: tuple[str, ...]
    source: str


def content_tags(
    graph: Graph, definition: Definition, environment: Environment, images: Mapping[str, Image]
) -> dict[str, str] | None:
    """The content digest of each step's image, as deployed.

    Returns:
        None if the deployed pipeline is not the one that this checkout and its record of images know.
    """
    found = {}
    for name, step in graph.steps.items():
        image = images.get(step.component.name.split(".")[0])
        deployed = definition.by_name.get(name)
        if image is None or deployed is None or not deployed.is_job:
            return None
        store = deployed.arguments.get("Environment", {}).get("SLUICE_STORE")
        if (deployed.image, store) != (image.uri, environment.store):
            return None
        found[name] = image.tag
    return found


def survey(graph: Graph, store: str, given: Given) -> Survey:
    """Walk the graph as its jobs would, and look whether each step's result is there.

    Raises:
        SluiceError: the store can't be read, or the data isn't there.
    """
    found = Survey()
    for step in graph.steps.values():
        if any(_refuses(graph, gate, found) for gate in _gates(graph, step.gate)):
            continue
        call = _call(step, store, given, found) if set(step.needs) <= found.finished.keys() else None
        if call and (result := call.finished()):
            found.finished[step.name], found.folders[step.name] = result, call.folder
        else:
            found.missing.append(step.name)
    return found


def selection(found: Survey, definition: Definition, deployed: Deployed) -> Selection | None:
    """The selective execution that runs what is missing; None where everything has to be started.

    AWS's rules (docs.aws.amazon.com/sagemaker/latest/dg/pipelines-selective-ex.html and the API's
    SelectiveExecutionConfig): every step on a path between two selected ones is selected too; what is not selected
    and comes before is taken from the source execution, which ended as Succeeded or Failed; what is not selected and
    comes after does not run. Parameters may differ from the source's, so that we ask for the very results instead.
    """
    chosen = selected(definition, found.missing)
    needed = (_before(definition, chosen) - chosen) & found.folders.keys()
    if not needed or not chosen:
        return None
    source = _source(found, needed, deployed)
    if source is None:
        return None
    return Selection(tuple(step.name for step in definition.steps if step.name in chosen), source)


def selected(definition: Definition, missing: Iterable[str]) -> set[str]:
    """The steps to select so that the missing ones run: with their gates, the gates' refusals, and what lies between.

    A gate that reads a selected step's verdict is always selected, and its refusal with it: otherwise a refused
    execution would succeed. A gate whose verdict is there and open is selected before a selected step, too, but not
    at the price of a job that has its result.
    """
    jobs = {step.name for step in definition.jobs}
    chosen = _closed(definition, set(missing))
    while True:
        more = set(chosen)
        for step in definition.steps:
            if step.type == "Condition" and chosen & jobs & set(step.needs):
                more |= {step.name}
            if step.behind and step.behind[-1][1] == "refused" and step.behind[-1][0] in chosen:
                more |= {step.name}
        more = _closed(definition, more)
        guarded = [definition.by_name[name].behind for name in more & jobs]
        for gate in sorted({behind[-1][0] for behind in guarded if behind}):
            with_gate = _closed(definition, more | {gate})
            more = with_gate if with_gate & jobs == more & jobs else more
        if more == chosen:
            return chosen
        chosen = more


def _closed(definition: Definition, names: set[str]) -> set[str]:
    """The steps, and every step on a path between two of them."""
    after = {
        name: [step.name for step in definition.steps if name in waits_for(step)]
        for name in definition.by_name
    }
    return names | (_reach(names, after.__getitem__) & _before(definition, names))


def _before(definition: Definition, names: Iterable[str]) -> set[str]:
    return _reach(names, lambda name: waits_for(definition.by_name[name]))


def _source(found: Survey, needed: set[str], deployed: Deployed) -> str | None:
    """The last execution in which each needed step had exactly the result that it would be given now."""
    for execution in itertools.islice(deployed.executions(), LOOKED_AT):
        if execution.status in LENDING and all(
            _recorded(deployed.environment.store, execution.identity, name) == found.folders[name]
            for name in needed
        ):
            return execution.arn
    return None


def _recorded(store: str, execution: str, step: str) -> str | None:
    try:
        said = json.loads(storage.read_bytes(record_uri(store, execution, step)))
    except (FileNotFoundError, ValueError):
        return None
    return said.get("result") if isinstance(said, dict) else None


def _reach(names: Iterable[str], following: Any) -> set[str]:
    """What can be reached from some steps, they themselves not among it unless they are reached."""
    reached: set[str] = set()
    ahead = list(names)
    while ahead:
        fresh = set(following(ahead.pop())) - reached
        reached |= fresh
        ahead += fresh
    return reached


def _gates(graph: Graph, gate: str | None) -> Iterator[str]:
    while gate is not None:
        yield gate
        gate = graph.gates[gate].gate


def _refuses(graph: Graph, gate: str, found: Survey) -> bool:
    verdict = found.finished.get(graph.gates[gate].verdict)
    if verdict is None or verdict.metrics.get("passed") is True:
        return False
    found.refused = gate
    found.reasons = " ".join(verdict.metrics.get("reasons") or ["the verdict is missing"])
    return True


def _call(step: Step, store: str, given: Given, found: Survey) -> Call:
    arguments = {name: _value(argument, given, found) for name, argument in step.arguments.items()}
    known = {name: value for name, value in arguments.items() if value is not None}
    recipe = given.recipe if step.component.settings else None
    image = given.images[step.name]
    return Call(step.component, store, known, recipe, given.recipe_uri, image, given.known)


def _value(argument: Any, given: Given, found: Survey) -> str | None:
    if isinstance(argument, PipelineParameter):
        value = given.values.get(argument.name, NOT_GIVEN)
        return None if value == NOT_GIVEN else value
    if isinstance(argument, OutputOf):
        return storage.join(found.folders[argument.step], argument.output, "manifest.json")
    return None if argument is None else str(argument)
