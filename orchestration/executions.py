"""Executions of a deployed pipeline: what SageMaker and the status table say of them, their logs, and stopping them."""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from orchestration.definition import JOBS
from orchestration.environment import Environment
from sluice.aws import client, speaking_of
from sluice.contract import AwsError, AwsNotFound, InputError

if TYPE_CHECKING:
    from rich.console import Console

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

LOG_GROUPS = {kind: f"/aws/sagemaker/{kind}Jobs" for kind in JOBS}
"""Where the jobs of each kind write."""
UNDER_WAY = ("Executing", "Stopping")
"""Every other state of an execution is an end: Succeeded, Failed, Stopped, CompletedWithFailures."""
REFUSED = "-refused"
"""How the Fail step of a gate is called, after the gate's name."""
FOLLOW_SECONDS = 5.0
GLYPHS = {
    "Succeeded": "✔",
    "Failed": "✘",
    "Stopped": "■",
    "Stopping": "■",
    "Executing": "▶",
    "Starting": "▶",
}


@dataclass(frozen=True)
class StepExecution:
    """One step of an execution.

    Attributes:
        name: the step's name; a gate is a step, and so is the refusal behind it.
        status: SageMaker's word: Starting, Executing, Stopping, Stopped, Failed, Succeeded.
        started: when it began; None if it did not.
        ended: when it ended.
        reason: why it failed, or what a gate's refusal says.
        job: the name of its job, if it has one.
        kind: the kind of that job, `Training` or `Processing`.
        open: for a gate, whether it opened.
        taken_from: the execution whose result a selective execution took.
        percent: how far it is, as it told the status table itself.
        message: what it told last.
    """

    name: str
    status: str
    started: datetime | None = None
    ended: datetime | None = None
    reason: str = ""
    job: str = ""
    kind: str = "Training"
    open: bool | None = None
    taken_from: str = ""
    percent: int | None = None
    message: str = ""

    @property
    def log_group(self) -> str:
        """Where its job writes."""
        return LOG_GROUPS[self.kind]

    @property
    def seconds(self) -> float:
        """How long it took, or has taken so far."""
        return ((self.ended or datetime.now(UTC)) - self.started).total_seconds() if self.started else 0.0


@dataclass(frozen=True)
class Execution:
    """One execution of a pipeline.

    Attributes:
        arn: its ARN, which ends with its id.
        status: SageMaker's word.
        name: its display name: the recipe and the time.
        started: when it was started.
        reason: why it failed, as SageMaker says it of the whole.
    """

    arn: str
    status: str
    name: str
    started: datetime
    reason: str = ""

    @property
    def identity(self) -> str:
        """Its id."""
        return self.arn.rpartition("/")[2]

    @property
    def ended(self) -> bool:
        """Whether it has come to an end."""
        return self.status not in UNDER_WAY


class Deployed:
    """An environment's pipeline as it is deployed.

    Raises:
        AwsError: AWS can't be asked, or refuses.
    """

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.sagemaker = client("sagemaker", environment.region)

    def describe(self) -> dict[str, Any]:
        """What SageMaker says of the pipeline.

        Raises:
            AwsNotFound: it is not deployed.
        """
        name = self.environment.pipeline
        try:
            with speaking_of(f"pipeline {name}"):
                said: dict[str, Any] = self.sagemaker.describe_pipeline(PipelineName=name)
        except AwsNotFound as error:
            raise AwsNotFound(
                "the pipeline is not deployed",
                where=f"pipeline {name} in {self.environment.region}",
                got=error.got,
                next_step=f"Deploy it with: make upsert ENV={self.environment.name}",
            ) from error
        return said

    def executions(self) -> Iterator[Execution]:
        """The executions, the newest first."""
        self.describe()  # an absent pipeline is told as such
        with speaking_of(f"executions of {self.environment.pipeline}"):
            pages = self.sagemaker.get_paginator("list_pipeline_executions").paginate(
                PipelineName=self.environment.pipeline, SortBy="CreationTime", SortOrder="Descending"
            )
            for page in pages:
                said = page["PipelineExecutionSummaries"]
                yield from sorted(map(_execution, said), key=lambda found: found.started, reverse=True)

    def find(self, identity: str | None) -> Execution:
        """One execution, or the last one.

        Raises:
            InputError: there is none of that id, or none at all.
        """
        if identity is None:
            for newest in self.executions():
                return newest
            raise InputError(
                "the pipeline was never started",
                where=f"pipeline {self.environment.pipeline}",
                next_step=f"Start it with: make start ENV={self.environment.name} RECIPE=… DATA=…",
            )
        arn = f"{self.describe()['PipelineArn']}/execution/{identity.rpartition('/')[2]}"
        try:
            with speaking_of(f"execution {identity}"):
                return _execution(self.sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn))
        except AwsNotFound:
            known = ", ".join(found.identity for found in itertools.islice(self.executions(), 5))
            raise InputError(
                "there is no such execution",
                where=f"pipeline {self.environment.pipeline}",
                got=identity or "no id",
                allowed=f"the last ones are {known}" if known else "it was never started",
                next_step="List them all with: python -m orchestration status --all",
            ) from None

    def steps(self, execution: Execution) -> list[StepExecution]:
        """What SageMaker says of the steps that have begun, in the order they did."""
        with speaking_of(f"execution {execution.identity}"):
            pages = self.sagemaker.get_paginator("list_pipeline_execution_steps").paginate(
                PipelineExecutionArn=execution.arn, SortOrder="Ascending"
            )
            return [_step(said) for page in pages for said in page["PipelineExecutionSteps"]]

    def told(self, execution: Execution) -> dict[str, tuple[int, str]]:
        """Each step's percent and last message, as it told the status table; nothing where there is no table.

        Raises:
            AwsError: the table can't be read.
        """
        table = self.environment.status_table
        if table is None:
            return {}
        with speaking_of(f"status table {table}"):
            pages = (
                client("dynamodb", self.environment.region)
                .get_paginator("query")
                .paginate(
                    TableName=table,
                    KeyConditionExpression="execution = :execution",
                    ExpressionAttributeValues={":execution": {"S": execution.identity}},
                )
            )
            items = [item for page in pages for item in page["Items"]]
        return {item["step"]["S"]: (int(item["percent"]["N"]), item["message"]["S"]) for item in items}

    def steps_with_progress(self, execution: Execution) -> list[StepExecution]:
        """The steps, with what they told the status table where that can be read: losing it loses only that."""
        steps = self.steps(execution)
        try:
            told = self.told(execution)
        except AwsError:
            told = {}
        return [
            replace(step, percent=told[step.name][0], message=told[step.name][1])
            if step.name in told
            else step
            for step in steps
        ]

    def stop(self, execution: Execution) -> None:
        """Ask SageMaker to stop an execution."""
        with speaking_of(f"execution {execution.identity}"):
            self.sagemaker.stop_pipeline_execution(PipelineExecutionArn=execution.arn)

    def reason(self, step: StepExecution) -> str:
        """Why a step failed: what its job wrote itself, where there is a job."""
        if step.job:
            try:
                job = self._job(step)
                return str(job.get("ExitMessage") or job.get("FailureReason") or step.reason)
            except AwsError as error:
                return step.reason or error.message
        return step.reason

    def log_lines(self, step: StepExecution, follow: bool) -> Iterator[str]:
        """What a step's job wrote, line by line; with `follow` until it has ended."""
        logs = client("logs", self.environment.region)
        tokens: dict[str, str] = {}
        over = False
        while True:
            over = not follow or self._job_ended(step)  # asked before reading: what it wrote last is read too
            yield from _new_lines(logs, step, tokens)
            if over:
                return
            time.sleep(FOLLOW_SECONDS)

    def _job(self, step: StepExecution) -> dict[str, Any]:
        describe = {
            "Training": self.sagemaker.describe_training_job,
            "Processing": self.sagemaker.describe_processing_job,
        }
        with speaking_of(f"job {step.job}"):
            said: dict[str, Any] = describe[step.kind](**{f"{step.kind}JobName": step.job})
        return said

    def _job_ended(self, step: StepExecution) -> bool:
        return self._job(step)[f"{step.kind}JobStatus"] in ("Completed", "Failed", "Stopped")

    def console_url(self, step: StepExecution) -> str:
        """Where the log of a step's job stands in the AWS console."""
        region = self.environment.region
        group = step.log_group.replace("/", "$252F")
        return (
            f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
            f"#logsV2:log-groups/log-group/{group}$3FlogStreamNameFilter$3D{step.job}"
        )


def for_make(environment: Environment, identity: str) -> str:
    """How make is told of an execution."""
    return f"ENV={environment.name} EXECUTION={identity}"


def refusal(steps: list[StepExecution]) -> StepExecution | None:
    """The gate's refusal that ended an execution, if one did."""
    return next((s for s in steps if s.name.endswith(REFUSED) and s.status == "Failed"), None)


def failures(steps: list[StepExecution]) -> list[StepExecution]:
    """The steps that failed."""
    return [step for step in steps if step.status == "Failed"]


def _new_lines(logs: Any, step: StepExecution, tokens: dict[str, str]) -> Iterator[str]:
    """What was written since the tokens were given, stream by stream; a job that has not begun has no stream."""
    group = step.log_group
    with speaking_of(f"log of job {step.job}"):
        try:
            found = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{step.job}/")
        except logs.exceptions.ResourceNotFoundException:
            return
        for stream in (entry["logStreamName"] for entry in found["logStreams"]):
            while True:
                start = {"nextToken": tokens[stream]} if stream in tokens else {}
                page = logs.get_log_events(
                    logGroupName=group, logStreamName=stream, startFromHead=True, **start
                )
                yield from (event["message"].rstrip("\n") for event in page["events"])
                before, tokens[stream] = tokens.get(stream), page["nextForwardToken"]
                if tokens[stream] == before:  # CloudWatch's way to say that there is no more
                    break


def _execution(said: Mapping[str, Any]) -> Execution:
    reason = said.get("FailureReason") or said.get("PipelineExecutionFailureReason") or ""
    return Execution(
        said["PipelineExecutionArn"],
        said["PipelineExecutionStatus"],
        said.get("PipelineExecutionDisplayName") or "",
        said.get("StartTime") or said["CreationTime"],
        "" if reason == "None" else reason,
    )


def _step(said: Mapping[str, Any]) -> StepExecution:
    metadata = said.get("Metadata") or {}
    outcome = metadata.get("Condition", {}).get("Outcome")
    kind = next((kind for kind in JOBS if f"{kind}Job" in metadata), "Training")
    return StepExecution(
        said["StepName"],
        said["StepStatus"],
        said.get("StartTime"),
        said.get("EndTime"),
        metadata.get("Fail", {}).get("ErrorMessage") or said.get("FailureReason") or "",
        metadata.get(f"{kind}Job", {}).get("Arn", "").rpartition("/")[2],
        kind,
        None if outcome is None else outcome == "True",
        said.get("SelectiveExecutionResult", {}).get("SourcePipelineExecutionArn", "").rpartition("/")[2],
    )


# --- the verbs


def add_status_parser(verbs: Subparsers) -> None:
    """Add `status`."""
    text = "say where an execution of the deployed pipeline stands"
    verb = verbs.add_parser("status", help=text, description=f"{text.capitalize()}.")
    verb.add_argument("execution", nargs="?", metavar="EXECUTION", help="its id; the last one if not given")
    verb.add_argument("--all", action="store_true", help="list all executions instead")
    _add_environment(verb, run_status)


def add_logs_parser(verbs: Subparsers) -> None:
    """Add `logs`."""
    text = "print the log of a step's job"
    verb = verbs.add_parser("logs", help=text, description=f"{text.capitalize()}.")
    verb.add_argument("step", metavar="STEP", help="the step's name")
    verb.add_argument("execution", nargs="?", metavar="EXECUTION", help="its id; the last one if not given")
    verb.add_argument("--follow", action="store_true", help="go on until the job has ended")
    _add_environment(verb, run_logs)


def add_stop_parser(verbs: Subparsers) -> None:
    """Add `stop`."""
    text = "stop an execution; its finished steps are kept"
    verb = verbs.add_parser("stop", help=text, description=f"{text.capitalize()}.")
    verb.add_argument("execution", metavar="EXECUTION", help="its id")
    _add_environment(verb, run_stop)


def _add_environment(verb: argparse.ArgumentParser, run: Any) -> None:
    from pathlib import Path

    verb.add_argument(
        "--environment", type=Path, required=True, metavar="FILE", help="the environment file: where it runs"
    )
    verb.set_defaults(run=run)


def run_status(options: argparse.Namespace) -> int:
    """Print an execution and its steps, or all executions.

    Returns:
        0.

    Raises:
        SluiceError: there is none, or AWS refuses.
    """
    deployed, console = _open(options)
    if options.all:
        for execution in deployed.executions():
            console.print(_headline(execution))
        return 0
    execution = deployed.find(options.execution)
    console.print(f"{_headline(execution)}")
    for line in status_lines(deployed, execution, deployed.steps_with_progress(execution)):
        console.print(line)
    return 0


def run_logs(options: argparse.Namespace) -> int:
    """Print the log of a step's job.

    Returns:
        0.

    Raises:
        SluiceError: the step has no job yet, or AWS refuses.
    """
    deployed, console = _open(options)
    execution = deployed.find(options.execution)
    steps = {step.name: step for step in deployed.steps(execution)}
    step = steps.get(options.step)
    if step is None or not step.job:
        raise InputError(
            "the step has no job" if step else "the step has not begun, or there is none of that name",
            where=f"execution {execution.identity}",
            got=options.step,
            allowed=", ".join(name for name, step in steps.items() if step.job) or "no step has a job yet",
        )
    silent = True
    for line in deployed.log_lines(step, options.follow):
        silent = False
        console.print(line)
    if silent:
        console.print(f"job {step.job} has written nothing yet")
    return 0


def run_stop(options: argparse.Namespace) -> int:
    """Stop an execution.

    Returns:
        0.

    Raises:
        SluiceError: there is no such execution, or AWS refuses.
    """
    deployed, console = _open(options)
    execution = deployed.find(options.execution)
    if execution.ended:
        console.print(f"execution {execution.identity} has ended already: {execution.status}")
        return 0
    deployed.stop(execution)
    console.print(f"execution {execution.identity} is being stopped; its finished steps are kept")
    return 0


def status_lines(deployed: Deployed, execution: Execution, steps: list[StepExecution]) -> Iterator[str]:
    """A line per step that has begun, and why it failed, if it did."""
    for step in steps:
        yield f"{GLYPHS.get(step.status, '·')} {step.name:<20} {_said_of(step)}"
    yield from failure_lines(deployed, execution, steps)


def failure_lines(deployed: Deployed, execution: Execution, steps: list[StepExecution]) -> Iterator[str]:
    """What failed, why, and where its log is."""
    for step in failures(steps):
        if step.name.endswith(REFUSED):
            yield f"refused by {step.name.removesuffix(REFUSED)}: {step.reason}"
            continue
        yield f"{step.name} failed: {deployed.reason(step) or 'SageMaker gives no reason'}"
        if step.job:
            yield f"  its log: {step.log_group}, stream {step.job}/…, {deployed.console_url(step)}"
            yield f"  or: make logs {for_make(deployed.environment, execution.identity)} STEP={step.name}"
    if execution.reason and not failures(steps):
        yield f"reason: {execution.reason}"


def _said_of(step: StepExecution) -> str:
    if step.taken_from:
        return f"taken from execution {step.taken_from}"
    if step.open is not None:
        return "open" if step.open else "refused"
    if step.status in ("Starting", "Executing") and step.percent is not None:
        return f"{step.status:<10} {duration(step.seconds):>12}  {step.percent} % {step.message}"
    return f"{step.status:<10} {duration(step.seconds):>12}"


def _headline(execution: Execution) -> str:
    return (
        f"{execution.identity}  {execution.status:<21} {execution.started:%Y-%m-%d %H:%M}  {execution.name}"
    )


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60):02} s"


def _open(options: argparse.Namespace) -> tuple[Deployed, Console]:
    from rich.console import Console

    from orchestration.environment import read_environment

    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    return Deployed(read_environment(options.environment)), console
