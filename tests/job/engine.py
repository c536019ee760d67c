"""A pipeline engine for tests: runs a compiled definition against an S3 server, each job by the SDK's own entry point.

A job is a process that sees an `/opt/ml` of its own, as in a container on SageMaker. The engine knows what our pipelines
hold: Training steps, Processing steps, Condition steps, Fail steps; parameters, joins and values out of a step's JSON results.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

ROOM = """
[ -d /opt/ml ] || {
    mkdir "$0/before" && mount --bind /opt "$0/before" && mount -t tmpfs none /opt
    find "$0/before" -mindepth 1 -maxdepth 1 -exec ln -s {} /opt/ ';'
    mkdir /opt/ml
}
mount --bind "$0/ml" /opt/ml && cd "$0/work" && exec "$@"
"""
"""Puts a folder where jobs expect theirs, for this command alone; what else stands in /opt stays to be seen."""
SECONDS = 300
"""After that a job hangs."""


@dataclass(frozen=True)
class Job:
    """What a job left."""

    status: int
    failure: str
    """What it wrote to `/opt/ml/output/failure`, the place that SageMaker takes a failure's reason from."""
    log: str
    seconds: float


def in_a_room(folder: Path, command: Sequence[str], environment: Mapping[str, str]) -> Job:
    """Run a command with `<folder>/ml` as its `/opt/ml`; the folder holds nothing else yet."""
    for part in ("ml/input/config", "ml/output", "ml/model", "work"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    done = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "bash", "-ec", ROOM, str(folder), *command],
        env={"HOME": f"{folder}/work", "LOGNAME": "root", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    failure = folder / "ml/output/failure"
    reason = failure.read_text() if failure.exists() else ""
    return Job(done.returncode, reason, done.stdout, time.monotonic() - began)


@dataclass
class Engine:
    """One execution of a definition.

    Attributes:
        definition: the compiled definition.
        parameters: what the execution is started with.
        folder: where its jobs work.
        environment: what every image holds, and how a job finds S3; laid over what the definition gives a job.
        last: the step to stop after; none if not given.
        jobs: what each job left, in the order they ran.
        gates: which way each gate went.
        refusal: what a Fail step said.
    """

    definition: str
    parameters: Mapping[str, str]
    folder: Path
    environment: Mapping[str, str]
    last: str = ""
    jobs: dict[str, Job] = field(default_factory=dict)
    gates: dict[str, bool] = field(default_factory=dict)
    refusal: str = ""

    def __post_init__(self) -> None:
        content = json.loads(self.definition)
        self.steps: list[dict[str, Any]] = content["Steps"]
        self.execution = uuid.uuid4().hex[:12]
        self.known = {f"Parameters.{p['Name']}": p.get("DefaultValue") for p in content["Parameters"]}
        self.known |= {f"Parameters.{name}": value for name, value in self.parameters.items()}
        self.known["Execution.PipelineExecutionId"] = self.execution
        self.s3 = boto3.client("s3")

    @property
    def succeeded(self) -> bool:
        """Whether every job that ran ended with 0, and no Fail step was reached."""
        return not self.refusal and all(job.status == 0 for job in self.jobs.values())

    def run(self) -> Engine:
        """Run all steps until one fails; gives itself."""
        try:
            self._run(self.steps)
        finally:
            self.s3.close()
        return self

    def answer(self, step: str) -> dict[str, Any]:
        """What a step's function returned, as the engine reads it for gates: strict JSON."""
        uri = f"{self.known[f'Steps.{step}.OutputDataConfig.S3OutputPath']}/results.json"
        return json.loads(self._read(uri), parse_constant=_refuse)

    def _run(self, steps: Sequence[dict[str, Any]]) -> None:
        for step in steps:
            if not self.succeeded or self.last in self.jobs:
                return
            assert self._needed(step) <= {*self.jobs, *self.gates}, f"{step['Name']} needs what has not run"
            getattr(self, f"_run_{step['Type'].lower()}")(step)

    def _run_training(self, step: dict[str, Any]) -> None:
        arguments = self._resolve(step["Arguments"])
        self.known[f"Steps.{step['Name']}.OutputDataConfig.S3OutputPath"] = arguments["OutputDataConfig"][
            "S3OutputPath"
        ]
        folder = self.folder / self.execution / step["Name"]
        for channel in arguments["InputDataConfig"]:
            source = channel["DataSource"]["S3DataSource"]["S3Uri"]
            self._download(source, folder / "ml/input/data" / channel["ChannelName"])
        _write_resources(folder, arguments["ResourceConfig"]["InstanceType"])
        algorithm = arguments["AlgorithmSpecification"]
        _require_within_limits(algorithm["ContainerArguments"], arguments["Environment"])
        environment = {"TRAINING_JOB_NAME": f"{step['Name']}-{self.execution}", **arguments["Environment"]}
        self.jobs[step["Name"]] = in_a_room(
            folder,
            [*algorithm["ContainerEntrypoint"], *algorithm["ContainerArguments"]],
            {**environment, **self.environment},
        )

    def _run_processing(self, step: dict[str, Any]) -> None:
        """Each instance is a process of its own, known to the others by a name of this machine."""
        arguments, name = self._resolve(step["Arguments"]), step["Name"]
        application = arguments["AppSpecification"]
        _require_within_limits(application["ContainerArguments"], arguments["Environment"])
        hosts = [
            f"127.0.0.{number + 1}"
            for number in range(arguments["ProcessingResources"]["ClusterConfig"]["InstanceCount"])
        ]
        folders = {host: self.folder / self.execution / name / host for host in hosts}
        for host, folder in folders.items():
            config = folder / "ml/config/resourceconfig.json"
            config.parent.mkdir(parents=True)
            config.write_text(json.dumps({"current_host": host, "hosts": hosts}))
        command = [*application["ContainerEntrypoint"], *application["ContainerArguments"]]
        with ThreadPoolExecutor(len(hosts)) as pool:
            jobs = list(
                pool.map(
                    lambda folder: in_a_room(
                        folder, command, {**arguments["Environment"], **self.environment}
                    ),
                    folders.values(),
                )
            )
        self.jobs[name] = next((job for job in jobs if job.status), jobs[0])
        for output in arguments["ProcessingOutputConfig"]["Outputs"]:
            self._upload(output["S3Output"], folders.values())
            path = f"ProcessingOutputConfig.Outputs['{output['OutputName']}'].S3Output.S3Uri"
            self.known[f"Steps.{name}.{path}"] = output["S3Output"]["S3Uri"]

    def _upload(self, output: Mapping[str, str], folders: Iterable[Path]) -> None:
        bucket, prefix = split(output["S3Uri"])
        for folder in folders:
            made = folder / output["LocalPath"].removeprefix("/opt/")
            for file in made.glob("*"):
                self.s3.upload_file(str(file), bucket, f"{prefix}/{file.name}")

    def _run_condition(self, step: dict[str, Any]) -> None:
        conditions = step["Arguments"]["Conditions"]
        assert {condition["Type"] for condition in conditions} == {"Equals"}
        is_open = all(self._resolve(c["LeftValue"]) == self._resolve(c["RightValue"]) for c in conditions)
        self.gates[step["Name"]] = is_open
        self._run(step["Arguments"]["IfSteps" if is_open else "ElseSteps"])

    def _run_fail(self, step: dict[str, Any]) -> None:
        self.refusal = self._resolve(step["Arguments"]["ErrorMessage"])

    def _needed(self, step: dict[str, Any]) -> set[str]:
        """The steps that a step names; what stands in a gate's branches is not needed by the gate."""
        own = step["Arguments"]["Conditions"] if step["Type"] == "Condition" else step["Arguments"]
        return {*re.findall(r'"Steps\.([\w-]+)\.', json.dumps(own)), *step.get("DependsOn", ())}

    def _resolve(self, value: Any) -> Any:
        match value:
            case {"Get": name}:
                return self.known[name]
            case {"Std:Join": {"On": on, "Values": values}}:
                return on.join(str(self._resolve(part)) for part in values)
            case {"Std:JsonGet": {"S3Uri": uri, "Path": path}}:
                found = json.loads(self._read(self._resolve(uri)), parse_constant=_refuse)
                for key in re.findall(r"\w+", path):
                    found = found[key]
                return found
            case dict():
                return {key: self._resolve(part) for key, part in value.items()}
            case list():
                return [self._resolve(part) for part in value]
        return value

    def _read(self, uri: str) -> bytes:
        bucket, key = split(uri)
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def _download(self, uri: str, folder: Path) -> None:
        bucket, prefix = split(uri)
        for found in self.s3.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/")["Contents"]:
            target = folder / found["Key"].removeprefix(f"{prefix}/")
            target.parent.mkdir(parents=True, exist_ok=True)
            self.s3.download_file(bucket, found["Key"], str(target))


def upload(objects: Mapping[str, bytes]) -> None:
    """Put objects where they shall stand on S3, as whoever upserts does."""
    s3 = boto3.client("s3")
    for uri, content in objects.items():
        bucket, key = split(uri)
        s3.put_object(Bucket=bucket, Key=key, Body=content)
    s3.close()


def split(uri: str) -> tuple[str, str]:
    """An S3 URI's bucket and key."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def image(*folders: Path, **more: str) -> dict[str, str]:
    """What an image holds for a job: this Python first on the path, code on its search path; and how S3 is found.

    Args:
        folders: what Python finds modules in.
        more: further environment variables.
    """
    aws = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "PYTHONPATH": ":".join(map(str, folders)),
        "SLUICE_IMAGE_CONTENT": "0"
        * 16,  # what a step does is known by its image, not by the files of a checkout
        "OMP_WAIT_POLICY": "PASSIVE",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
        **aws,
        **more,
    }


def _write_resources(folder: Path, instance_type: str) -> None:
    config = folder / "ml/input/config/resourceconfig.json"
    config.parent.mkdir(parents=True, exist_ok=True)
    hosts = {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "eth0"}
    config.write_text(json.dumps({**hosts, "current_instance_type": instance_type}))


def _require_within_limits(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """CreateTrainingJob's limits, which hold for what every placeholder has become."""
    assert len(arguments) <= 100
    assert max(map(len, arguments)) <= 256
    assert max(map(len, environment.values())) <= 512


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
