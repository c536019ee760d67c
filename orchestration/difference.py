"""What differs between two pipeline definitions, in the words of who runs them, and nothing that every compile changes.

A step is taken apart into facts: a name in plain words and a value each. Whatever has no such name keeps its path in
the definition, so that no difference goes unsaid. Where a step stands in the text is no fact; what it waits for is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestration.definition import (
    BRANCHES,
    BUILD_TIME,
    JOBS,
    REFERENCES,
    Content,
    Definition,
    StepContent,
    is_placeholder,
    normalised,
    payloads,
    read_definition,
)
from orchestration.environment import Image

Digests = Mapping[tuple[str, str], str | None]
"""The sha256 of payloads by step and part; None for one that is not there."""
Facts = dict[str, Any]

JOB = JOBS["Training"].container
ARGUMENTS = f"{JOB}.ContainerArguments"
NAMES = {
    **{job.image: "image" for job in JOBS.values()},
    **{
        f"{job.resources}.{field}": said
        for field, said in {
            "InstanceType": "instance type",
            "InstanceCount": "instances",
            "VolumeSizeInGB": "volume",
            "VolumeKmsKeyId": "key of the volume",
            "KeepAlivePeriodInSeconds": "kept alive",
        }.items()
        for job in JOBS.values()
    },
    f"{JOBS['Processing'].container}.ContainerArguments": "arguments",
    "ProcessingOutputConfig.KmsKeyId": "key of the results",
    "OutputDataConfig.KmsKeyId": "key of the results",
    "OutputDataConfig.S3OutputPath": "results",
    "CheckpointConfig.S3Uri": "checkpoints",
    "StoppingCondition.MaxRuntimeInSeconds": "longest run",
    "StoppingCondition.MaxWaitTimeInSeconds": "longest wait",
    "EnableManagedSpotTraining": "spot",
    "RoleArn": "role",
    "VpcConfig.Subnets": "subnets",
    "VpcConfig.SecurityGroupIds": "security groups",
    "NetworkConfig.VpcConfig.Subnets": "subnets",
    "NetworkConfig.VpcConfig.SecurityGroupIds": "security groups",
    "ErrorMessage": "message",
    "Description": "description",
    "DisplayName": "shown name",
    "DependsOn": "waits for",
    f"{ARGUMENTS}.--client_sagemaker_pysdk_version": "SDK version",
    f"{ARGUMENTS}.--client_python_version": "Python that compiles",
    f"{ARGUMENTS}.--s3_base_uri": "payload folder",
    f"{ARGUMENTS}.--s3_kms_key": "key of the payloads",
}
"""What the fields of a step are called."""
GROUPS = {
    f"{ARGUMENTS}.{REFERENCES}.": "gets ",
    f"{ARGUMENTS}.": "argument ",
    "Environment.": "environment variable ",
    "Tags.": "tag ",
}
"""What the entries of a list or map are called; the entry's name follows."""
UNITS = {
    "volume": ("GB", 1),
    "longest run": ("min", 60),
    "longest wait": ("min", 60),
    "kept alive": ("min", 60),
}
KEYS = {"Key": "Value", "ChannelName": None, "Name": None, "OutputName": None}
"""By which field the entries of a list are told apart, and which one is then all that is left of them."""


@dataclass(frozen=True)
class Change:
    """One fact that differs.

    Attributes:
        what: its name.
        old: its value before; None if there was none.
        new: its value now; None if there is none.
    """

    what: str
    old: str | None
    new: str | None


@dataclass(frozen=True)
class StepChange:
    """A step that differs.

    Attributes:
        name: the step.
        kind: `added`, `removed` or `changed`.
        changes: what differs; of a step that comes or goes, what it is.
    """

    name: str
    kind: str
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Difference:
    """All that differs.

    Attributes:
        pipeline: of the pipeline itself: its parameters and settings.
        every_job: what is the same change in each of the jobs.
        steps: step by step, in the order in which they run.
    """

    pipeline: tuple[Change, ...] = ()
    every_job: tuple[Change, ...] = ()
    steps: tuple[StepChange, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.pipeline or self.every_job or self.steps)


def difference(
    old: Definition,
    new: Definition,
    images: Mapping[str, Image] | None = None,
    digests: tuple[Digests, Digests] | None = None,
) -> Difference:
    """What differs between two definitions.

    Args:
        old: the one before.
        new: the one now.
        images: recorded images, for what an image's digest stands for.
        digests: the payloads' digests, before and now; without them payloads are not compared.
    """
    before, now = _plain(old), _plain(new)
    given = digests or ({}, {})
    was = {step.name: _facts(step, before, given[0]) for step in before.steps}
    facts = {step.name: _facts(step, now, given[1]) for step in now.steps}
    known = {image.uri: image for image in (images or {}).values()}
    steps = [
        _step_change(name, was.get(name, {}), facts.get(name, {}), known)
        for name in (*facts, *_gone(was, facts))
    ]
    jobs = [step.name for step in now.jobs if step.name in was]
    everywhere = _everywhere([step.changes for step in steps if step.name in jobs]) if len(jobs) > 1 else ()
    return Difference(
        _changes(_pipeline_facts(before), _pipeline_facts(now), known),
        everywhere,
        tuple(kept for step in steps if (kept := _without(step, everywhere if step.name in jobs else ()))),
    )


def digests_of(definition: Definition, objects: Mapping[str, bytes]) -> Digests:
    """The digests of a definition's payloads, from the objects that were compiled with it."""
    return {
        place: hashlib.sha256(objects[uri]).hexdigest() if uri in objects else None
        for place, uri in payloads(definition).items()
    }


def _plain(definition: Definition) -> Definition:
    return read_definition(json.dumps(normalised(definition)))


def _gone(old: Mapping[str, Facts], new: Mapping[str, Facts]) -> list[str]:
    return [name for name in old if name not in new]


def _step_change(name: str, old: Facts, new: Facts, images: Mapping[str, Image]) -> StepChange:
    kind = "changed" if old and new else "added" if new else "removed"
    return StepChange(name, kind, _changes(old, new, images))


def _everywhere(changes: list[tuple[Change, ...]]) -> tuple[Change, ...]:
    return tuple(change for change in changes[0] if all(change in others for others in changes))


def _without(step: StepChange, everywhere: tuple[Change, ...]) -> StepChange | None:
    """The step without what is said of every job; None if nothing is left to say."""
    left = tuple(change for change in step.changes if change not in everywhere)
    return StepChange(step.name, step.kind, left) if left else None


def _changes(old: Facts, new: Facts, images: Mapping[str, Image]) -> tuple[Change, ...]:
    return tuple(
        Change(
            what,
            _shown(what, old[what], images) if what in old else None,
            _shown(what, new[what], images) if what in new else None,
        )
        for what in (*new, *(gone for gone in old if gone not in new))
        if json.dumps(old.get(what, "\0")) != json.dumps(new.get(what, "\0"))
    )


def _pipeline_facts(definition: Definition) -> Facts:
    facts: Facts = {}
    for name, entry in definition.parameters.items():
        facts[f"parameter {name}"] = {key: value for key, value in entry.items() if key != "Name"}
    rest = {key: value for key, value in definition.content.items() if key not in ("Steps", "Parameters")}
    return {**facts, **dict(_leaves(rest, ""))}


def _facts(step: StepContent, definition: Definition, digests: Digests) -> Facts:
    """All that is to be said of a step, in the order in which it is said."""
    arguments = {key: value for key, value in step.arguments.items() if key not in (*BRANCHES, "Conditions")}
    if JOB in arguments:
        arguments[JOB] = {**arguments.get(JOB, {}), "ContainerArguments": _options(step)}
    rest = {
        key: value
        for key, value in step.content.items()
        if key not in ("Name", "Arguments", "RetryPolicies", "Type")
    }
    found = dict(_leaves(arguments, ""))
    named = {path: found.pop(path) for path in NAMES if path in found}
    facts = {"type": step.type, **{_name(path): value for path, value in {**named, **found}.items()}}
    if "instance type" in facts and step.is_job:
        facts["instance type"] = _instance_type(step, definition)
    facts |= {
        _name(path): sorted(value) if path == "DependsOn" else value for path, value in _leaves(rest, "")
    }
    facts |= _questions(step) | _retries(step)
    if step.behind:
        facts["stands behind"] = [f"{gate} if {state}" for gate, state in step.behind]
    for part in ("function", "arguments"):
        if (step.name, part) in digests:
            facts[f"payload of the {part}"] = digests[step.name, part]
    return facts


def _options(step: StepContent) -> Content:
    """What the entry point is told, by option; what it gets from elsewhere by the name of that."""
    told: Content = {}
    for option, values in step.options.items():
        if option == REFERENCES:
            gets: dict[str, list[Any]] = {}
            for name, value in zip(values[::2], values[1::2], strict=False):
                if value not in gets.setdefault(str(name), []):  # the SDK says many of them several times
                    gets[str(name)].append(value)
            told[option] = {name: found[0] if len(found) == 1 else found for name, found in gets.items()}
        elif option != BUILD_TIME:
            told[option] = values[0] if len(values) == 1 else values
    return told


def _instance_type(step: StepContent, definition: Definition) -> str:
    value = step.resources["InstanceType"]
    reference = value.get("Get", "") if isinstance(value, dict) else ""
    name = reference.removeprefix("Parameters.")
    default = definition.parameters.get(name, {}).get("DefaultValue")
    return f"{default or 'no default'} (parameter {name})" if name else _expression(value)


def _questions(step: StepContent) -> Facts:
    asked = step.arguments.get("Conditions")
    if asked is None:
        return {}
    told = [
        f"{_expression(c.get('LeftValue'))} {c.get('Type')} {json.dumps(c.get('RightValue'))}"
        if set(c) == {"Type", "LeftValue", "RightValue"}
        else json.dumps(c)
        for c in asked
    ]
    return {"opens if": told}


def _retries(step: StepContent) -> Facts:
    return {
        f"retries of {', '.join(policy.get('ExceptionType', []))}": {
            key: value for key, value in policy.items() if key != "ExceptionType"
        }
        for policy in step.content.get("RetryPolicies") or []
    }


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The values inside a value, by dotted path; placeholders and lists of plain values are one each."""
    inner: list[tuple[str, Any]] = []
    if is_placeholder(value):
        yield path, _expression(value)
    elif isinstance(value, dict) and value:
        inner = list(value.items())
    elif isinstance(value, list) and any(isinstance(v, dict) and not is_placeholder(v) for v in value):
        inner = [_entry(index, entry) for index, entry in enumerate(value)]
    elif isinstance(value, list):
        yield path, [_expression(entry) if is_placeholder(entry) else entry for entry in value]
    elif value not in (None, {}):  # which say no more than a field that is not there
        yield path, value
    for key, entry in inner:
        yield from _leaves(entry, f"{path}.{key}" if path else key)


def _entry(index: int, entry: Any) -> tuple[str, Any]:
    """A list's entry by what it is told apart by, or its place."""
    for key, kept in KEYS.items():
        if isinstance(entry, dict) and isinstance(entry.get(key), str):
            rest = {name: value for name, value in entry.items() if name != key}
            return entry[key], rest[kept] if kept is not None and set(rest) == {kept} else rest
    return str(index), entry


def _expression(value: Any) -> str:
    """A placeholder as people write one."""
    if not is_placeholder(value):
        return value if isinstance(value, str) else json.dumps(value)
    ((kind, inner),) = value.items()
    if kind == "Get":
        return f"${{{inner}}}"
    if kind == "Std:Join":
        return str(inner.get("On", "")).join(_expression(part) for part in inner.get("Values", []))
    return f"{_expression(inner.get('S3Uri'))} {inner.get('Path')}"


def _name(path: str) -> str:
    if path in NAMES:
        return NAMES[path]
    return next(
        (said + path.removeprefix(start) for start, said in GROUPS.items() if path.startswith(start)), path
    )


def _shown(what: str, value: Any, images: Mapping[str, Image]) -> str:
    """A fact's value as a reader wants it."""
    if what == "image":
        return short_image(str(value), images)
    if what.startswith("payload of"):
        return value[:12] if value else "not there"
    if what in UNITS and isinstance(value, int | float) and not isinstance(value, bool):
        unit, size = UNITS[what]
        return f"{value / size:g} {unit}"
    if what.startswith("parameter ") and isinstance(value, dict):
        default = value.get("DefaultValue")
        rest = {key: entry for key, entry in value.items() if key not in ("Type", "DefaultValue")}
        said = "no default" if default is None else f"default {json.dumps(default, ensure_ascii=False)}"
        return f"{value.get('Type')}, {said}" + (f", {json.dumps(rest)}" if rest else "")
    if what.startswith("retries of") and isinstance(value, dict):
        return ", ".join(f"{key} {entry}" for key, entry in value.items())
    if isinstance(value, list):
        return ", ".join(entry if isinstance(entry, str) else json.dumps(entry) for entry in value) or "none"
    return value if isinstance(value, str) else json.dumps(value)


def short_image(uri: str, images: Mapping[str, Image]) -> str:
    """An image by its repository's last name and the beginning of its digest, with what is recorded of it."""
    repository, _, digest = uri.partition("@sha256:")
    said = f"{repository.rpartition('/')[2]}@{digest[:12]}" if digest else uri.rpartition("/")[2]
    image = images.get(uri)
    revision = f", revision {image.revision}" if image and image.revision else ""
    return f"{said} (content {image.tag}{revision})" if image else said
