"""A compiled pipeline definition: read, walked, resolved and made comparable. What lint, plan and upsert share."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sluice.contract import InputError

Content = dict[str, Any]

BUILD_TIME = "--func_step_s3_dir"
"""The argument that holds when a step was compiled; its payloads lie in a folder of that name."""
PAYLOAD_ROOT = "--s3_base_uri"
REFERENCES = "--property_references"
PUBLIC_KEY = "REMOTE_FUNCTION_SECRET_KEY"
"""The environment variable with the key that the step's payloads are signed with: another one in every compile."""
BRANCHES = {"IfSteps": "open", "ElseSteps": "refused"}
PLACEHOLDERS = ("Get", "Std:Join", "Std:JsonGet")


@dataclass(frozen=True)
class JobFields:
    """Where the API puts what both kinds of job have.

    Attributes:
        image: the image's URI.
        container: what the container is and is told.
        resources: instance type and count, and the volume.
    """

    image: str
    container: str
    resources: str


JOBS = {
    "Training": JobFields(
        image="AlgorithmSpecification.TrainingImage",
        container="AlgorithmSpecification",
        resources="ResourceConfig",
    ),
    "Processing": JobFields(
        image="AppSpecification.ImageUri",
        container="AppSpecification",
        resources="ProcessingResources.ClusterConfig",
    ),
}
"""The kinds of job that steps are: one instance runs an `@step` as a training job, several share a processing job."""


class Partial(str):
    """A text of which some is known only when the pipeline runs: what is known of it, so at most as long as it will be."""


@dataclass(frozen=True)
class StepContent:
    """One step of a definition, wherever it stands.

    Attributes:
        name: its name.
        type: `Training`, `Processing`, `Condition`, `Fail`, or what else Pipelines knows.
        content: the step as it stands in the definition.
        behind: the gates around it, outermost first, each with the branch it stands in: `open` or `refused`.
    """

    name: str
    type: str
    content: Content
    behind: tuple[tuple[str, str], ...] = ()

    @property
    def arguments(self) -> Content:
        """What its job is created with, or what the gate and the refusal say."""
        return self.content.get("Arguments") or {}

    @property
    def is_job(self) -> bool:
        """Whether it runs a component in a job."""
        return self.type in JOBS

    @property
    def fields(self) -> JobFields:
        """Where its job's arguments have what every job has."""
        return JOBS[self.type]

    @property
    def image(self) -> Any:
        """Its job's image."""
        return in_step(self, self.fields.image)

    @property
    def resources(self) -> Content:
        """Its job's instances and volume."""
        return in_step(self, self.fields.resources) or {}

    @property
    def options(self) -> dict[str, list[Any]]:
        """What an `@step`'s entry point is told: the values by option."""
        found: dict[str, list[Any]] = {}
        name = ""
        for value in self.arguments.get("AlgorithmSpecification", {}).get("ContainerArguments", []):
            if isinstance(value, str) and value.startswith("--"):
                name = value
                found[name] = []
            else:
                found.setdefault(name, []).append(value)
        return found

    def option(self, name: str) -> str | None:
        """The first value of an option, if it is a text."""
        value = next(iter(self.options.get(name, [])), None)
        return value if isinstance(value, str) else None

    @property
    def depends_on(self) -> tuple[str, ...]:
        """The steps that it names as such that it waits for."""
        named = self.content.get("DependsOn") or []
        return tuple(entry if isinstance(entry, str) else str(entry.get("Step")) for entry in named)

    @property
    def references(self) -> tuple[str, ...]:
        """Everything that it gets, `Steps.train.…` or `Parameters.rows`; the steps inside a gate are not asked."""
        own = {key: value for key, value in self.content.items() if key != "Arguments"}
        arguments = {key: value for key, value in self.arguments.items() if key not in BRANCHES}
        return tuple(dict.fromkeys(_references([own, arguments])))

    @property
    def needs(self) -> tuple[str, ...]:
        """The steps that it waits for, named or got from."""
        got = [reference.split(".")[1] for reference in self.references if reference.startswith("Steps.")]
        return tuple(dict.fromkeys([*self.depends_on, *got]))


@dataclass(frozen=True)
class Definition:
    """A pipeline definition.

    Attributes:
        content: the whole of it.
        steps: every step, also those inside gates; a step stands after those that it waits for.
    """

    content: Content
    steps: tuple[StepContent, ...] = field(repr=False)

    @cached_property
    def parameters(self) -> dict[str, Content]:
        """The pipeline parameters by name."""
        return {str(entry.get("Name")): entry for entry in self.content.get("Parameters") or []}

    @cached_property
    def by_name(self) -> dict[str, StepContent]:
        """The steps by name."""
        return {step.name: step for step in self.steps}

    @property
    def jobs(self) -> tuple[StepContent, ...]:
        """The steps that run in jobs."""
        return tuple(step for step in self.steps if step.is_job)


def read_definition(text: str, where: str = "pipeline definition") -> Definition:
    """Read a definition.

    Raises:
        InputError: this is none.
    """
    try:
        content = json.loads(text)
        return Definition(content, tuple(_in_order(list(_walk(content["Steps"], ())))))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            "this is no pipeline definition",
            where=where,
            got=f"{type(error).__name__}: {error}",
            allowed="a JSON object with Steps, each with Name, Type and Arguments",
        ) from None


def _walk(steps: list[Content], behind: tuple[tuple[str, str], ...]) -> Iterator[StepContent]:
    for step in steps:
        found = StepContent(step["Name"], step["Type"], step, behind)
        yield found
        for branch, state in BRANCHES.items():
            yield from _walk(found.arguments.get(branch) or [], (*behind, (found.name, state)))


def _in_order(steps: list[StepContent]) -> Iterator[StepContent]:
    """Each step after those it waits for; where they wait in a circle, or for nothing that is there, as they stood."""
    waiting, names, done = steps, {step.name for step in steps}, set[str]()
    while waiting:
        ready = [s for s in waiting if all(need in done or need not in names for need in waits_for(s))]
        if not ready:
            yield from waiting
            return
        yield ready[0]
        done.add(ready[0].name)
        waiting = [step for step in waiting if step is not ready[0]]


def waits_for(step: StepContent) -> tuple[str, ...]:
    """The steps that must have ended before a step begins; the gate that it stands behind is one of them."""
    return (*step.needs, *(gate for gate, _ in step.behind[-1:]))


def is_placeholder(value: Any) -> bool:
    """Whether a value is known only when the pipeline runs."""
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)) in PLACEHOLDERS


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if set(value) == {"Get"} and isinstance(value["Get"], str):
            yield value["Get"]
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def in_step(step: StepContent, path: str) -> Any:
    """What stands at a dotted path in a step's arguments, `Outputs['records']` an entry of a list; None if nothing does."""
    found: Any = step.arguments
    for part in path.split("."):
        key, _, name = part.removesuffix("']").partition("['")
        found = found.get(key) if isinstance(found, dict) else None
        if name:
            found = next((entry for entry in found or [] if name in entry.values()), None)
    return found


@dataclass(frozen=True)
class Resolver:
    """Replaces placeholders by what they will be, as far as the definition says.

    Attributes:
        definition: the definition.
        values: what parameters are given at the start, by name; their defaults stand for the others.
        execution: what the execution variables will be, or something as long.
    """

    definition: Definition
    values: Mapping[str, str]
    execution: Mapping[str, str]

    def resolve(self, value: Any, asked: tuple[str, ...] = ()) -> Any:
        """The value, with `Partial` texts where only a part is known.

        Args:
            value: what stands in the definition.
            asked: the references that led here; one of them again would lead round for ever.
        """
        if not is_placeholder(value):
            return value
        ((kind, inner),) = value.items()
        if kind == "Get" and inner not in asked:
            return self._get(str(inner), asked)
        if kind == "Std:Join":
            parts = [self.resolve(part, asked) for part in inner.get("Values", [])]
            joined = str(inner.get("On", "")).join(str(part) for part in parts)
            return Partial(joined) if any(isinstance(part, Partial) for part in parts) else joined
        return Partial("")

    def _get(self, reference: str, asked: tuple[str, ...]) -> Any:
        head, _, rest = reference.partition(".")
        if head == "Parameters":
            default = self.definition.parameters.get(rest, {}).get("DefaultValue", Partial(""))
            return self.values.get(rest, default)
        if head == "Execution":
            return self.execution.get(rest, Partial(""))
        name, _, path = rest.partition(".")
        step = self.definition.by_name.get(name)
        found = in_step(step, path) if step else None
        if found is None or (isinstance(found, dict | list) and not is_placeholder(found)):
            return Partial("")
        return self.resolve(found, (*asked, reference))


def payloads(definition: Definition) -> dict[tuple[str, str], str]:
    """Where the pickled function and arguments of each step lie: S3 URIs by step and part."""
    return {
        (step.name, part): f"{root}/{step.name}/{built}/{part}/payload.pkl"
        for step in definition.jobs
        if (root := step.option(PAYLOAD_ROOT)) and (built := step.option(BUILD_TIME))
        for part in ("function", "arguments")
    }


def normalised(definition: Definition) -> Content:
    """The content without what differs between two compiles of the same thing: build times and public keys."""
    built = {time for step in definition.jobs if (time := step.option(BUILD_TIME))}
    return dict(_without(definition.content, built))


def _without(value: Any, built: set[str]) -> Any:
    if isinstance(value, dict):
        kept = {key: _without(inner, built) for key, inner in value.items()}
        if str(kept.get(PUBLIC_KEY, "")).startswith("-----BEGIN PUBLIC KEY-----"):
            kept[PUBLIC_KEY] = "(a key of this compile)"
        return kept
    if isinstance(value, list):
        return [_without(inner, built) for inner in value]
    return "(build time)" if isinstance(value, str) and value in built else value
