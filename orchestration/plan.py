"""Shows what an upsert would change against the deployed pipeline, what a run costs, and what lint says. Changes nothing."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestration.bucket import SHA256, head
from orchestration.compile import add_environment
from orchestration.definition import Definition, Resolver, payloads, read_definition
from orchestration.difference import Change, Difference, Digests, StepChange, difference, digests_of
from orchestration.environment import Environment, Image
from orchestration.lint import compile_for, lint, messages, verdict
from orchestration.lint_rules import Finding
from orchestration.prices import Cost, RunCost, read_prices, told, total
from sluice.contract import AwsError, AwsNotFound

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from orchestration.executions import Deployed
    from orchestration.steps import Compiled

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

Row = tuple[str, ...]

CHANGES = 2
"""The exit status of a plan in which something changes."""
LOOKED_AT = 5
"""Executions that tell how long the steps take."""
MARKS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}
TELLING = ("type", "image", "instance type", "role", "opens if", "message", "stands behind")
"""What of a step that comes or goes is worth a line."""
COLUMNS = ("step", "instance", "an hour", "as measured", "at most")


@dataclass(frozen=True)
class Standing:
    """What is deployed.

    Attributes:
        definition: the pipeline's definition.
        role: the pipeline's role.
        digests: the sha256 of its payloads as they lie in the bucket; None if they could not be looked at.
    """

    definition: str
    role: str | None = None
    digests: Digests | None = None


@dataclass(frozen=True)
class Plan:
    """What an upsert would do.

    Attributes:
        where: the pipeline, its region and environment, in words.
        new: whether nothing of this name is deployed.
        difference: what differs from what is deployed; all of it for a new pipeline.
        cost: what a run costs at list prices.
        findings: what lint refuses.
        notes: what could not be looked at.
    """

    where: str
    new: bool
    difference: Difference
    cost: RunCost
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether an upsert would change anything."""
        return self.new or bool(self.difference)

    @property
    def headline(self) -> str:
        """What would happen, in one line."""
        if self.new:
            return f"{self.where}: a new pipeline of {len(self.difference.steps)} steps"
        if not self.changes:
            return f"{self.where}: nothing changes"
        counts = [
            f"{number} step{'s' * (number != 1)} {kind}"
            for kind in MARKS
            if (number := sum(step.kind == kind for step in self.difference.steps))
        ]
        if self.difference.every_job:
            counts.append("every job changed")
        if self.difference.pipeline:
            counts.append("the pipeline's settings changed")
        return f"{self.where}: {', '.join(counts)}"


def plan(
    deployed: Standing | None,
    compiled: Compiled,
    environment: Environment,
    images: Mapping[str, Image],
    minutes: Mapping[str, float] | None = None,
) -> Plan:
    """What an upsert would change.

    Args:
        deployed: what is deployed; None if nothing is.
        compiled: the pipeline as it is now.
        environment: where it is to run.
        images: the images by component.
        minutes: how long steps took in earlier runs, by step.
    """
    now = read_definition(compiled.definition)
    notes = []
    if deployed is None:
        differs = difference(Definition({"Steps": []}, ()), now, images)
    else:
        differs = compare(deployed, compiled, environment, images)
        if deployed.digests is None:
            notes.append("The payloads of what is deployed could not be looked at: they may differ.")
    return Plan(
        f"pipeline {environment.pipeline} in {environment.region} (environment {environment.name})",
        deployed is None,
        differs,
        cost_of(now, environment, minutes or {}),
        tuple(lint(compiled.definition, environment, images)),
        tuple(notes),
    )


def compare(
    deployed: Standing,
    compiled: Compiled,
    environment: Environment,
    images: Mapping[str, Image] | None = None,
) -> Difference:
    """What differs between what is deployed and what was compiled; upsert has nothing to do where this is empty."""
    old = read_definition(deployed.definition, f"pipeline {environment.pipeline}")
    new = read_definition(compiled.definition)
    digests = None
    if deployed.digests is not None:
        digests = (deployed.digests, digests_of(new, compiled.objects))
    differs = difference(old, new, images, digests)
    if deployed.role in (None, environment.pipeline_role):
        return differs
    role = Change("role of the pipeline", deployed.role, environment.pipeline_role)
    return Difference((role, *differs.pipeline), differs.every_job, differs.steps)


def standing(described: Mapping[str, Any], s3: Any) -> Standing:
    """What is deployed, from what SageMaker says of the pipeline and S3 of its payloads."""
    definition = described["PipelineDefinition"]
    places = payloads(read_definition(definition))
    try:
        found = {place: head(s3, uri) for place, uri in places.items()}
    except AwsError:  # who may not look into the bucket can still see the rest
        return Standing(definition, described.get("RoleArn"))
    digests = {place: there["Metadata"].get(SHA256) if there else None for place, there in found.items()}
    return Standing(definition, described.get("RoleArn"), digests)


def cost_of(definition: Definition, environment: Environment, minutes: Mapping[str, float]) -> RunCost:
    """What a run of the pipeline costs at list prices, every step run once."""
    table, resolver = read_prices(), Resolver(definition, {}, {})
    costs = []
    for step in definition.jobs:
        resources = step.resources
        instance = str(resolver.resolve(resources.get("InstanceType")))
        costs.append(
            Cost(
                step.name,
                instance,
                int(resources.get("InstanceCount", 1)),
                table.hourly(environment.region, instance),
                table.seen(environment.region, instance),
                step.arguments.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", 24 * 60 * 60) / 60,
                minutes.get(step.name),
                step.arguments.get("EnableManagedSpotTraining") is True,
            )
        )
    return RunCost(tuple(costs), table.date, environment.region)


def add_plan_parser(verbs: Subparsers) -> None:
    """Add `plan`; the parsed options' `run` is `run_plan`."""
    text = "show what an upsert would change, what a run costs and what lint says; exit status 2 if anything changes"
    verb = verbs.add_parser("plan", help=text, description=f"{text[0].upper()}{text[1:]}.")
    add_environment(verb)
    verb.add_argument("--markdown", action="store_true", help="as Markdown, for a comment on a pull request")
    verb.set_defaults(run=run_plan)


def run_plan(options: argparse.Namespace) -> int:
    """Compile, look at what is deployed, and print the plan.

    Returns:
        0 if an upsert would change nothing, 2 if it would change something.

    Raises:
        SluiceError: a file is wrong, or AWS can't be asked.
    """
    from rich.console import Console

    made = plan_now(*compile_for(options))
    if options.markdown:
        print(markdown(made))
    else:
        show(made, Console(highlight=False, markup=False, emoji=False, soft_wrap=True))
    return CHANGES if made.changes else 0


def plan_now(compiled: Compiled, environment: Environment, images: Mapping[str, Image]) -> Plan:
    """What an upsert would change of what SageMaker has now.

    Raises:
        AwsError: AWS can't be asked.
    """
    from orchestration.executions import Deployed

    pipeline = Deployed(environment)
    deployed = _standing(pipeline)
    return plan(deployed, compiled, environment, images, measured(pipeline) if deployed else None)


def _standing(pipeline: Deployed) -> Standing | None:
    from sluice.aws import client

    try:
        return standing(pipeline.describe(), client("s3", pipeline.environment.region))
    except AwsNotFound:
        return None


def measured(pipeline: Deployed) -> dict[str, float]:
    """The most minutes that each job took in the last executions that succeeded.

    The most, because a job that found its result there is over at once. Empty where SageMaker tells nothing of them: a
    plan is right without.
    """
    found: dict[str, float] = {}
    try:
        succeeded = (execution for execution in pipeline.executions() if execution.status == "Succeeded")
        for execution in itertools.islice(succeeded, LOOKED_AT):
            for step in pipeline.steps(execution):
                if step.job and step.status == "Succeeded" and not step.taken_from:
                    found[step.name] = max(found.get(step.name, 0.0), step.seconds / 60)
    except AwsError:
        return {}
    return found


def show(plan: Plan, console: Console) -> None:
    """Print a plan for a reader at a terminal."""
    from rich.text import Text

    console.print(Text(plan.headline, style="bold"))
    for line in _lines(plan):
        console.print(line)
    console.print(
        Text(f"\nprice of a run at the list prices of {plan.cost.table} in {plan.cost.region}", style="bold")
    )
    rows = [COLUMNS, *_price_rows(plan.cost)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    for row in rows:
        console.print(
            Text(
                "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            )
        )
    console.print(Text(f"  {total(plan.cost)}"))
    console.print(
        Text(f"\nlint: {verdict(list(plan.findings))}", style="bold red" if plan.findings else "bold green")
    )
    for message in messages(plan.findings):
        console.print(Text(f"  {message}"))
    if plan.findings:
        console.print(Text("  upsert refuses this pipeline until it is corrected."))


def _lines(plan: Plan) -> Iterator[Text]:
    """What changes, one line each."""
    from rich.text import Text

    for note in plan.notes:
        yield Text(f"  {note}", style="dim")
    for change in plan.difference.pipeline:
        yield _change_line(change, 2)
    if plan.difference.every_job:
        yield Text("  every job", style="bold")
        yield from (_change_line(change, 4) for change in plan.difference.every_job)
    for step in plan.difference.steps:
        mark, colour = MARKS[step.kind]
        yield Text.assemble("  ", (mark, colour), (f" step {step.name}", "bold"))
        yield from (_change_line(change, 4) for change in _said(step))


def _change_line(change: Change, indent: int) -> Text:
    from rich.text import Text

    kind = "added" if change.old is None else "removed" if change.new is None else "changed"
    mark, colour = MARKS[kind]
    return Text.assemble(" " * indent, (mark, colour), f" {change.what}: {_arrow(change)}")


def _arrow(change: Change) -> str:
    return " → ".join(side for side in (change.old, change.new) if side is not None)


def _said(step: StepChange) -> tuple[Change, ...]:
    """What is said of a step: everything of one that changes, what it runs of one that comes or goes."""
    if step.kind == "changed":
        return step.changes
    return tuple(change for change in step.changes if change.what in TELLING)


def _price_rows(cost: RunCost) -> Iterator[Row]:
    for step in cost.steps:
        yield (step.step, step.instance_type, *told(step, cost.table))


def markdown(plan: Plan) -> str:
    """A plan as Markdown, for a comment on a pull request."""
    parts = [f"### {plan.headline}", *plan.notes]
    changes = [
        *(("pipeline", c) for c in plan.difference.pipeline),
        *(("every job", c) for c in plan.difference.every_job),
    ]
    for step in plan.difference.steps:
        changes += [(f"{MARKS[step.kind][0]} {step.name}", change) for change in _said(step)]
    if changes:
        rows: list[Row] = [(where, c.what, c.old or "", c.new or "") for where, c in changes]
        parts.append(_markdown_table(("", "what", "deployed", "new"), rows))
    parts.append(f"#### Price of a run at the list prices of {plan.cost.table} in {plan.cost.region}")
    parts += [_markdown_table(COLUMNS, list(_price_rows(plan.cost))), _cell(total(plan.cost))]
    parts.append(f"#### Lint: {verdict(list(plan.findings))}")
    parts += ["\n".join(f"- {_cell(line)}" for line in messages(plan.findings))] if plan.findings else []
    return "\n\n".join(parts)


def _markdown_table(head: Row, rows: list[Row]) -> str:
    lines = [head, tuple("---" for _ in head), *(tuple(map(_cell, row)) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    """A text that no Markdown reader takes for anything else."""
    for character in "\\`*_<>|[]$":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())
