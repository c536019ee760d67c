"""Compiles the graph to a SageMaker pipeline of `@step`s, ConditionSteps and FailSteps: without AWS, credentials or network.

A step that several instances share is a ProcessingStep instead.

Beside the definition this gives what it refers to, the SDK's payloads for the jobs, as bytes by S3 URI. Whoever upserts
uploads these first. Nothing else in Sluice imports the SDK.
"""

from __future__ import annotations

import json
import logging
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from orchestration.environment import Environment, Image, Retries, image_of
from orchestration.graph import Gate, Graph, OutputOf, PipelineParameter, Step
from sluice.contract import InputError
from sluice.job import NOT_GIVEN, run_step
from sluice.job.step import RECORDS

if TYPE_CHECKING:
    from sagemaker.mlops.workflow.function_step import DelayedReturn
    from sagemaker.mlops.workflow.pipeline import Pipeline
    from sagemaker.mlops.workflow.steps import ProcessingStep

CHECKPOINTS = "/opt/ml/checkpoints"
"""The folder that SageMaker keeps in step with S3 while a spot job works."""
RECORDS_OUTPUT = "records"
"""What the output of a processing job is called that takes its record to S3."""
RECIPE = "recipe"
"""The pipeline parameter that is not the graph's: the recipe's URI."""
LOCAL_DISK = re.compile(r"ml\.([cmr]\d\w*d|g4dn|g5|g6e?|p3dn|p4de?|p5\w*|trn\d\w*)\.")
"""Instances whose disk is their own. Its hardware encrypts it, and SageMaker refuses a VolumeKmsKeyId for them."""
LIBRARY = version("sagemaker")
"""The SDK's version. Its scripts lie in a folder of that name, so that another version overwrites none of them."""


@dataclass(frozen=True)
class Compiled:
    """A compiled pipeline.

    Attributes:
        definition: the pipeline definition, JSON text.
        objects: what has to stand at the S3 URIs that it refers to.
    """

    definition: str
    objects: Mapping[str, bytes]


def compile_pipeline(
    graph: Graph, environment: Environment, images: Mapping[str, Image], *, tags: bool = False
) -> Compiled:
    """Compile the graph for an environment.

    Args:
        graph: the graph.
        environment: where it is to run.
        images: the images by component.
        tags: whether an image may be known by its tag only. That is enough to look at the definition, not to run it.

    Raises:
        InputError: an image is missing, or only known by a tag.
    """
    if not tags:
        _require_pinned(graph, images)
    _require_shareable(graph, environment)
    with _nobody(environment), _quiet(), _captured_uploads() as objects:
        session = _offline_session(environment)  # which checks the settings; once is enough
        with _settings_checked():
            definition = pipeline_of(graph, environment, images, session).definition()
    return Compiled(_with_checkpoints(definition, environment), dict(objects))


@dataclass(frozen=True)
class LocalExecution:
    """How an execution in the SDK's local mode ended.

    Attributes:
        identity: the execution's id.
        status: SageMaker's word: Succeeded or Failed.
        failed: the step that failed; empty if none did.
        reason: why it failed.
        seconds: how long each step that was run took.
    """

    identity: str
    status: str
    failed: str
    reason: str
    seconds: Mapping[str, float]


def run_in_local_mode(
    graph: Graph,
    environment: Environment,
    images: Mapping[str, Image],
    arguments: Mapping[str, str],
    folder: Path,
    watch: Callable[[str], None],
) -> LocalExecution:
    """Run the pipeline under the SDK's LocalPipelineSession: docker-compose as SageMaker, `environment.endpoint` as S3.

    Args:
        graph: the graph.
        environment: where it runs; its `endpoint` is an address that containers reach.
        images: the images by component, on this machine's engine.
        arguments: the pipeline's parameters.
        folder: an empty folder on this machine for the containers' files.
        watch: told when a step starts or ends, in the SDK's words.
    """
    with warnings.catch_warnings(), _heard(watch):
        warnings.simplefilter("ignore")
        from sagemaker.mlops.local import LocalPipelineSession

        session = LocalPipelineSession(
            default_bucket=environment.bucket, sagemaker_config=sdk_settings(environment)
        )
        session._default_bucket = environment.bucket
        session.config = {"local": {"container_root": str(folder)}}
        pipeline = pipeline_of(graph, environment, images, session, instance="local")
        session.create_pipeline(pipeline, environment.pipeline)
        execution = session.start_pipeline_execution(environment.pipeline, PipelineParameters=dict(arguments))
    steps = execution.list_steps()["PipelineExecutionSteps"]
    failed = [step for step in steps if step["StepStatus"] == "Failed"]
    return LocalExecution(
        identity=execution.describe()["PipelineExecutionArn"],
        status=execution.describe()["PipelineExecutionStatus"],
        failed=failed[0]["StepName"] if failed else "",
        reason=failed[0].get("FailureReason", "") if failed else "",
        seconds={
            step["StepName"]: step["EndTime"] - step["StartTime"] for step in steps if step.get("EndTime")
        },
    )


def pipeline_of(
    graph: Graph, environment: Environment, images: Mapping[str, Image], session: Any, instance: str = ""
) -> Pipeline:
    """The graph as the SDK's pipeline.

    Args:
        graph: the graph.
        environment: where it runs.
        images: the images by component.
        session: the SDK's session: one that can't reach anything, or its local mode's.
        instance: this instance type for every step instead of a parameter for each (`local` in local mode).
    """
    from sagemaker.mlops.workflow.pipeline import Pipeline

    builder = _Builder(graph, environment, images, session, instance)
    steps = builder.behind(None)
    return Pipeline(
        name=environment.pipeline,
        parameters=list(builder.parameters.values()),
        steps=steps,
        sagemaker_session=session,
        pipeline_experiment_config=None,
    )


def sdk_settings(environment: Environment) -> dict[str, Any]:
    """The SDK's configuration: no telemetry, payloads under the environment's prefix, encrypted with its key."""
    function: dict[str, Any] = {
        "S3RootUri": f"{environment.store}/code/{LIBRARY}",
        "IncludeLocalWorkDir": False,
    }
    if environment.kms_key:
        function["S3KmsKeyId"] = environment.kms_key
    modules = {"TelemetryOptOut": True, "RemoteFunction": function}
    return {"SchemaVersion": "1.0", "SageMaker": {"PythonSDK": {"Modules": modules}}}


class _Builder:
    """Makes the SDK's objects, in the graph's order: a step is there before another one takes its outputs."""

    def __init__(
        self,
        graph: Graph,
        environment: Environment,
        images: Mapping[str, Image],
        session: Any,
        instance: str,
    ) -> None:
        self.graph, self.environment, self.images, self.instance = graph, environment, images, instance
        self.parameters = self._declared()
        self.session = session
        self.results: dict[str, DelayedReturn] = {}
        self.shared: dict[str, ProcessingStep] = {}

    def behind(self, gate: str | None) -> list[Any]:
        """What stands directly behind a gate, or before all of them; later gates nest."""
        steps: list[Any] = [self._step(step) for step in self.graph.steps.values() if step.gate == gate]
        return steps + [self._gate(inner) for inner in self.graph.gates.values() if inner.gate == gate]

    def _declared(self) -> dict[str, Any]:
        from sagemaker.core.workflow.parameters import ParameterString

        defaults = {RECIPE: None, **{name: p.default for name, p in self.graph.parameters.items()}}
        defaults["registry"] = self.environment.model_registry
        required = {RECIPE, "data"}
        found = {
            name: ParameterString(name, default_value=None if name in required else str(value or NOT_GIVEN))
            for name, value in defaults.items()
        }
        if not self.instance:
            for step in self.graph.steps:
                name = f"{step}-instance-type"
                found[name] = ParameterString(name, default_value=self.environment.step(step).instance_type)
        return found

    def _step(self, step: Step) -> DelayedReturn | ProcessingStep:
        from sagemaker.mlops.workflow.function_step import step as sdk_step

        given = [
            part
            for name, argument in step.arguments.items()
            if argument is not None
            for part in self._given(name, argument)
        ]
        told = [step.component.name, self.parameters[RECIPE], *given]
        if self.environment.step(step.name).instances > 1:
            self.shared[step.name] = self._processing(step, told)
            return self.shared[step.name]
        self.results[step.name] = sdk_step(run_step, **self._job(step))(*told)
        return self.results[step.name]

    def _given(self, name: str, argument: Any) -> tuple[str, Any]:
        """A parameter as `run_step` takes it: its name, and its value or where that is found."""
        if isinstance(argument, PipelineParameter):
            return name, self.parameters[argument.name]
        if not isinstance(argument, OutputOf):
            return name, str(argument)
        if argument.step in self.shared:
            outputs = self.shared[argument.step].properties.ProcessingOutputConfig.Outputs
            return f"{name}={argument.step}/{argument.output}", outputs[RECORDS_OUTPUT].S3Output.S3Uri
        return name, self.results[argument.step]["outputs"][argument.output]

    def _processing(self, step: Step, told: list[Any]) -> ProcessingStep:
        """A step whose instances share the work: on each of them its image runs `sluice.job`."""
        from sagemaker.core.processing import Processor
        from sagemaker.core.workflow.pipeline_context import PipelineSession
        from sagemaker.mlops.workflow.steps import ProcessingStep

        job, settings = self._job(step), self.environment.step(step.name)
        session = PipelineSession(
            boto_session=self.session.boto_session,
            default_bucket=self.environment.bucket,
            sagemaker_config=sdk_settings(self.environment),
        )
        processor = Processor(
            role=job["role"],
            image_uri=job["image_uri"],
            instance_count=settings.instances,
            instance_type=job["instance_type"],
            entrypoint=["python", "-m", "sluice.job"],
            volume_size_in_gb=job["volume_size"],
            volume_kms_key=job["volume_kms_key"],
            output_kms_key=self.environment.kms_key,
            max_runtime_in_seconds=job["max_runtime_in_seconds"],
            sagemaker_session=session,
            env={**job["environment_variables"], "AWS_DEFAULT_REGION": self.environment.region},
            tags=job["tags"],
            network_config=self._network(job),
        )
        return ProcessingStep(
            name=step.name,
            step_args=processor.run(outputs=[self._records()], arguments=told),
            display_name=step.name,
            description=job["description"],
            retry_policies=job["retry_policies"],
        )

    def _network(self, job: Mapping[str, Any]) -> Any:
        """The instances' network: what they tell each other is rows, so it is encrypted."""
        from sagemaker.core.network import NetworkConfig

        return NetworkConfig(
            enable_network_isolation=False,
            security_group_ids=job["security_group_ids"],
            subnets=job["subnets"],
            encrypt_inter_container_traffic=True,
        )

    def _records(self) -> Any:
        """Where a processing job's record goes: among those of the execution, like every other job's.

        Later steps are told the folder by reference, so that a selective execution has them look at its source's.
        """
        from sagemaker.core.shapes.shapes import ProcessingOutput, ProcessingS3Output
        from sagemaker.core.workflow.execution_variables import ExecutionVariables
        from sagemaker.core.workflow.functions import Join

        folder = Join(
            on="/", values=[f"{self.environment.store}/executions", ExecutionVariables.PIPELINE_EXECUTION_ID]
        )
        place = ProcessingS3Output(s3_uri=folder, local_path=str(RECORDS), s3_upload_mode="EndOfJob")
        return ProcessingOutput(output_name=RECORDS_OUTPUT, s3_output=place)

    def _job(self, step: Step) -> dict[str, Any]:
        """What the SDK's decorator is told of a step's job."""
        settings, vpc = self.environment.step(step.name), self.environment.vpc
        return {
            "name": step.name,
            "display_name": step.name,
            "description": step.component.summary,
            "image_uri": image_of(step.component.name, self.images).uri,
            "instance_type": self.instance or self.parameters[f"{step.name}-instance-type"],
            "volume_size": settings.volume_gb,
            "max_runtime_in_seconds": 60 * settings.maximum_minutes,
            "keep_alive_period_in_seconds": 60 * settings.keep_alive_minutes,
            "use_spot_instances": settings.spot is not None,
            "max_wait_time_in_seconds": 60 * settings.spot.maximum_wait_minutes if settings.spot else None,
            "role": self.environment.role_of(step.name),
            "subnets": list(vpc.subnets) if vpc else None,
            "security_group_ids": list(vpc.security_groups) if vpc else None,
            "volume_kms_key": None if LOCAL_DISK.match(settings.instance_type) else self.environment.kms_key,
            "tags": [{"Key": key, "Value": value} for key, value in self.environment.tags.items()],
            "environment_variables": self._variables(step),  # a dict of its own: the SDK writes into it
            "retry_policies": None if self.instance else _retries(settings.retries),
        }

    def _variables(self, step: Step) -> dict[str, Any]:
        from sagemaker.core.workflow.execution_variables import ExecutionVariables

        variables: dict[str, Any] = {
            "SLUICE_STORE": self.environment.store,
            "SLUICE_STEP": step.name,
            "SLUICE_EXECUTION": ExecutionVariables.PIPELINE_EXECUTION_ID,
        }
        if self.environment.status_table:
            variables["SLUICE_STATUS_TABLE"] = self.environment.status_table
        if self.environment.endpoint:
            variables["AWS_ENDPOINT_URL"] = self.environment.endpoint
        if self.environment.step(step.name).spot:
            variables["SLUICE_CHECKPOINTS"] = CHECKPOINTS
        return {**variables, **self.environment.step(step.name).environment}

    def _gate(self, gate: Gate) -> Any:
        from sagemaker.core.workflow.conditions import ConditionEquals
        from sagemaker.core.workflow.functions import Join
        from sagemaker.mlops.workflow.condition_step import ConditionStep
        from sagemaker.mlops.workflow.fail_step import FailStep

        verdict = self.results[gate.verdict]
        refused = FailStep(
            name=f"{gate.name}-refused",
            error_message=Join(on=" ", values=[f"{gate.refusal}:", verdict["reasons"]]),
            description=gate.refusal,
        )
        return ConditionStep(
            name=gate.name,
            description=f"Opens only if {gate.verdict} passed.",
            conditions=[ConditionEquals(left=verdict["passed"], right=True)],
            if_steps=self.behind(gate.name),
            else_steps=[refused],
        )


def _retries(retries: Retries) -> list[Any]:
    """Throttling and service faults of Pipelines, and missing capacity and internal errors of the job."""
    from sagemaker.mlops.workflow.retry import (
        SageMakerJobExceptionTypeEnum as Job,
    )
    from sagemaker.mlops.workflow.retry import (
        SageMakerJobStepRetryPolicy,
        StepRetryPolicy,
    )
    from sagemaker.mlops.workflow.retry import (
        StepExceptionTypeEnum as Service,
    )

    how = {
        "max_attempts": retries.attempts,
        "interval_seconds": retries.interval_seconds,
        "backoff_rate": retries.backoff_rate,
    }
    return [
        StepRetryPolicy([Service.SERVICE_FAULT, Service.THROTTLING], **how),
        SageMakerJobStepRetryPolicy(
            exception_types=[Job.RESOURCE_LIMIT],
            failure_reason_types=[Job.INTERNAL_ERROR, Job.CAPACITY_ERROR],
            **how,
        ),
    ]


def _with_checkpoints(definition: str, environment: Environment) -> str:
    """Give every spot step a checkpoint folder on S3, one per execution. The SDK's decorator has no argument for it."""
    content = json.loads(definition)
    for step in _jobs(content["Steps"]):
        if step["Arguments"]["EnableManagedSpotTraining"]:
            place = [
                f"{environment.store}/checkpoints",
                {"Get": "Execution.PipelineExecutionId"},
                step["Name"],
            ]
            step["Arguments"]["CheckpointConfig"] = {
                "S3Uri": {"Std:Join": {"On": "/", "Values": place}},
                "LocalPath": CHECKPOINTS,
            }
    return json.dumps(content)


def _jobs(steps: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for step in steps:
        if step["Type"] == "Training":
            yield step
        for branch in ("IfSteps", "ElseSteps"):
            yield from _jobs(step["Arguments"].get(branch, []))


def _require_pinned(graph: Graph, images: Mapping[str, Image]) -> None:
    for name in dict.fromkeys(step.component.name.split(".")[0] for step in graph.steps.values()):
        image = image_of(name, images)
        if not image.pinned:
            raise InputError(
                "the image is named by a tag, which can come to mean another image",
                where=f"component {name}",
                got=image.uri,
                allowed="repository@sha256:…",
                next_step=f"Push it, which records its digest: make push C={name}",
            )


def _require_shareable(graph: Graph, environment: Environment) -> None:
    """Refuse several instances where only one would work: a component that can share its work has a module `cluster`."""
    can = [name for name, step in graph.steps.items() if step.component.shareable]
    for name in graph.steps:
        instances = environment.step(name).instances
        if instances > 1 and name not in can:
            raise InputError(
                "this step's work can't be shared by several instances",
                where=f"environment {environment.name}, step {name}",
                got=f"instances: {instances}",
                allowed=f"instances: 1; several only for {', '.join(can)}",
                next_step="Give it a larger instance_type instead",
            )


def _offline_session(environment: Environment) -> Any:
    """A session that never reaches AWS: its bucket is not looked for."""
    from sagemaker.core.helper.session_helper import Session

    session = Session(default_bucket=environment.bucket, sagemaker_config=sdk_settings(environment))
    session._default_bucket = environment.bucket
    return session


@contextmanager
def _nobody(environment: Environment) -> Iterator[None]:
    """Work with no one's credentials. The SDK makes clients while it is imported, which otherwise look for real ones."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    nobody = {
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nobody",
        "AWS_DEFAULT_REGION": environment.region,
    }
    with mock.patch.dict(os.environ, {**own, **nobody}, clear=True):
        yield


@contextmanager
def _captured_uploads() -> Iterator[dict[str, bytes]]:
    """Keep what the SDK would upload while it compiles, by S3 URI."""
    from sagemaker.core.s3 import S3Uploader

    kept: dict[str, bytes] = {}

    def upload(local_path: str, desired_s3_uri: str, *_: Any, **__: Any) -> str:
        source = Path(local_path)
        files = [file for file in source.rglob("*") if file.is_file()] if source.is_dir() else [source]
        base = source if source.is_dir() else source.parent
        for file in files:
            kept[f"{desired_s3_uri}/{file.relative_to(base).as_posix()}"] = file.read_bytes()
        return desired_s3_uri

    def upload_bytes(b: bytes, s3_uri: str, *_: Any, **__: Any) -> str:
        kept[s3_uri] = b
        return s3_uri

    def upload_text(body: str, desired_s3_uri: str, *_: Any, **__: Any) -> str:
        kept[desired_s3_uri] = body.encode()
        return desired_s3_uri

    with (
        mock.patch.object(S3Uploader, "upload", staticmethod(upload)),
        mock.patch.object(S3Uploader, "upload_bytes", staticmethod(upload_bytes)),
        mock.patch.object(S3Uploader, "upload_string_as_file_body", staticmethod(upload_text)),
    ):
        yield kept


class _Ear(logging.Handler):
    def __init__(self, watch: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self.watch = watch

    def emit(self, record: logging.LogRecord) -> None:
        self.watch(record.getMessage())


@contextmanager
def _heard(watch: Callable[[str], None]) -> Iterator[None]:
    """Hear what the SDK's local mode says of its steps, and nothing else of what it says."""
    everything, steps = (
        logging.getLogger("sagemaker"),
        logging.getLogger("sagemaker.mlops.local.pipeline_entities"),
    )
    handler = _Ear(watch)
    before = everything.level, steps.level
    everything.setLevel(logging.ERROR)
    steps.setLevel(logging.INFO)
    steps.addHandler(handler)
    steps.propagate = False
    try:
        yield
    finally:
        steps.removeHandler(handler)
        everything.level, steps.level = before
        steps.propagate = True


@contextmanager
def _settings_checked() -> Iterator[None]:
    """Keep the SDK from checking its settings against their schema again for each of a hundred look-ups: ten seconds."""
    from sagemaker.core.config.config_manager import SageMakerConfig

    with mock.patch.object(SageMakerConfig, "validate_sagemaker_config", staticmethod(lambda _: None)):
        yield


@contextmanager
def _quiet() -> Iterator[None]:
    """The SDK says much while it compiles, and nothing that this command's reader can use."""
    root = logging.root
    before, level, handlers = root.manager.disable, root.level, root.handlers[:]
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
        # importing the SDK sends everybody's log to the screen, boto3's above all
        root.setLevel(level)
        root.handlers[:] = handlers
