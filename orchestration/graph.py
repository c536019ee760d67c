"""What a pipeline is: steps, gates and parameters. Everything is checked while the graph is built.

The graph knows neither a runner nor SageMaker: the local runner executes it, and the same object compiles to `@step`s,
ConditionSteps and FailSteps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sluice.contract import Component, Verdict, WiringError
from sluice.recipe.mistakes import closest


@dataclass(frozen=True)
class PipelineParameter:
    """A value that is given when the pipeline is started."""

    name: str
    description: str
    type: Any = str
    default: Any = None


@dataclass(frozen=True)
class OutputOf:
    """One output of a step: its manifest's URI, once the step has finished."""

    step: str
    output: str


Argument = PipelineParameter | OutputOf | str | int | float | bool | None


@dataclass(frozen=True)
class Step:
    """One call of a component."""

    name: str
    component: Component
    arguments: Mapping[str, Argument]
    gate: str | None
    """The innermost gate that must be open."""

    def __getitem__(self, output: str) -> OutputOf:
        """The step's output of that name.

        Raises:
            WiringError: the component has no such output.
        """
        if output not in self.component.outputs:
            raise WiringError(
                f"the component has no output {output!r}{_did_you_mean(output, self.component.outputs)}",
                where=f"step {self.name}",
                allowed=", ".join(self.component.outputs),
            )
        return OutputOf(self.name, output)

    @property
    def needs(self) -> tuple[str, ...]:
        """The steps whose outputs this one takes."""
        return tuple(dict.fromkeys(a.step for a in self.arguments.values() if isinstance(a, OutputOf)))


@dataclass(frozen=True)
class Gate:
    """What stands behind it runs only if a step's verdict is `passed`; otherwise the pipeline ends with its reasons."""

    name: str
    verdict: str
    """The step whose metrics hold `passed` and `reasons`."""
    refusal: str
    """What a refusal means, one sentence."""
    gate: str | None
    """The gate that this one stands behind."""


@dataclass
class Graph:
    """A pipeline under construction, and then the finished graph.

    Attributes:
        name: the pipeline's name.
        parameters: by name.
        steps: by name; a step only takes outputs of steps before it.
        gates: by name.
    """

    name: str
    parameters: dict[str, PipelineParameter] = field(default_factory=dict)
    steps: dict[str, Step] = field(default_factory=dict)
    gates: dict[str, Gate] = field(default_factory=dict)
    _behind: list[str] = field(default_factory=list)

    def parameter(
        self, name: str, description: str, type: Any = str, default: Any = None
    ) -> PipelineParameter:
        """Declare a pipeline parameter."""
        self.parameters[name] = PipelineParameter(name, description, type, default)
        return self.parameters[name]

    def step(self, component: str, name: str | None = None, /, **arguments: Argument) -> Step:
        """Add a call of a component.

        Args:
            component: the component's name.
            name: the step's name; the last part of the component's if not given.
            arguments: what each of the component's parameters is given.

        Raises:
            WiringError: an argument is unknown, missing, or not what the component takes.
        """
        loaded = Component.load(component)
        name = name or component.rpartition(".")[2]
        if name in self.steps:
            raise WiringError("two steps of one name", where=f"graph {self.name}", got=name)
        _check_arguments(name, loaded, arguments)
        for key, argument in arguments.items():
            if isinstance(argument, OutputOf):
                self._check_connection(f"step {name}, input {key}", loaded, key, argument)
        self.steps[name] = Step(name, loaded, arguments, self._behind[-1] if self._behind else None)
        return self.steps[name]

    @contextmanager
    def gate(self, name: str, verdict: Step, refusal: str) -> Iterator[Gate]:
        """Put what is added inside the `with` behind a gate.

        Raises:
            WiringError: the step's metrics are no verdict.
        """
        if not issubclass(verdict.component.metrics, Verdict):
            raise WiringError(
                "a gate reads a verdict (passed, reasons)",
                where=f"gate {name}",
                got=f"{verdict.name} returns {verdict.component.metrics.__name__}",
                allowed="a step whose metrics are a Verdict",
            )
        self.gates[name] = Gate(name, verdict.name, refusal, self._behind[-1] if self._behind else None)
        self._behind.append(name)
        try:
            yield self.gates[name]
        finally:
            self._behind.pop()

    def _check_connection(self, where: str, component: Component, key: str, argument: OutputOf) -> None:
        producer = self.steps.get(argument.step)
        if producer is None:
            raise WiringError("no such step before this one", where=where, got=argument.step)
        component.inputs[key].require(producer.component.outputs[argument.output], where=where)


def _check_arguments(name: str, component: Component, arguments: Mapping[str, Argument]) -> None:
    takes = {**component.inputs, **component.externals, **component.parameters}
    for key, argument in arguments.items():
        if key not in takes:
            raise WiringError(
                f"the component takes no {key!r}{_did_you_mean(key, takes)}",
                where=f"step {name}",
                allowed=", ".join(takes),
            )
        if isinstance(argument, OutputOf) is not (key in component.inputs):
            raise WiringError(
                "an artifact goes into an input, a value into a parameter",
                where=f"step {name}, {key}",
                got=argument,
            )
    optional = {key for key, parameter in component.parameters.items() if not parameter.required}
    missing = sorted(set(takes) - set(arguments) - optional)
    if missing:
        raise WiringError(
            "the step lacks what its component needs", where=f"step {name}", got=f"no {', '.join(missing)}"
        )


def _did_you_mean(name: str, known: Mapping[str, object]) -> str:
    meant = closest(name, known)
    return f" (did you mean {meant!r}?)" if meant else ""
