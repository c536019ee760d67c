"""Runs the compiled pipeline in the SageMaker SDK's local mode: its jobs as containers, a moto server as AWS.

Nothing leaves this machine. What the run leaves behind lives in the moto server, and is gone with it; a run whose
results shall stay is one for the docker runner. With AWS_ENDPOINT_URL set, that server is used and keeps them.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout, suppress
from ipaddress import ip_network
from pathlib import Path
from socket import create_connection, socket
from typing import Any

from rich.console import Console
from rich.text import Text

from orchestration.environment import Environment, read_environment, read_images
from orchestration.pipeline import build
from orchestration.runners.engine import connect, engine_errors, require_images
from orchestration.runners.walk import signals_interrupt
from orchestration.start import Request, check_thresholds, find_data, read_recipe
from orchestration.steps import LocalExecution, run_in_local_mode
from orchestration.upload import upload
from sluice.aws import client
from sluice.contract import InputError, ResourceMissing, Result, StepFailed, storage
from sluice.contract.execution import RESULT
from sluice.job import NOT_GIVEN
from sluice.recipe import PreprocessSettings
from sluice.registry.sagemaker import require_group_name

DONE, REFUSED = 0, 3
ACCOUNT = "123456789012"
"""The account that moto plays."""
REGION = "eu-west-1"
BUCKET = "sluice-local"
START_SECONDS = 60
FILES = "com.docker.compose.project.config_files"
"""The label of docker-compose's containers that names the file which describes them."""
SAID = re.compile(r"^.*\| *(?:\x1b\[0m)? *error: (.*)$", re.MULTILINE)
"""A job's last words, as docker-compose prints them: `<container> | error: …`."""
ROLE = f"arn:aws:iam::{ACCOUNT}:role/sluice-local"
TRUST = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",'
    ' "Principal": {"Service": "sagemaker.amazonaws.com"}}]}'
)


def run(request: Request, console: Console) -> int:
    """Run a recipe's pipeline in local mode and print what came of it.

    Returns:
        0; 3 if a gate refused.

    Raises:
        SluiceError: the engine or an image is missing, the recipe or the data is wrong, or a step failed.
    """

    def say(text: str) -> None:
        console.print(Text(text), soft_wrap=True)

    text, recipe = read_recipe(request.recipe)
    check_thresholds(request.thresholds)
    require_group_name(recipe.registry.group)
    here = storage.on_this_machine(storage.to_uri(request.store))
    data = find_data(request, recipe, here, say)
    images = read_images(request.images)
    engine = connect()
    require_images(engine, images)
    with signals_interrupt() as heard, _aws(request.environment, engine) as environment:
        arguments = {
            "data": _sent(data, text, environment, console),
            "recipe": _put_recipe(text, environment),
            "rows": str(request.rows or NOT_GIVEN),
            "previous": request.previous or NOT_GIVEN,
            "thresholds": request.thresholds or NOT_GIVEN,
        }
        log = storage.local_path(here) / "runs" / "sagemaker-local.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        say(f"running in SageMaker's local mode; the containers' log: {log}")
        with _room(engine) as folder:
            with log.open("w", buffering=1) as out, redirect_stdout(out), redirect_stderr(out):
                ended = run_in_local_mode(build(), environment, images, arguments, folder, say)
            if heard:  # the SDK takes it for a job's failure
                raise KeyboardInterrupt
            return _told(ended, environment, log, say)


@contextmanager
def _room(engine: Any) -> Iterator[Path]:
    """A folder for the containers' files. What docker-compose made for it is removed with it: the SDK leaves it all."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            yield Path(folder)
        finally:
            _remove_containers(engine, folder)


def _remove_containers(engine: Any, folder: str) -> None:
    for container in engine.containers.list(all=True, filters={"label": FILES}, ignore_removed=True):
        if container.labels[FILES].startswith(folder):
            with suppress(*engine_errors()):
                container.remove(force=True, v=True)


def _told(ended: LocalExecution, environment: Environment, log: Path, say: Any) -> int:
    """Say how the execution ended; a refusal is told apart from a failure."""
    for step, result in _results(ended, environment).items():
        say(f"{step:12}{ended.seconds.get(step, 0):8.1f} s  {_short(result.metrics)}")
    if ended.status == "Succeeded":
        total = sum(ended.seconds.values())
        say(f"done in {total:.0f} s; registered in {environment.model_registry} of {environment.endpoint}")
        return DONE
    if ended.failed.endswith("-refused"):
        say(f"refused: {ended.reason}")
        return REFUSED
    said = SAID.findall(log.read_text(errors="replace"))
    raise StepFailed(
        said[-1] if said else ended.reason,
        where=f"step {ended.failed}",
        next_step=f"Read the containers' log: {log}",
    )


def _results(ended: LocalExecution, environment: Environment) -> dict[str, Result]:
    """The result of every step that has one, in the order they ended."""
    found = {}
    for step in ended.seconds:
        try:
            said = storage.read_bytes(f"{environment.store}/executions/{ended.identity}/{step}.json")
        except FileNotFoundError:
            continue  # a gate, or a step that failed
        text = storage.read_bytes(storage.join(json.loads(said)["result"], RESULT))
        found[step] = Result.model_validate_json(text)
    return found


def _short(metrics: Mapping[str, Any]) -> str:
    plain = {k: v for k, v in metrics.items() if isinstance(v, str | int | float)}
    shown = (f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in plain.items())
    return ", ".join(list(shown)[:6])


@contextmanager
def _aws(path: Path | None, engine: Any) -> Iterator[Environment]:
    """The environment to run in: the file's or a made-up one, on the server that is there or one of our own."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        yield _prepared(path, endpoint)
        return
    before = dict(os.environ)
    with _moto(_gateway(engine)) as endpoint:
        try:
            os.environ.update(_variables(endpoint))
            yield _prepared(path, endpoint)
        finally:
            os.environ.clear()
            os.environ.update(before)


@contextmanager
def _moto(host: str) -> Iterator[str]:
    """The address of a moto server: a process of its own, so that what it says is not ours to say."""
    port = _free_port(host)
    command = [sys.executable, "-m", "moto.server", "--host", host, "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(process, host, port)
        yield f"http://{host}:{port}"
    finally:
        process.terminate()
        process.wait()


def _free_port(host: str) -> int:
    try:
        with closing(socket()) as probe:
            probe.bind((host, 0))
            return int(probe.getsockname()[1])
    except OSError as error:
        raise ResourceMissing(
            "this machine hasn't the address that the engine's containers see it by",
            where=host,
            got=error.strerror,
            next_step="Run on the engine's own machine, or set AWS_ENDPOINT_URL to a server that containers reach",
        ) from None


def _wait_for(process: subprocess.Popen[bytes], host: str, port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), create_connection((host, port), timeout=1):
            return
        time.sleep(0.1)
    raise ResourceMissing(
        "the moto server did not start",
        where=f"{host}:{port}",
        got=f"exit status {process.poll()}",
        next_step="Set AWS_ENDPOINT_URL to a server that containers reach, and run again",
    )


def _gateway(engine: Any) -> str:
    """This machine's address as containers see it."""
    bridge = engine.networks.get("bridge").attrs["IPAM"]["Config"][0]
    return str(bridge.get("Gateway") or ip_network(bridge["Subnet"])[1])  # an engine may leave it unsaid


def _variables(endpoint: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_MAX_ATTEMPTS": "2",
    }


def _prepared(path: Path | None, endpoint: str) -> Environment:
    """The environment, with its bucket and role made where they are not there."""
    if path:
        environment = read_environment(path).model_copy(update={"endpoint": endpoint})
        _require_single(environment)
    else:
        environment = Environment(
            name="local", region=REGION, bucket=BUCKET, pipeline_role=ROLE, role=ROLE, endpoint=endpoint
        )
    s3, iam = client("s3", environment.region), client("iam", environment.region)
    if environment.bucket not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
        place = {"LocationConstraint": environment.region}
        s3.create_bucket(Bucket=environment.bucket, CreateBucketConfiguration=place)
    name = environment.role.rpartition("/")[2]
    if name not in [role["RoleName"] for role in iam.list_roles()["Roles"]]:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
    return environment


def _require_single(environment: Environment) -> None:
    for name in build().steps:
        if (instances := environment.step(name).instances) > 1:
            raise InputError(
                "SageMaker's local mode runs every step on one instance",
                where=f"environment {environment.name}, step {name}",
                got=f"instances: {instances}",
                allowed="instances: 1",
                next_step="Take instances out of the environment file, or run on SageMaker: --runner sagemaker",
            )


def _put_recipe(text: str, environment: Environment) -> str:
    uri = f"{environment.store}/recipes/{hashlib.sha256(text.encode()).hexdigest()[:16]}.yaml"
    storage.write_bytes(uri, text.encode())
    return uri


def _sent(data: str, text: str, environment: Environment, console: Console) -> str:
    """The URI of the data where jobs can read it: data on this machine is uploaded."""
    if not storage.is_local(data):
        return data
    patterns = PreprocessSettings.from_recipe(text, "recipe").source_files()
    return upload(storage.local_path(data), environment, console, patterns)
