"""The compiled definition: what SageMaker is told of each step. Compiled in a bare process that can't reach anything.

The golden file is looked at when it changes, and then rewritten: `PYTHONPATH=. python tests/orchestration/test_steps.py`.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from orchestration.definition import Definition, normalised, read_definition
from orchestration.environment import Environment, Image, read_environment
from orchestration.pipeline import build
from orchestration.steps import LOCAL_DISK, Compiled, compile_pipeline
from sluice.contract import InputError

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "orchestration/environments/example.yaml"
GOLDEN = Path(__file__).with_name("definition.json")
JOBS = ("preprocess", "audit", "validate", "train", "evaluate", "register")
ECR = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
IMAGES = {
    name: Image(uri=f"{ECR}/sluice-{name}@sha256:{digit * 64}", tag=digit * 16, python="3.11", contract="1.0")
    for name, digit in zip(("preprocess", "train", "evaluate", "register"), "abcd", strict=True)
}

PROGRAM = """
import base64, json, socket, sys
def refuse(*_, **__):
    raise RuntimeError("the network was used")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from pathlib import Path
from orchestration.pipeline import build
from orchestration.steps import compile_pipeline
from tests.orchestration.test_steps import EXAMPLE, IMAGES, read_environment
for _ in range(2):
    compiled = compile_pipeline(build(), read_environment(EXAMPLE), IMAGES)
    objects = {uri: base64.b64encode(content).decode() for uri, content in compiled.objects.items()}
    print(json.dumps([compiled.definition, objects]))
"""
USERS_SETTINGS = """
SchemaVersion: "1.0"
SageMaker:
  PythonSDK:
    Modules:
      RemoteFunction:
        Dependencies: ./requirements.txt
        EnvironmentVariables: {SOMEBODYS: secret}
        Tags: [{Key: owner, Value: somebody}]
        S3RootUri: s3://somebodys-bucket
        PreExecutionCommands: ["rm -rf /"]
"""


def compile_twice(home: Path) -> list[Compiled]:
    """Compile the example twice, in a process without network, credentials or region, for a user with SDK settings."""
    (home / "settings.yaml").write_text(USERS_SETTINGS)
    bare = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "HOME": str(home),
        "AWS_PROFILE": "nobodys-profile",
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(home / "settings.yaml"),
    }
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, cwd=home, env=bare, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    return [
        Compiled(definition, {uri: base64.b64decode(content) for uri, content in objects.items()})
        for definition, objects in told
    ]


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> list[Compiled]:
    """The example, compiled twice."""
    return compile_twice(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def definition(both) -> Definition:
    """The first of them, read."""
    return read_definition(both[0].definition)


@pytest.fixture(scope="module")
def example() -> Environment:
    """Where it runs."""
    return read_environment(EXAMPLE)


def arguments(definition: Definition, step: str) -> dict:
    """What a step's job is created with."""
    return definition.by_name[step].arguments


# --- as a whole


def test_the_definition_is_as_it_was(definition):
    """A difference is what SageMaker is told otherwise from now on: look at it, then rewrite the file."""
    assert normalised(definition) == json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_two_compiles_differ_in_build_time_and_key_alone(both):
    first, second = (read_definition(compiled.definition) for compiled in both)
    assert both[0].definition != both[1].definition
    assert normalised(first) == normalised(second)


def test_nothing_of_the_machine_or_the_user_that_compiled_is_told(both):
    for text in [
        both[0].definition,
        *(content.decode(errors="replace") for content in both[0].objects.values()),
    ]:
        assert str(ROOT) not in text
        assert "somebody" not in text


def test_every_step_has_its_graphs_name_and_a_description_of_words(definition):
    graph = build()
    assert [job.name for job in definition.jobs] == list(graph.steps) == list(JOBS)
    assert {name for name in definition.by_name if name not in graph.steps} == {
        "data-gate",
        "data-gate-refused",
        "metric-gate",
        "metric-gate-refused",
    }
    for step in definition.steps:
        assert re.fullmatch(r"[A-Z][^/\\]{10,}[a-z.]", step.content["Description"]), step.name
    described = {job.name: job.content["Description"] for job in definition.jobs}
    assert described == {name: step.component.summary for name, step in graph.steps.items()}


def test_what_stands_behind_a_gate_stands_in_it(definition):
    behind = {step.name: step.behind for step in definition.steps}
    assert behind["preprocess"] == behind["validate"] == ()
    assert behind["train"] == behind["evaluate"] == (("data-gate", "open"),)
    assert behind["register"] == (("data-gate", "open"), ("metric-gate", "open"))
    assert behind["metric-gate-refused"] == (("data-gate", "open"), ("metric-gate", "refused"))


def test_a_gate_opens_only_for_true(definition):
    for name, verdict in {"data-gate": "validate", "metric-gate": "evaluate"}.items():
        (condition,) = definition.by_name[name].arguments["Conditions"]
        assert (condition["Type"], condition["RightValue"]) == ("Equals", True)
        assert condition["LeftValue"]["Std:JsonGet"]["Path"] == "Result['passed']"
        assert definition.by_name[name].needs == (verdict,)


# --- parameters


def test_all_that_a_person_may_choose_at_the_start_is_a_text_parameter(definition, example):
    assert {name: entry.get("DefaultValue") for name, entry in definition.parameters.items()} == {
        "recipe": None,
        "data": None,
        "rows": "default",
        "thresholds": "default",
        "registry": "sagemaker://eu-west-1",
        "previous": "default",
        "approval": "PendingManualApproval",
        **{f"{step}-instance-type": example.step(step).instance_type for step in JOBS},
    }
    assert {entry["Type"] for entry in definition.parameters.values()} == {"String"}
    for step in JOBS:
        wanted = {"Get": f"Parameters.{step}-instance-type"}
        assert arguments(definition, step)["ResourceConfig"]["InstanceType"] == wanted


# --- what the environment file says


def test_each_job_is_as_the_environment_file_says(definition, example):
    for step in JOBS:
        settings, given = example.step(step), arguments(definition, step)
        assert given["RoleArn"] == (settings.role or example.role)
        assert given["ResourceConfig"]["VolumeSizeInGB"] == settings.volume_gb
        assert given["ResourceConfig"].get("KeepAlivePeriodInSeconds", 0) == 60 * settings.keep_alive_minutes
        assert given["StoppingCondition"]["MaxRuntimeInSeconds"] == 60 * settings.maximum_minutes
        assert given["EnableManagedSpotTraining"] is (settings.spot is not None)
        assert given["VpcConfig"] == {
            "Subnets": ["subnet-0123456789abcdef0"],
            "SecurityGroupIds": ["sg-0123456789abcdef0"],
        }
        assert given["Tags"] == [
            {"Key": "team", "Value": "analytics"},
            {"Key": "system", "Value": "sluice"},
        ]
    assert arguments(definition, "evaluate")["ResourceConfig"]["KeepAlivePeriodInSeconds"] == 600


def test_volumes_payloads_and_answers_are_encrypted_with_the_key(definition, example):
    for job in definition.jobs:
        assert job.arguments["ResourceConfig"]["VolumeKmsKeyId"] == example.kms_key
        assert job.arguments["OutputDataConfig"]["KmsKeyId"] == example.kms_key
        assert job.option("--s3_kms_key") == example.kms_key


def test_each_step_runs_in_its_components_image(definition):
    images = {job.name: job.arguments["AlgorithmSpecification"]["TrainingImage"] for job in definition.jobs}
    assert images == {
        step: IMAGES["preprocess" if step in ("audit", "validate") else step].uri for step in JOBS
    }


def test_a_spot_step_waits_so_long_and_keeps_its_checkpoints(definition):
    train = arguments(definition, "train")
    assert train["StoppingCondition"] == {"MaxRuntimeInSeconds": 8 * 3600, "MaxWaitTimeInSeconds": 12 * 3600}
    place = train["CheckpointConfig"]["S3Uri"]["Std:Join"]
    assert "/".join(part if isinstance(part, str) else part["Get"] for part in place["Values"]) == (
        "s3://sluice-example-111122223333/sluice/checkpoints/Execution.PipelineExecutionId/train"
    )
    assert train["CheckpointConfig"]["LocalPath"] == train["Environment"]["SLUICE_CHECKPOINTS"]
    for step in set(JOBS) - {"train"}:
        assert "CheckpointConfig" not in arguments(definition, step)
        assert "SLUICE_CHECKPOINTS" not in arguments(definition, step)["Environment"]
        assert "MaxWaitTimeInSeconds" not in arguments(definition, step)["StoppingCondition"]


def test_throttling_and_missing_capacity_are_tried_again_and_our_own_failures_are_not(definition):
    for job in definition.jobs:
        again = {kind for policy in job.content["RetryPolicies"] for kind in policy["ExceptionType"]}
        assert again == {
            "Step.SERVICE_FAULT",
            "Step.THROTTLING",
            "SageMaker.RESOURCE_LIMIT",
            "SageMaker.JOB_INTERNAL_ERROR",
            "SageMaker.CAPACITY_ERROR",
        }
        for policy in job.content["RetryPolicies"]:
            how = policy["MaxAttempts"], policy["IntervalSeconds"], policy["BackoffRate"]
            assert how == (3, 30, 2.0)


def test_each_job_has_an_environment_of_its_own(definition):
    for job in definition.jobs:
        given = job.arguments["Environment"]
        assert given["SLUICE_STEP"] == job.name
        assert given["SLUICE_STORE"] == "s3://sluice-example-111122223333/sluice"
        assert given["SLUICE_EXECUTION"] == {"Get": "Execution.PipelineExecutionId"}
        assert given["SLUICE_STATUS_TABLE"] == "sluice-example-status"
        assert "AWS_ENDPOINT_URL" not in given


# --- what a job is started with


def test_payloads_are_a_name_and_some_texts(both):
    payloads = {uri: content for uri, content in both[0].objects.items() if uri.endswith("/payload.pkl")}
    functions = [content for uri, content in payloads.items() if "/function/" in uri]
    given = [content for uri, content in payloads.items() if "/arguments/" in uri]
    assert (len(functions), len(given)) == (6, 6)
    assert max(map(len, functions)) < 100
    assert all(b"sluice.job.step" in content and b"run_step" in content for content in functions)
    assert max(map(len, given)) < 1000
    for word in (b"orchestration", b"sagemaker.mlops", b"__main__"):
        assert not any(word in content for content in payloads.values())


def test_all_that_is_uploaded_lies_in_a_folder_of_the_sdks_version_below_the_prefix(both):
    folder = "s3://sluice-example-111122223333/sluice/code/3.27.0/sluice/"
    assert [uri for uri in both[0].objects if not uri.startswith(folder)] == []
    assert (
        not set(both[0].objects)
        - set(both[1].objects)
        - {uri for uri in both[0].objects if re.search(r"/\d{4}(-\d\d){5}-\d{3}/", uri)}
    )


def test_no_argument_is_longer_than_a_job_takes(definition):
    """CreateTrainingJob takes 100 arguments of at most 256 characters, and variables of at most 512."""
    for job in definition.jobs:
        given = job.arguments["AlgorithmSpecification"]["ContainerArguments"]
        assert len(given) <= 100
        assert [text for text in given if isinstance(text, str) and len(text) > 256] == []
        variables = job.arguments["Environment"].values()
        assert [text for text in variables if isinstance(text, str) and len(text) > 512] == []


# --- what is refused


def test_an_image_that_is_only_known_by_a_tag_is_refused(example):
    images = {**IMAGES, "train": Image(uri="sluice-train:1a", tag="1" * 16, python="3.11", contract="1.0")}
    with pytest.raises(
        InputError,
        match=r"^component train: the image is named by a tag, which can come to mean another image\. Got: sluice-train:1a\. "
        r"Allowed: repository@sha256:…\. Push it, which records its digest: make push C=train\.$",
    ):
        compile_pipeline(build(), example, images)


def test_a_component_without_an_image_is_refused(example):
    images = {name: image for name, image in IMAGES.items() if name != "register"}
    with pytest.raises(
        InputError,
        match=r"^component register: no image is recorded\. Allowed: evaluate, preprocess, train\. "
        r"Build it: make build push C=register\.$",
    ):
        compile_pipeline(build(), example, images)


@pytest.mark.parametrize("instance", ["ml.g5.xlarge", "ml.g4dn.xlarge", "ml.m5d.large", "ml.p4d.24xlarge"])
def test_an_instance_with_a_disk_of_its_own_is_given_no_volume_key(instance):
    assert LOCAL_DISK.match(instance)


@pytest.mark.parametrize(
    "instance", ["ml.m5.xlarge", "ml.c5.4xlarge", "ml.p3.2xlarge", "ml.r5.large", "ml.t3.medium"]
)
def test_another_instance_keeps_the_environments_key(instance):
    assert not LOCAL_DISK.match(instance)


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as home:
        now = normalised(read_definition(compile_twice(Path(home))[0].definition))
    GOLDEN.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")
