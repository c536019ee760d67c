"""What a component is: one typed function. Everything else about it is derived from its signature here."""

from __future__ import annotations

import importlib
import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self, get_args, get_origin

from pydantic import TypeAdapter

from sluice.contract.artifacts import Artifact, Output
from sluice.contract.errors import WiringError
from sluice.contract.external import External
from sluice.contract.schema import Role
from sluice.contract.settings import Settings, Strict


class Metrics(Strict):
    """What a component returns: small, strict JSON of finite builtins."""


class Verdict(Metrics):
    """Metrics that a gate can read. A gate opens only if `passed` is true."""

    passed: bool
    """Whether everything that was asked holds."""
    reasons: tuple[str, ...] = ()
    """Why not, one sentence each; empty if it passed."""


@dataclass(frozen=True)
class Roles:
    """The roles that a table's columns must (as an input) or will (as an output) hold."""

    roles: frozenset[Role]


def roles(*names: Role) -> Roles:
    """Annotate a table with roles: ``Annotated[Table, roles(Role.TEXT, Role.LABEL)]``."""
    return Roles(frozenset(names))


@dataclass(frozen=True)
class Port:
    """An artifact that goes in or comes out."""

    kind: type[Artifact]
    roles: frozenset[Role] = frozenset()

    def __str__(self) -> str:
        return self.kind.kind + (f" with {', '.join(sorted(self.roles))}" if self.roles else "")

    def require(self, other: Port, *, where: str) -> None:
        """Check that what `other` gives is what this input takes.

        Raises:
            WiringError: another kind, or a role is missing.
        """
        if other.kind is not self.kind or not self.roles <= other.roles:
            raise WiringError(
                "the graph connects what doesn't fit together",
                where=where,
                got=other,
                allowed=self,
            )


@dataclass(frozen=True)
class Parameter:
    """A plain value on the command line; a pipeline parameter can fill it."""

    type: Any
    default: Any

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is inspect.Parameter.empty

    def parse(self, value: Any) -> Any:
        """The value in its type, from text or JSON."""
        return TypeAdapter(self.type).validate_python(value)


@dataclass(frozen=True)
class Component:
    """A component's interface, read off its function's signature."""

    name: str
    function: Callable[..., Metrics]
    inputs: Mapping[str, Port]
    outputs: Mapping[str, Port]
    externals: Mapping[str, type[External]]
    parameters: Mapping[str, Parameter]
    settings: tuple[str, type[Settings]] | None
    metrics: type[Metrics]
    descriptions: Mapping[str, str]

    @classmethod
    def of(cls, function: Callable[..., Metrics]) -> Self:
        """Derive the component from its function, which lives in `components/<name>/component.py`.

        Each parameter is one of: an artifact (an input), an `Output` of one, an `External`, one `Settings`, or a plain
        value. The return annotation is its `Metrics`.

        Raises:
            WiringError: a parameter is none of these.
        """
        hints = typing.get_type_hints(function, include_extras=True)
        metrics = hints.pop("return", None)
        found: dict[str, dict[str, Any]] = {
            key: {} for key in ("inputs", "outputs", "externals", "parameters")
        }
        settings = None
        for name, parameter in inspect.signature(function).parameters.items():
            group, value = _classify(hints.get(name), parameter.default)
            if group == "settings":
                settings = (name, value)
            elif group is None:
                raise WiringError(
                    "no component can take this",
                    where=f"{function.__qualname__}({name})",
                    got=value,
                )
            else:
                found[group][name] = value
        if not (isinstance(metrics, type) and issubclass(metrics, Metrics)):
            raise WiringError("a component returns Metrics", where=function.__qualname__, got=metrics)
        return cls(
            name=function.__module__.removeprefix("components.").removesuffix(".component"),
            function=function,
            settings=settings,
            metrics=metrics,
            descriptions=_descriptions(function),
            **found,
        )

    @classmethod
    def load(cls, name: str) -> Self:
        """The component called `name` (`train`, `preprocess.validate`): the function of that last name in its module."""
        module = importlib.import_module(f"components.{name}.component")
        return cls.of(getattr(module, name.rpartition(".")[2]))

    @property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        return (inspect.getdoc(self.function) or self.name).splitlines()[0]

    @property
    def shareable(self) -> bool:
        """Whether several machines can share its work: it then has a module `cluster` beside its function."""
        return Path(inspect.getfile(self.function)).with_name("cluster.py").exists()

    @property
    def code_folder(self) -> Path:
        """The folder of the component's image: `components/<first part of the name>`."""
        return self.checkout / "components" / self.name.split(".")[0]

    @property
    def checkout(self) -> Path:
        """The folder that holds `components/` and `sluice/`."""
        file = Path(inspect.getfile(self.function)).resolve()
        return file.parents[self.name.count(".") + 2]

    def json_schema(self) -> dict[str, Any]:
        """The interface as JSON: inputs, outputs, parameters, settings and metrics."""
        return {
            "name": self.name,
            "description": self.summary,
            "inputs": {name: _port_schema(port) for name, port in self.inputs.items()},
            "externals": {name: external.__name__.lower() for name, external in self.externals.items()},
            "outputs": {name: _port_schema(port) for name, port in self.outputs.items()},
            "parameters": {name: _parameter_schema(p) for name, p in self.parameters.items()},
            "settings": self.settings[1].model_json_schema() if self.settings else None,
            "metrics": self.metrics.model_json_schema(),
        }

    def markdown_table(self) -> str:
        """The interface as the table that the component's README shows."""
        rows = [("input", name, str(port)) for name, port in self.inputs.items()]
        rows += [("input", name, external.__name__.lower()) for name, external in self.externals.items()]
        if self.settings:
            sections = ", ".join(f"`{field}`" for field in self.settings[1].model_fields)
            rows.append(("settings", self.settings[0], f"the recipe's {sections}"))
        rows += [("parameter", name, _parameter_text(p)) for name, p in self.parameters.items()]
        rows += [("output", name, str(port)) for name, port in self.outputs.items()]
        rows += [
            ("metric", name, _type_text(field.annotation))
            for name, field in self.metrics.model_fields.items()
        ]
        described = {**_field_descriptions(self.metrics), **self.descriptions}
        lines = ["| | name | what | meaning |", "|---|---|---|---|"]
        lines += [
            f"| {group} | `{name}` | {what} | {described.get(name, '')} |" for group, name, what in rows
        ]
        return "\n".join(lines)


def _classify(hint: Any, default: Any) -> tuple[str | None, Any]:
    """Which group of parameters a type hint belongs to, and what is kept of it."""
    base, noted = _without_annotation(hint)
    if get_origin(base) is Output:
        return "outputs", Port(get_args(base)[0], noted)
    if isinstance(base, type) and issubclass(base, Artifact):
        return "inputs", Port(base, noted)
    if isinstance(base, type) and issubclass(base, External):
        return "externals", base
    if isinstance(base, type) and issubclass(base, Settings):
        return "settings", base
    if _is_plain(base):
        return "parameters", Parameter(hint, default)
    return None, hint


def _without_annotation(hint: Any) -> tuple[Any, frozenset[Role]]:
    if get_origin(hint) is not Annotated:
        return hint, frozenset()
    base, *notes = get_args(hint)
    return base, frozenset().union(*(note.roles for note in notes if isinstance(note, Roles)))


def _is_plain(hint: Any) -> bool:
    if get_origin(hint) in (typing.Union, types.UnionType):
        return all(_is_plain(part) for part in get_args(hint))
    return hint in (str, int, float, bool, type(None))


def _descriptions(function: Callable[..., Any]) -> dict[str, str]:
    """The `Args:` section of a docstring, by parameter."""
    section = re.search(r"^Args:\n((?:[ \t]+.*\n?|\n)*)", inspect.getdoc(function) or "", re.MULTILINE)
    if section is None:
        return {}
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", section[1], re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}


def _field_descriptions(model: type[Strict]) -> dict[str, str]:
    return {name: " ".join((field.description or "").split()) for name, field in model.model_fields.items()}


def _port_schema(port: Port) -> dict[str, Any]:
    return {"kind": port.kind.kind, "roles": sorted(port.roles)}


def _parameter_schema(parameter: Parameter) -> dict[str, Any]:
    schema = TypeAdapter(parameter.type).json_schema()
    return schema if parameter.required else {**schema, "default": parameter.default}


def _parameter_text(parameter: Parameter) -> str:
    text = _type_text(parameter.type)
    return text if parameter.required else f"{text}, default `{parameter.default}`"


def _type_text(hint: Any) -> str:
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    text = hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint)
    return re.sub(r"\b\w+\.(?=\w)", "", text).replace(" | ", " or ")  # names without their modules
