"""The compiled pipeline and the stack fit: every step may do what its definition says, and a stack may own it all."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import yaml
from cfnlint.api import lint
from cfnlint.config import ManualArgs

from infra.environment import environment_of
from infra.pipeline_stack import pipeline_stack
from orchestration.compile import compile_template
from orchestration.definition import read_definition
from orchestration.environment import Environment, Image
from orchestration.pipeline import build
from orchestration.steps import compile_pipeline
from sluice.contract import InputError
from tests.infra.conftest import REGION
from tests.infra.policies import may

IMAGES = ("preprocess", "train", "evaluate", "register")
HOST = f"123456789012.dkr.ecr.{REGION}.amazonaws.com"


@pytest.fixture(scope="module")
def environment(account):
    """The stack's outputs as an environment; training on spot instances."""
    spot = {"steps": {"train": {"spot": {"maximum_wait_minutes": 600}}}}
    return Environment.model_validate(environment_of("staging", REGION, account.outputs, spot))


@pytest.fixture(scope="module")
def compiled(environment):
    uri = f"{HOST}/sluice-{{}}@sha256:{'0' * 64}"
    images = {n: Image(uri=uri.format(n), tag="0" * 16, python="3.11", contract="1.0") for n in IMAGES}
    return compile_pipeline(build(), environment, images)


@pytest.fixture(scope="module")
def steps(compiled):
    """The training step of each step of the graph, by name."""
    found = {step.name: step.arguments for step in read_definition(compiled.definition).jobs}
    assert set(found) == set(build().steps)
    return found


@pytest.fixture
def may_step(account, steps):
    """Whether the role that a step's job works as may do something in the bucket."""
    bucket = f"arn:aws:s3:::{account.outputs['Bucket']}"
    names = {arn: name for name, arn in account.outputs.items() if name.endswith("Role")}

    def ask(step: str, action: str, key: str, **context: str) -> bool:
        policies = account.policies(names[steps[step]["RoleArn"]])
        return may(policies, action, f"{bucket}/{key}" if key else bucket, **context)

    return ask


def key_of(uri: object) -> str:
    """The key of a URI of the definition; what is known only when it runs is `run`."""
    text = uri if isinstance(uri, str) else "/".join(map(str, _values(uri)))
    return text.removeprefix("s3://").partition("/")[2]


def _values(uri: dict) -> Iterator[str]:
    for part in uri["Std:Join"]["Values"]:
        yield part if isinstance(part, str) else "run"


def test_every_job_is_given_its_payloads(compiled, steps, may_step):
    for step, arguments in steps.items():
        own = [key_of(uri) for uri in compiled.objects if f"/{step}/" in uri or "/sagemaker_remote" in uri]
        assert len(own) >= 6
        assert [key for key in own if not may_step(step, "s3:GetObject", key)] == []
        for channel in arguments["InputDataConfig"]:
            prefix = key_of(channel["DataSource"]["S3DataSource"]["S3Uri"])
            assert may_step(step, "s3:ListBucket", "", s3_prefix=prefix), (step, prefix)


def test_every_job_may_leave_its_answer_and_its_checkpoint(steps, may_step):
    for step, arguments in steps.items():
        answer = key_of(arguments["OutputDataConfig"]["S3OutputPath"])
        assert answer.endswith("/run/results")
        assert may_step(step, "s3:PutObject", f"{answer}/payload.pkl")
    checkpoint = key_of(steps["train"]["CheckpointConfig"]["S3Uri"])
    for action in ("s3:PutObject", "s3:GetObject"):
        assert may_step("train", action, f"{checkpoint}/epoch-1")
    assert may_step("train", "s3:ListBucket", "", s3_prefix=checkpoint)


def test_every_job_reads_the_answers_of_the_steps_it_takes_from(steps, may_step):
    for step in build().steps.values():
        for needed in step.needs:
            answer = key_of(steps[needed]["OutputDataConfig"]["S3OutputPath"])
            assert may_step(step.name, "s3:GetObject", f"{answer}/payload.pkl"), (step.name, needed)


def test_pipelines_may_start_every_job_with_its_role_and_its_key(account, steps):
    policies = account.policies("PipelineRole")
    for arguments in steps.values():
        role = arguments["RoleArn"]
        assert may(policies, "iam:PassRole", role, iam_PassedToService="sagemaker.amazonaws.com")
        assert arguments["ResourceConfig"]["VolumeKmsKeyId"] == account.outputs["KmsKey"]


def test_ci_may_put_everything_that_a_compiled_pipeline_needs(account, compiled):
    policies, bucket = account.policies("CiRole"), f"arn:aws:s3:::{account.outputs['Bucket']}"
    assert len(compiled.objects) > 20
    refused = [
        uri for uri in compiled.objects if not may(policies, "s3:PutObject", f"{bucket}/{key_of(uri)}")
    ]
    assert refused == []


# --- a stack that owns the pipeline


@pytest.fixture(scope="module")
def definition(environment, tmp_path_factory):
    """What `compile --template` writes."""
    path = tmp_path_factory.mktemp("pipeline") / "definition.json"
    path.write_text(compile_template(environment).definition)
    return path


def test_a_stack_that_owns_the_pipeline_is_clean(definition):
    template = pipeline_stack(definition)
    assert [str(match) for match in lint(template, config=ManualArgs(regions=[REGION]))] == []


def test_it_takes_images_as_parameters_and_the_rest_from_the_first_stack(definition):
    content = yaml.safe_load(pipeline_stack(definition))
    images = {f"{name.capitalize()}Image" for name in IMAGES}
    assert set(content["Parameters"]) == {"Environment", *images}
    (pipeline,) = content["Resources"].values()
    text, values = pipeline["Properties"]["PipelineDefinition"]["PipelineDefinitionBody"]["Fn::Sub"]
    assert {"Bucket", "TrainRole"} <= set(values)
    assert values["Bucket"] == {"Fn::ImportValue": {"Fn::Sub": "${Environment}-Bucket"}}
    assert json.loads(text)["Steps"]


def test_a_placeholder_that_nothing_fills_in(tmp_path):
    path = tmp_path / "definition.json"
    path.write_text(json.dumps({"Bucket": "${Bucket}", "Other": "${Bukket}", "Shell": "${not_ours}"}))
    with pytest.raises(
        InputError, match=r"nothing fills in a placeholder\. Got: \$\{Bukket\}\. Allowed: \$\{Bucket\}"
    ):
        pipeline_stack(path)


def test_what_only_looks_like_a_placeholder_stays_as_it_is(tmp_path):
    path = tmp_path / "definition.json"
    path.write_text(json.dumps({"Shell": "${not_ours}"}))
    assert "${!not_ours}" in pipeline_stack(path)


def test_no_definition(tmp_path):
    with pytest.raises(InputError, match="the definition can't be read.*compile --template --environment"):
        pipeline_stack(tmp_path / "definition.json")
