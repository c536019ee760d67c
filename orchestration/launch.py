"""Starts the deployed pipeline: recipe and data are put into the bucket, and what has its result is not run again."""

from __future__ import annotations

import argparse
import hashlib
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.bucket import SHA256, head, put_object, require_bucket
from orchestration.compile import add_environment
from orchestration.definition import Definition, read_definition
from orchestration.environment import Environment, in_region, read_environment, read_images
from orchestration.executions import Deployed, Execution
from sluice.aws import DENIED, REFUSED, client, speaking_of
from sluice.contract import AwsError, InputError, StorageError, digest_of, storage
from sluice.job import NOT_GIVEN

if TYPE_CHECKING:
    from rich.console import Console

    from orchestration.graph import Graph
    from orchestration.prune import Given, Selection, Survey
    from sluice.recipe import Recipe

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

LONGEST = 256
"""Characters of a parameter: a job gets it as one container argument, and SageMaker takes no longer one."""
AT_ONCE = 8
"""Files whose digests are asked for side by side."""
APPROVALS = ("PendingManualApproval", "Approved")
GATE_REFUSED = 3


@dataclass(frozen=True)
class Order:
    """What a person asks to start.

    Attributes:
        environment: where.
        images: the record of built images; without it nothing is passed over.
        recipe: the recipe's path.
        data: the folder of raw files: a URI, or a path that is uploaded first; None for a recipe with a sample.
        rows: how many rows to take.
        previous: an earlier run's training table to compare with, the URI of its manifest.
        thresholds: the metric gate's thresholds instead of the recipe's.
        approval: what a new version begins as.
        instances: other instance types than the deployed ones, by step.
    """

    environment: Environment
    images: Path
    recipe: Path
    data: str | None = None
    rows: int | None = None
    previous: str | None = None
    thresholds: str = ""
    approval: str = ""
    instances: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Launched:
    """What came of a start.

    Attributes:
        execution: the execution; None if there was nothing to do.
        refused: whether a gate refuses by a verdict that was there already.
        reused: how long each step that was passed over had taken, by step.
        missing: the steps that a selective execution was started for.
    """

    execution: Execution | None
    refused: bool = False
    reused: Mapping[str, float] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


def add_start_parser(verbs: Subparsers) -> None:
    """Add `start`; the parsed options' `run` does it."""
    text = "start the deployed pipeline for a recipe"
    verb = verbs.add_parser("start", help=text, description=f"{text.capitalize()}.")
    verb.add_argument("recipe", type=Path, help="the recipe's path")
    verb.add_argument("--data", metavar="FOLDER", help="s3://…, or a local folder that is uploaded first")
    verb.add_argument(
        "--rows", type=int, metavar="N", help="take N rows by seeded sampling; all if not given"
    )
    verb.add_argument(
        "--previous",
        metavar="URI",
        help="an earlier run's training table to compare with: its manifest, s3://…",
    )
    verb.add_argument(
        "--thresholds",
        default="",
        metavar="NAME=VALUE,…",
        help="the metric gate's thresholds, not the recipe's",
    )
    verb.add_argument(
        "--approval", default="", choices=APPROVALS, metavar="|".join(APPROVALS), help="how a version begins"
    )
    verb.add_argument(
        "--instance",
        action="append",
        default=[],
        metavar="STEP=TYPE",
        help="another instance type for a step; may be given several times",
    )
    verb.add_argument("--wait", action="store_true", help="wait for its end, and show the steps meanwhile")
    add_environment(verb)
    verb.set_defaults(run=run_start)


def run_start(options: argparse.Namespace) -> int:
    """Start the pipeline, and wait if that was asked for.

    Returns:
        0; 3 if a gate refused; after waiting also 1 if the execution failed or was stopped.

    Raises:
        SluiceError: the recipe or data is wrong, the pipeline is not deployed, or AWS refuses.
    """
    from rich.console import Console

    from orchestration.runners.sagemaker import watch

    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    order = Order(
        read_environment(options.environment),
        options.images,
        options.recipe,
        options.data,
        options.rows,
        options.previous,
        options.thresholds,
        options.approval,
        _instances(options.instance),
    )
    launched = launch(order, console)
    if launched.execution and options.wait:
        return watch(Deployed(order.environment), launched, console)
    return GATE_REFUSED if launched.refused else 0


def launch(order: Order, console: Console) -> Launched:
    """Start the pipeline.

    Raises:
        SluiceError: the recipe or data is wrong, the pipeline is not deployed, or AWS refuses.
    """
    from orchestration.pipeline import build
    from orchestration.start import check_thresholds, read_recipe
    from sluice.recipe import PreprocessSettings
    from sluice.registry.sagemaker import require_group_name

    graph, environment = build(), order.environment
    text, recipe = read_recipe(order.recipe)
    check_thresholds(order.thresholds)
    require_group_name(recipe.registry.group)
    if order.rows is not None and order.rows < 1:
        raise InputError("this is no number of rows", where="--rows", got=order.rows, allowed="1 or more")
    deployed = Deployed(environment)
    definition = read_definition(
        deployed.describe()["PipelineDefinition"], f"pipeline {environment.pipeline}"
    )
    values = {**_values(order), "recipe": recipe_uri(text, environment)}
    _require_known(values, definition, graph)
    s3 = client("s3", environment.region)
    require_bucket(s3, environment)
    named = {"data": order.data} if order.data and order.data.startswith("s3://") else {}
    _require_short(values | named)
    patterns = PreprocessSettings.from_recipe(text, str(order.recipe)).source_files()
    values["data"] = _data(order, recipe, patterns, console)
    known = _known_digest(s3, values["data"], patterns)
    put_object(s3, environment, values["recipe"], text.encode())
    try:
        with in_region(environment):
            found = _survey(graph, definition, order, text, values, known, console)
            chosen = _selection(found, definition, deployed)
    except StorageError as error:  # whoever may start need not be allowed to read results
        console.print(f"every step is started, because results can't be looked at: {error.message}")
        found = chosen = None
    if found and not found.missing:
        return _nothing_to_do(found, console)
    return _start(deployed, order, recipe, values, found, chosen, console)


def recipe_uri(text: str, environment: Environment) -> str:
    """Where a recipe's text lies in the bucket."""
    return f"{environment.store}/recipes/{hashlib.sha256(text.encode()).hexdigest()}.yaml"


def _values(order: Order) -> dict[str, str]:
    """The pipeline parameters that were given, as text; the deployed defaults stand for the others."""
    given = {
        "rows": order.rows,
        "previous": order.previous,
        "thresholds": order.thresholds,
        "approval": order.approval,
    }
    values = {name: str(value) for name, value in given.items() if value not in (None, "")}
    return values | {f"{step}-instance-type": kind for step, kind in order.instances.items()}


def _require_known(values: Mapping[str, str], definition: Definition, graph: Graph) -> None:
    """Refuse what the deployed pipeline does not take."""
    for name, value in values.items():
        if name not in definition.parameters:
            raise InputError(
                "the deployed pipeline has no such parameter",
                where="start",
                got=f"{name}={value}",
                allowed=", ".join(definition.parameters),
                next_step="Correct it; if this checkout is newer than what is deployed, run make upsert first",
            )
    for step in graph.steps:
        kind = values.get(f"{step}-instance-type")
        kinds = _instance_types(definition.by_name[step].type) if kind else []
        if kind is not None and kind not in kinds:
            from sluice.recipe.mistakes import closest

            meant = closest(kind, kinds)
            raise InputError(
                "SageMaker knows no such instance type" + (f" (did you mean {meant}?)" if meant else ""),
                where=f"--instance {step}",
                got=kind,
            )


def _instance_types(job: str) -> list[str]:
    """The instance types of a kind of job, as botocore's model lists them."""
    model = client("sagemaker", "us-east-1").meta.service_model
    return list(model.shape_for(f"{job}InstanceType").enum)


def _require_short(values: Mapping[str, str]) -> None:
    for name, value in values.items():
        if len(value) > LONGEST:
            raise InputError(
                f"the value is longer than a job's argument may be ({LONGEST} characters, SageMaker's limit)",
                where=f"parameter {name}",
                got=f"{len(value)} characters: {value[:60]}…",
                next_step="Shorten it: a shorter bucket, prefix or folder name, or fewer thresholds",
            )


def _data(order: Order, recipe: Recipe, patterns: tuple[str, ...], console: Console) -> str:
    """The URI of the raw files; what is on this machine is uploaded."""
    from orchestration.start import Request, find_data
    from orchestration.upload import upload

    request = Request(order.recipe, "artifacts", order.data)
    uri = find_data(request, recipe, storage.to_uri("artifacts"), console.print)
    if storage.is_local(uri):
        return upload(storage.local_path(uri), order.environment, console, patterns)
    return uri


def _known_digest(s3: Any, uri: str, patterns: tuple[str, ...]) -> dict[str, str]:
    """The digest of the raw files by their folder's URI, where each carries its own since it was uploaded.

    So nothing is downloaded to learn what was computed from it. Of other files the walk finds it out by reading.

    Raises:
        InputError: the folder holds none of the recipe's files.
    """
    bucket, _, folder = uri.removeprefix("s3://").partition("/")
    prefix = f"{folder}/" if folder else ""
    with speaking_of(uri):
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        there = [entry["Key"].removeprefix(prefix) for page in pages for entry in page.get("Contents", [])]
    names = [name for name in there if any(fnmatch(name, pattern) for pattern in patterns)]
    if not names:
        raise InputError(
            "the data folder holds none of the recipe's files",
            where=uri,
            got=", ".join(there[:10]) or "no files",
            allowed=", ".join(patterns),
            next_step="Upload them with: make upload DATA=…",
        )
    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            heads = list(pool.map(lambda name: head(s3, f"s3://{bucket}/{prefix}{name}"), names))
    except AwsError as error:  # whoever may start need not be allowed to read the data
        if error.what != DENIED[0]:
            raise
        return {}
    digests = {name: said and said["Metadata"].get(SHA256) for name, said in zip(names, heads, strict=True)}
    return {uri: digest_of(digests)} if all(digests.values()) else {}


def _survey(
    graph: Graph,
    definition: Definition,
    order: Order,
    text: str,
    values: Mapping[str, str],
    known: Mapping[str, str],
    console: Console,
) -> Survey | None:
    """What stands in the store already; None where that can't be known."""
    from orchestration.prune import Given, content_tags, survey

    environment = order.environment
    try:
        tags = content_tags(graph, definition, environment, read_images(order.images))
    except InputError:
        tags = None
    if tags is None:
        console.print(
            f"{order.images} does not record the deployed images: every step is started, "
            "and one that has its result returns at once in its job"
        )
        return None
    defaults = {name: p.get("DefaultValue", NOT_GIVEN) for name, p in definition.parameters.items()}
    given: Given = Given(text, values["recipe"], {**defaults, **values}, tags, known)
    return survey(graph, environment.store, given)


def _nothing_to_do(found: Survey, console: Console) -> Launched:
    for name, folder in found.folders.items():
        console.print(f"↺ {name:<12} {folder}")
    if found.refused:
        console.print(f"nothing is started: {found.refused} refuses, as before. {found.reasons}")
    else:
        console.print("nothing to do: every step has its result already")
    return Launched(None, bool(found.refused))


def _selection(found: Survey | None, definition: Definition, deployed: Deployed) -> Selection | None:
    from orchestration.prune import selection

    return selection(found, definition, deployed) if found and found.finished else None


def _start(
    deployed: Deployed,
    order: Order,
    recipe: Recipe,
    values: Mapping[str, str],
    found: Survey | None,
    chosen: Selection | None,
    console: Console,
) -> Launched:
    now = datetime.now(UTC)
    name = re.sub(r"[^a-zA-Z0-9]+", "-", recipe.name)[:60].strip("-") or "run"
    request: dict[str, Any] = {
        "PipelineName": order.environment.pipeline,
        "PipelineExecutionDisplayName": f"{name}-{now:%Y%m%d-%H%M%S}",
        "PipelineParameters": [{"Name": name, "Value": value} for name, value in values.items()],
    }
    with speaking_of(f"pipeline {order.environment.pipeline}"):
        arn, selective = _request(deployed.sagemaker, request, chosen, console)
    execution = Execution(arn, "Executing", request["PipelineExecutionDisplayName"], now)
    console.print(f"execution {execution.identity} of {order.environment.pipeline} started")
    if found and chosen and selective:
        reused = {name: r.seconds for name, r in found.finished.items() if name not in chosen.steps}
        console.print(f"passed over, their results are there: {', '.join(reused)}")
        return Launched(execution, reused=reused, missing=tuple(found.missing))
    if found and found.finished:
        console.print(f"returning at once in their jobs: {', '.join(found.finished)}")
    return Launched(execution)


def _request(
    sagemaker: Any, request: Mapping[str, Any], chosen: Selection | None, console: Console
) -> tuple[str, bool]:
    """Start it, selectively if that is possible; the execution's ARN, and whether it was selective."""
    if chosen:
        config = {
            "SourcePipelineExecutionArn": chosen.source,
            "SelectedSteps": [{"StepName": step} for step in chosen.steps],
        }
        try:
            with speaking_of("selective execution"):
                answer = sagemaker.start_pipeline_execution(**request, SelectiveExecutionConfig=config)
            return str(answer["PipelineExecutionArn"]), True
        except AwsError as error:
            if error.what != REFUSED[0]:
                raise
            console.print(f"SageMaker does not take the selection, so everything is started: {error.got}")
    return str(sagemaker.start_pipeline_execution(**request)["PipelineExecutionArn"]), False


def _instances(given: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    wrong = next(
        (text for text, (step, _, kind) in zip(given, pairs, strict=True) if not (step and kind)), None
    )
    if wrong is not None:
        raise InputError(
            "this is no instance type for a step", where="--instance", got=wrong, allowed="STEP=TYPE"
        )
    return {step: kind for step, _, kind in pairs}
