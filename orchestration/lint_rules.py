"""What lint looks for in a compiled definition, beyond what the API's model says: each rule is a function of its own.

The service tells most of this only after an upload, when the pipeline is created, or in the middle of a run. What the
model says comes from botocore; the rest is documented, or was seen when it went wrong, and says so beside the rule.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from orchestration.definition import (
    JOBS,
    Definition,
    Resolver,
    StepContent,
    in_step,
    is_placeholder,
    waits_for,
)
from orchestration.environment import Environment, Image
from orchestration.service_model import Problem, answers, largest, problems, value_problems
from sluice.contract import CONTRACT_VERSION, SluiceError
from sluice.recipe.mistakes import closest

LONGEST_NAME = 82
"""Characters of a pipeline's name. The API's model says 256; the service refuses more than these
(github.com/aws/sagemaker-python-sdk/issues/2933)."""
LONGEST_RUN = 28 * 24 * 60 * 60
"""Seconds (API reference, StoppingCondition: "The maximum value is 28 days")."""
EXECUTION = {
    "PipelineExecutionId": 12,
    "PipelineName": LONGEST_NAME,
    "PipelineArn": 150,
    "PipelineExecutionArn": 180,
    "StartDateTime": 24,
    "CurrentDateTime": 24,
    "TrainingJobName": 63,
    "ProcessingJobName": 63,
}
"""The execution variables, and how many characters each may have."""
RETRIED = (
    "Step.SERVICE_FAULT",
    "Step.THROTTLING",
    "SageMaker.JOB_INTERNAL_ERROR",
    "SageMaker.CAPACITY_ERROR",
    "SageMaker.RESOURCE_LIMIT",
)
"""docs.aws.amazon.com/sagemaker/latest/dg/pipelines-retry-policy.html"""
RETRY_RANGES = {
    "MaxAttempts": (1, 20),
    "ExpireAfterMin": (1, 14400),
    "IntervalSeconds": (1, 43200),
    "BackoffRate": (1, 100),
}
"""From the same page and the SDK's own checks. Below a rate of 1 the attempts would come faster and faster."""
ENVIRONMENT_FILE = "in the environment file"
SHORTER = f"Shorten bucket, prefix or pipeline {ENVIRONMENT_FILE}: paths are made from them"
RESOURCE_KEYS = {
    "InstanceType": "instance_type",
    "InstanceCount": "instances",
    "VolumeSizeInGB": "volume_gb",
    "KeepAlive": "keep_alive_minutes",
    "VolumeKmsKeyId": "kms_key",
}
NEXT_STEPS = (
    *((f"{job.container}.ContainerArguments[", SHORTER) for job in JOBS.values()),
    *(
        (
            f"{job.container}.ContainerArguments",
            "Give the step fewer inputs and parameters: each of them takes two arguments",
        )
        for job in JOBS.values()
    ),
    ("OutputDataConfig.S3OutputPath", SHORTER),
    ("Environment", f"Correct environment of the step {ENVIRONMENT_FILE}"),
    *(
        (f"{job.resources}.{field}", f"Correct {key} {ENVIRONMENT_FILE}")
        for job in JOBS.values()
        for field, key in RESOURCE_KEYS.items()
    ),
    ("OutputDataConfig.KmsKeyId", f"Correct kms_key {ENVIRONMENT_FILE}"),
    ("ProcessingOutputConfig.KmsKeyId", f"Correct kms_key {ENVIRONMENT_FILE}"),
    ("ProcessingOutputConfig", SHORTER),
    ("StoppingCondition", f"Correct maximum_minutes {ENVIRONMENT_FILE}"),
    ("RoleArn", f"Correct role {ENVIRONMENT_FILE}"),
    ("VpcConfig", f"Correct vpc {ENVIRONMENT_FILE}"),
    ("NetworkConfig", f"Correct vpc {ENVIRONMENT_FILE}"),
    ("Tags", f"Correct tags {ENVIRONMENT_FILE}"),
)
"""What a user can do about a field that the API would refuse."""


@dataclass(frozen=True)
class Finding:
    """One thing that SageMaker would refuse, or that would go wrong in a run."""

    step: str | None
    where: str
    what: str
    got: object = None
    allowed: object = None
    next_step: str | None = None

    @property
    def message(self) -> str:
        """The finding as a user reads it, like any other error."""
        return self.told([self.step] if self.step else [])

    def told(self, steps: list[str]) -> str:
        """The finding as it is read where it is the same of several steps."""
        named = f"step{'s' * (len(steps) > 1)} {', '.join(steps)}, " if steps else ""
        return SluiceError(
            self.what,
            where=f"{named}{self.where}",
            got=self.got,
            allowed=self.allowed,
            next_step=self.next_step,
        ).message


@dataclass(frozen=True)
class Case:
    """What the rules look at.

    Attributes:
        text: the definition's text.
        definition: the same, read.
        environment: where it is to run.
        images: the images by component.
        values: what parameters are given at the start.
    """

    text: str
    definition: Definition
    environment: Environment
    images: Mapping[str, Image]
    values: Mapping[str, str]

    @cached_property
    def resolver(self) -> Resolver:
        """Tells what placeholders will be, at their longest."""
        execution = {name: "x" * size for name, size in EXECUTION.items()}
        execution["PipelineName"] = self.environment.pipeline
        return Resolver(self.definition, self.values, execution)

    def resolved(self, value: Any) -> Any:
        """A value with every placeholder inside it replaced."""
        if is_placeholder(value):
            return self.resolver.resolve(value)
        if isinstance(value, dict):
            return {key: self.resolved(inner) for key, inner in value.items()}
        return [self.resolved(inner) for inner in value] if isinstance(value, list) else value

    def at(self, step: StepContent, path: str) -> Any:
        """What a field of a step's arguments will be."""
        return self.resolved(in_step(step, path))


def size(case: Case) -> Iterator[Finding]:
    """The whole text must fit into one request; a definition on S3 is held to the same."""
    most, got = largest("PipelineDefinition"), len(case.text.encode())
    if got > most:
        yield Finding(
            None,
            "pipeline definition",
            "it is too large",
            f"{got} bytes",
            f"at most {most} bytes",
            "Make the pipeline smaller: fewer steps, shorter descriptions",
        )


def names(case: Case) -> Iterator[Finding]:
    """Names and descriptions that the API takes, each step's name once."""
    pipeline = case.environment.pipeline
    if len(pipeline) > LONGEST_NAME:
        yield Finding(
            None,
            "pipeline name",
            "it is too long",
            f"{len(pipeline)} characters",
            f"at most {LONGEST_NAME} characters",
            f"Shorten pipeline {ENVIRONMENT_FILE}",
        )
    for problem in value_problems("PipelineName", pipeline, "pipeline name"):
        yield Finding(None, problem.path, problem.what, problem.got, problem.allowed)
    for step in case.definition.steps:
        yield from _step_names(step)
    for name, count in Counter(step.name for step in case.definition.steps).items():
        if count > 1:
            yield Finding(
                name, "Name", "several steps have this name", f"{count} steps", "a name of its own for each"
            )


def _step_names(step: StepContent) -> Iterator[Finding]:
    shapes = {"Name": "StepName", "DisplayName": "StepDisplayName", "Description": "StepDescription"}
    for field, shape in shapes.items():
        if field in step.content:
            for problem in value_problems(shape, step.content[field], field):
                yield Finding(step.name, problem.path, problem.what, problem.got, problem.allowed)


def numbers(case: Case) -> Iterator[Finding]:
    """No more steps than a start may choose among when it passes over finished ones, no more parameters than it takes."""
    for where, got, most in (
        ("steps", len(case.definition.steps), largest("SelectedStepList")),
        ("parameters", len(case.definition.content.get("Parameters") or []), largest("ParameterList")),
    ):
        if got > most:
            yield Finding(None, where, f"the pipeline has too many {where}", got, f"at most {most}")


def parameters(case: Case) -> Iterator[Finding]:
    """Parameters that can be given: their names, their values, and a default wherever a job's settings come from one."""
    declared = case.definition.content.get("Parameters") or []
    for name, count in Counter(entry.get("Name") for entry in declared).items():
        if count > 1:
            yield Finding(
                None, f"parameter {name}", "several parameters have this name", f"{count} parameters"
            )
    for name, entry in case.definition.parameters.items():
        value = case.values.get(name, entry.get("DefaultValue", ""))
        for shape, checked in (("PipelineParameterName", name), ("String1024", str(value))):
            for problem in value_problems(shape, checked, f"parameter {name}"):
                yield Finding(None, problem.path, problem.what, problem.got, problem.allowed)
    for name in sorted(set(case.values) - set(case.definition.parameters)):
        meant = closest(name, case.definition.parameters)
        yield Finding(
            None,
            f"parameter {name}",
            "the pipeline has no such parameter" + (f" (did you mean {meant}?)" if meant else ""),
            allowed=", ".join(case.definition.parameters) or "none",
        )
    for step in case.definition.jobs:
        yield from _defaults(case, step)


def _defaults(case: Case, step: StepContent) -> Iterator[Finding]:
    settings = {key: value for key, value in step.arguments.items() if key != step.fields.container}
    for reference in StepContent(step.name, step.type, {"Arguments": settings}).references:
        head, _, name = reference.partition(".")
        entry = case.definition.parameters.get(name)
        if head == "Parameters" and entry and "DefaultValue" not in entry and name not in case.values:
            yield Finding(
                step.name,
                f"parameter {name}",
                "a setting of the job comes from a parameter without a default, so nobody can check it",
                next_step="Give the parameter a default",
            )


def arguments(case: Case) -> Iterator[Finding]:
    """Every job's arguments against the API's model."""
    for step in case.definition.steps:
        if step.is_job:
            yield from _job_arguments(case, step)
        elif step.type not in ("Condition", "Fail"):
            yield Finding(
                step.name,
                "Type",
                "Sluice compiles no such step",
                step.type,
                ", ".join([*JOBS, "Condition", "Fail"]),
            )


def _job_arguments(case: Case, step: StepContent) -> Iterator[Finding]:
    said = set()
    for problem in _problems(case, step):
        value_of = _argument(step, problem.path)  # the SDK tells a job some of its values several times
        if not value_of or (value_of, problem.what) not in said:
            said.add((value_of, problem.what))
            yield Finding(
                step.name,
                f"{problem.path} (the value of {value_of})" if value_of else problem.path,
                problem.what,
                problem.got,
                problem.allowed,
                _next_step(value_of, problem.path),
            )


def _problems(case: Case, step: StepContent) -> Iterator[Problem]:
    return problems(f"Create{step.type}Job", case.resolved(step.arguments), given=f"{step.type}JobName")


def _argument(step: StepContent, path: str) -> str:
    """What an argument of the entry point is the value of: an option, or what is referred to."""
    place = f"{step.fields.container}.ContainerArguments"
    found = re.fullmatch(re.escape(place) + r"\[(\d+)\]", path)
    given = in_step(step, place)
    before = given[int(found[1]) - 1] if found and int(found[1]) else None
    return before if isinstance(before, str) else ""


def _next_step(value_of: str, path: str) -> str | None:
    head, _, name = value_of.partition(".")
    if head == "Parameters":
        return f"Give the parameter {name} a shorter value"
    return next((hint for prefix, hint in NEXT_STEPS if path.startswith(prefix)), None)


def references(case: Case) -> Iterator[Finding]:
    """Everything that a step gets is there: a parameter, another job's argument or result, an execution variable."""
    for step in case.definition.steps:
        for reference in step.references:
            head, _, rest = reference.partition(".")
            known = {"Parameters": list(case.definition.parameters), "Execution": list(EXECUTION)}.get(
                head, []
            )
            if head == "Steps":
                yield from _step_reference(case, step, reference)
            elif rest not in known:
                meant = closest(rest, known)
                yield Finding(
                    step.name,
                    reference,
                    "there is nothing of this name" + (f" (did you mean {head}.{meant}?)" if meant else ""),
                    allowed=", ".join(known) if known else "Parameters.…, Steps.…, Execution.…",
                )
        for need in step.depends_on:
            if need not in case.definition.by_name:
                yield Finding(step.name, "DependsOn", "there is no such step", need)


def _step_reference(case: Case, step: StepContent, reference: str) -> Iterator[Finding]:
    _, name, *path = reference.split(".")
    target = case.definition.by_name.get(name)
    if target is None:
        meant = closest(name, case.definition.by_name)
        yield Finding(
            step.name, reference, "there is no such step" + (f" (did you mean {meant}?)" if meant else "")
        )
    elif not target.is_job:
        yield Finding(
            step.name, reference, "only a job's results can be had", f"{name} is a {target.type} step"
        )
    elif in_step(target, ".".join(path)) is None and (path or [""])[0] not in _told_by(target):
        kind = target.type.lower()
        yield Finding(step.name, reference, f"a {kind} job has no {'.'.join(path) or 'such field'}")


def _told_by(target: StepContent) -> set[str]:
    """What can be referred to without standing in the definition; the outputs of a processing job all stand there."""
    return answers(f"Describe{target.type}Job") - {"ProcessingOutputConfig"}


def order(case: Case) -> Iterator[Finding]:
    """A step waits only for what comes before it, and takes nothing from behind a gate that it does not stand behind."""
    steps = case.definition.by_name
    for step in case.definition.steps:
        for need in step.needs:
            target = steps.get(need)
            closed = [gate for gate in target.behind if gate not in step.behind] if target else []
            if closed:
                gate, state = closed[0]
                yield Finding(
                    step.name,
                    f"Steps.{need}",
                    f"it takes from a step that runs only if the gate {gate} is {state}, without standing there itself",
                    next_step="Put it behind the same gate",
                )
    if circle := _circle(case.definition):
        yield Finding(circle[0], "DependsOn", "the steps wait for each other in a circle", " → ".join(circle))


def _circle(definition: Definition) -> list[str]:
    """Steps of which each waits for the next one, the first again at the end; empty if there is no circle."""
    done: set[str] = set()
    for step in definition.steps:  # in order: whatever waits for something later is on a circle or behind one
        if not any(need in definition.by_name and need not in done for need in waits_for(step)):
            done.add(step.name)
            continue
        trail = [step.name]
        while True:
            following = [n for n in waits_for(definition.by_name[trail[-1]]) if n in definition.by_name]
            trail.append(next(n for n in following if n not in done))
            if trail[-1] in trail[:-1]:
                return trail[trail.index(trail[-1]) :]
    return []


def gates(case: Case) -> Iterator[Finding]:
    """A gate asks one job whether it passed, and ends the pipeline if not. Anything else could open it by mistake."""
    for gate in case.definition.steps:
        if gate.type != "Condition":
            continue
        yield from _question(case, gate)
        if not gate.arguments.get("IfSteps"):
            yield Finding(gate.name, "IfSteps", "nothing stands behind the gate")
        refused = [step.get("Type") for step in gate.arguments.get("ElseSteps") or []]
        if refused != ["Fail"]:
            yield Finding(
                gate.name,
                "ElseSteps",
                "a refusal does not end the pipeline",
                ", ".join(map(str, refused)) or "no step",
                "one Fail step",
            )


def _question(case: Case, gate: StepContent) -> Iterator[Finding]:
    conditions = gate.arguments.get("Conditions") or []
    first = conditions[0] if conditions else {}
    read = (
        first.get("LeftValue", {}).get("Std:JsonGet", {}) if isinstance(first.get("LeftValue"), dict) else {}
    )
    asked = [
        ("Conditions", len(conditions), 1, "the gate must ask one question"),
        ("Conditions[0].Type", first.get("Type"), "Equals", "the gate must ask whether a verdict is true"),
        ("Conditions[0].RightValue", first.get("RightValue"), True, "the gate must open for true alone"),
        (
            "Conditions[0].LeftValue",
            read.get("Path"),
            "Result['passed']",
            "the gate must read a verdict's passed",
        ),
    ]
    for where, got, wanted, what in asked:
        if got != wanted or type(got) is not type(wanted):
            yield Finding(gate.name, where, what, repr(got), repr(wanted))
    for name in gate.needs:
        step = case.definition.by_name.get(name)
        if step and step.is_job and step.option("--serialize_output_to_json") != "true":
            yield Finding(
                gate.name, "Conditions", "it reads a step that does not write its results as JSON", name
            )


def refusals(case: Case) -> Iterator[Finding]:
    """The message of a refusal, as far as it is known, fits into what the service keeps."""
    most = int(largest("String3072"))
    for step in case.definition.steps:
        message = case.at(step, "ErrorMessage")
        if step.type == "Fail" and (not message or len(str(message)) > most):
            yield Finding(
                step.name,
                "ErrorMessage",
                "the message is too long" if message else "there is no message",
                f"{len(str(message or ''))} characters",
                f"1 to {most} characters",
                "Shorten the gate's refusal",
            )


def times(case: Case) -> Iterator[Finding]:
    """How long a job may run and wait; the API's model knows nothing of how these belong together."""
    for step in case.definition.jobs:
        running = case.at(step, "StoppingCondition.MaxRuntimeInSeconds")
        waiting = case.at(step, "StoppingCondition.MaxWaitTimeInSeconds")
        spot = case.at(step, "EnableManagedSpotTraining") is True
        if isinstance(running, int) and running > LONGEST_RUN:
            yield Finding(
                step.name,
                "StoppingCondition.MaxRuntimeInSeconds",
                "a job can't run that long",
                f"{running} seconds",
                "at most 28 days",
                f"Lower maximum_minutes {ENVIRONMENT_FILE}",
            )
        if spot:
            yield from _spot(case, step, running, waiting)
        elif waiting is not None:
            yield Finding(
                step.name,
                "StoppingCondition.MaxWaitTimeInSeconds",
                "only a spot job waits",
                f"{waiting} seconds",
                next_step="Set EnableManagedSpotTraining, or leave the waiting time out",
            )


def _spot(case: Case, step: StepContent, running: Any, waiting: Any) -> Iterator[Finding]:
    where, hint = (
        "StoppingCondition.MaxWaitTimeInSeconds",
        "Give spot: {maximum_wait_minutes: …} for the step",
    )
    if waiting is None:
        yield Finding(step.name, where, "a spot job has to say how long it may wait", next_step=hint)
    elif isinstance(waiting, int) and isinstance(running, int) and waiting < running:
        yield Finding(
            step.name,
            where,
            "a spot job must be allowed to wait at least as long as to run",
            f"{waiting} seconds",
            f"at least {running} seconds",
            hint,
        )
    if case.at(step, "ResourceConfig.KeepAlivePeriodInSeconds"):
        yield Finding(
            step.name,
            "ResourceConfig.KeepAlivePeriodInSeconds",
            "a spot instance can't be kept alive",
            next_step=f"Give either spot or keep_alive_minutes {ENVIRONMENT_FILE}",
        )
    if in_step(step, "CheckpointConfig") is None:
        yield Finding(
            step.name,
            "CheckpointConfig",
            "a spot job without a checkpoint folder begins again whenever its instance is taken away",
        )


def retries(case: Case) -> Iterator[Finding]:
    """Retry policies that Pipelines takes: known errors, one way to end, sane intervals."""
    for step in case.definition.steps:
        for index, policy in enumerate(step.content.get("RetryPolicies") or []):
            where = f"RetryPolicies[{index}]"
            for error in policy.get("ExceptionType") or ["nothing"]:
                if error not in RETRIED:
                    yield Finding(
                        step.name, where, "Pipelines can't try this again", error, ", ".join(RETRIED)
                    )
            if ("MaxAttempts" in policy) is ("ExpireAfterMin" in policy):
                yield Finding(
                    step.name,
                    where,
                    "it needs exactly one of MaxAttempts and ExpireAfterMin",
                    ", ".join(policy),
                )
            for field, (least, most) in RETRY_RANGES.items():
                value = policy.get(field, least)
                if not isinstance(value, int | float) or not least <= value <= most:
                    yield Finding(
                        step.name,
                        f"{where}.{field}",
                        "the value is out of range",
                        value,
                        f"{least} to {most}",
                        f"Correct retries {ENVIRONMENT_FILE}",
                    )


def image(case: Case) -> Iterator[Finding]:
    """Every job runs a recorded image, named by its digest, that speaks our contract and runs our Python."""
    recorded = {image.uri: (name, image) for name, image in case.images.items()}
    named = case.environment.registry
    for step in case.definition.jobs:
        where = step.fields.image
        uri = case.at(step, where)
        if not re.search(r"@sha256:[0-9a-f]{64}$", str(uri)):
            yield Finding(
                step.name,
                where,
                "the image is named by a tag, which can come to mean another image",
                uri,
                "repository@sha256:…",
                "Push it, which records its digest: make push",
            )
        elif named and not str(uri).startswith(f"{named}/"):
            yield Finding(
                step.name,
                where,
                "the image is in another registry than the environment's",
                uri,
                f"{named}/…",
                f"Push it there: make push REGISTRY={named}",
            )
        elif uri not in recorded:
            yield Finding(
                step.name,
                where,
                "nothing is recorded of this image",
                uri,
                next_step="Build it: make build push",
            )
        else:
            yield from _image(step, *recorded[uri])
        registry = re.match(r"\d{12}\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.", str(uri))
        if registry and registry[1] != case.environment.region:
            yield Finding(
                step.name,
                where,
                "a job takes its image from the registry of its own region",
                registry[1],
                case.environment.region,
                f"Correct registry {ENVIRONMENT_FILE} and push again",
            )


def _image(step: StepContent, component: str, image: Image) -> Iterator[Finding]:
    where, build = f"image of {component}", f"Build it again: make build push C={component}"
    python = step.option("--client_python_version")
    if python is not None and image.python != python:  # a processing job runs nothing that was pickled
        yield Finding(
            step.name,
            where,
            "its Python is not the one that compiles, and the job would end before it begins",
            image.python,
            python,
            f"{build}, with a base image of Python {python}",
        )
    if image.contract != CONTRACT_VERSION:
        yield Finding(step.name, where, "it speaks another contract", image.contract, CONTRACT_VERSION, build)


def settings(case: Case) -> Iterator[Finding]:
    """The environment file names steps that are there, and a key of its own region."""
    jobs = [step.name for step in case.definition.jobs]
    for name in case.environment.steps:
        if name not in jobs:
            meant = closest(name, jobs)
            yield Finding(
                None,
                f"environment {case.environment.name}, steps.{name}",
                "the pipeline has no such step" + (f" (did you mean {meant}?)" if meant else ""),
                allowed=", ".join(jobs),
            )
    key = re.match(r"arn:aws[a-z-]*:kms:([a-z0-9-]+):", case.environment.kms_key or "")
    if key and key[1] != case.environment.region:
        yield Finding(
            None,
            f"environment {case.environment.name}, kms_key",
            "the key is of another region, and nothing here can use it",
            key[1],
            case.environment.region,
        )


Rule = Callable[[Case], Iterator[Finding]]
RULES: tuple[Rule, ...] = (
    size,
    names,
    numbers,
    parameters,
    arguments,
    references,
    order,
    gates,
    refusals,
    times,
    retries,
    image,
    settings,
)
