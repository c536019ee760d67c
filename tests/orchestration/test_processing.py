"""A step that several instances share: what SageMaker is told of it, and that every verb knows it.

The golden file is looked at when it changes, and then rewritten:
`PYTHONPATH=. python tests/orchestration/test_processing.py`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestration.definition import Definition, in_step, normalised, read_definition
from orchestration.difference import difference
from orchestration.environment import Environment
from orchestration.lint import lint
from orchestration.pipeline import build
from orchestration.plan import cost_of
from orchestration.prune import content_tags, selected
from orchestration.runners.sagemaker_local import _prepared
from orchestration.steps import compile_pipeline
from sluice.contract import InputError
from tests.builders.definitions import an_environment, compiled, setting, some_images

GOLDEN = Path(__file__).with_name("definition-cluster.json")
SHARED = {"preprocess": {"instances": 3, "maximum_minutes": 60}}
RECORDS = "ProcessingOutputConfig.Outputs['records'].S3Output.S3Uri"


def compile_shared(**changed) -> str:
    """The pipeline with a preprocess step of three instances."""
    return compile_pipeline(build(), an_environment(steps=SHARED, **changed), some_images()).definition


@pytest.fixture(scope="module")
def text() -> str:
    """The compiled pipeline."""
    return compile_shared()


@pytest.fixture(scope="module")
def definition(text) -> Definition:
    """The same, read."""
    return read_definition(text)


@pytest.fixture(scope="module")
def environment() -> Environment:
    """Where it runs."""
    return an_environment(steps=SHARED)


def edited(text: str, path: str, value: object) -> str:
    """The definition with another value in its shared step."""
    content = json.loads(text)
    setting("preprocess", path, value)(content)
    return json.dumps(content)


def findings(text: str, environment: Environment, **values: str) -> list[str]:
    return [finding.message for finding in lint(text, environment, some_images(), values)]


# --- what SageMaker is told


def test_the_definition_is_as_it_was(definition):
    """A difference is what SageMaker is told otherwise from now on: look at it, then rewrite the file."""
    assert normalised(definition) == json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_only_the_shared_step_is_another_kind_of_job(definition):
    kinds = {job.name: job.type for job in definition.jobs}
    assert kinds.pop("preprocess") == "Processing"
    assert set(kinds.values()) == {"Training"}


def test_its_instances_run_the_components_image_as_the_environment_says(definition, environment):
    step = definition.by_name["preprocess"]
    assert step.image == some_images()["preprocess"].uri
    assert step.resources == {
        "InstanceCount": 3,
        "InstanceType": {"Get": "Parameters.preprocess-instance-type"},
        "VolumeSizeInGB": 30,
        "VolumeKmsKeyId": environment.kms_key,
    }
    given = step.arguments
    assert given["RoleArn"] == environment.role
    assert given["StoppingCondition"] == {"MaxRuntimeInSeconds": 3600}
    assert given["Tags"] == [{"Key": "team", "Value": "analytics"}]
    assert given["NetworkConfig"] == {
        "EnableNetworkIsolation": False,
        "EnableInterContainerTrafficEncryption": True,
        "VpcConfig": {
            "Subnets": ["subnet-0123456789abcdef0"],
            "SecurityGroupIds": ["sg-0123456789abcdef0"],
        },
    }
    other = definition.by_name["validate"]
    assert step.content["RetryPolicies"] == other.content["RetryPolicies"]
    added = {"REMOTE_FUNCTION_SECRET_KEY", "SLUICE_STEP"}
    assert {k: v for k, v in given["Environment"].items() if k not in added} == {
        k: v for k, v in other.arguments["Environment"].items() if k not in added
    }


def test_it_is_told_what_its_function_would_be(definition):
    told = in_step(definition.by_name["preprocess"], "AppSpecification.ContainerArguments")
    assert told == [
        "preprocess",
        {"Get": "Parameters.recipe"},
        *("raw", {"Get": "Parameters.data"}),
        *("rows", {"Get": "Parameters.rows"}),
    ]


def test_later_steps_get_its_record_by_reference_and_so_wait_for_it(definition):
    for name in ("audit", "validate", "train"):
        assert f"Steps.preprocess.{RECORDS}" in definition.by_name[name].references
        assert "preprocess" in definition.by_name[name].needs
    place = in_step(definition.by_name["preprocess"], RECORDS)["Std:Join"]
    assert place["Values"] == [
        "s3://sluice-test-111122223333/sluice/executions",
        {"Get": "Execution.PipelineExecutionId"},
    ]


# --- what is refused


@pytest.mark.parametrize("step", ["train", "validate"])
def test_a_step_whose_work_cannot_be_shared_is_refused(step):
    environment = an_environment(steps={step: {"instances": 2}})
    with pytest.raises(
        InputError,
        match=rf"^environment test, step {step}: this step's work can't be shared by several instances\. "
        r"Got: instances: 2\. Allowed: instances: 1; several only for preprocess\. "
        r"Give it a larger instance_type instead\.$",
    ):
        compile_pipeline(build(), environment, some_images())


@pytest.mark.parametrize("more", [{"keep_alive_minutes": 5}, {"spot": {"maximum_wait_minutes": 300}}])
def test_what_only_a_single_instance_has_is_refused_beside_several(more):
    with pytest.raises(ValueError, match="it has neither spot nor keep_alive_minutes"):
        an_environment(steps={"preprocess": {"instances": 2, **more}})


def test_local_mode_says_that_it_runs_one_instance(tmp_path):
    file = tmp_path / "test.yaml"
    file.write_text(json.dumps(an_environment(steps=SHARED).model_dump(mode="json", exclude_defaults=True)))
    with pytest.raises(
        InputError,
        match=r"^environment test, step preprocess: SageMaker's local mode runs every step on one instance\. "
        r"Got: instances: 3\. Allowed: instances: 1\. Take instances out of the environment file",
    ):
        _prepared(file, "http://127.0.0.1:1")


# --- lint


def test_lint_finds_nothing_in_it(text, environment):
    assert findings(text, environment) == []


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        (
            "Arguments.AppSpecification.ContainerArguments",
            ["x"] * 101,
            "step preprocess, AppSpecification.ContainerArguments: there are too many. Got: 101 entries. Allowed: at "
            "most 100 entries. Give the step fewer inputs and parameters: each of them takes two arguments.",
        ),
        (
            "Arguments.AppSpecification.ContainerArguments",
            ["preprocess", "x" * 257],
            "step preprocess, AppSpecification.ContainerArguments[1] (the value of preprocess): it is too long. Got: 257 "
            "characters. Allowed: at most 256 characters.",
        ),
        (
            "Arguments.ProcessingResources.ClusterConfig.InstanceCount",
            101,
            "step preprocess, ProcessingResources.ClusterConfig.InstanceCount: it is too large. Got: 101. Allowed: at "
            "most 100. Correct instances in the environment file.",
        ),
        (
            "Arguments.StoppingCondition.MaxRuntimeInSeconds",
            777601,
            "step preprocess, StoppingCondition.MaxRuntimeInSeconds: it is too large. Got: 777601. Allowed: at most "
            "777600. Correct maximum_minutes in the environment file.",
        ),
        (
            "Arguments.AppSpecification.ImageUri",
            "sluice-preprocess:1a",
            "step preprocess, AppSpecification.ImageUri: the image is named by a tag, which can come to mean another "
            "image. Got: sluice-preprocess:1a. Allowed: repository@sha256:…. Push it, which records its digest: make push.",
        ),
        (
            "Arguments.NetworkConfig.VpcConfig.Subnets",
            [],
            "step preprocess, NetworkConfig.VpcConfig.Subnets: there are too few. Got: 0 entries. Allowed: at least 1 "
            "entries. Correct vpc in the environment file.",
        ),
    ],
)
def test_lint_finds_what_the_api_would_refuse(path, value, found, text, environment):
    assert found in "\n".join(findings(edited(text, path, value), environment))


def test_lint_finds_a_record_that_is_left_nowhere(text, environment):
    found = findings(edited(text, "Arguments.ProcessingOutputConfig.Outputs", []), environment)
    assert f"step audit, Steps.preprocess.{RECORDS}: a processing job has no {RECORDS}." in found


def test_lint_finds_an_instance_type_that_only_trains(text, environment):
    found = findings(text, environment, **{"preprocess-instance-type": "ml.trn1.2xlarge"})
    assert len(found) == 1
    assert (
        "ProcessingResources.ClusterConfig.InstanceType: the value is not one that the API knows" in found[0]
    )


# --- plan, and what need not run again


def test_a_plan_counts_every_instance(definition, environment):
    (cost,) = [cost for cost in cost_of(definition, environment, {}).steps if cost.step == "preprocess"]
    assert (cost.instances, cost.ceiling) == (3, 60)
    assert cost.most == pytest.approx(3 * cost.hourly)


def test_a_plan_says_in_words_what_became_of_the_step(definition):
    before = read_definition(compiled().definition)
    (step,) = [step for step in difference(before, definition).steps if step.name == "preprocess"]
    said = {change.what: (change.old, change.new) for change in step.changes}
    assert said["type"] == ("Training", "Processing")
    assert said["instances"] == ("1", "3")
    assert "image" not in said
    assert "role" not in said
    assert "security groups" not in said


def test_its_image_is_known_where_results_are_looked_for(definition, environment):
    tags = content_tags(build(), definition, environment, some_images())
    assert tags["preprocess"] == some_images()["preprocess"].tag


def test_a_selective_execution_passes_over_it_like_any_other_step(definition):
    chosen = selected(definition, ["train"])
    assert "preprocess" not in chosen
    assert "train" in chosen


if __name__ == "__main__":
    GOLDEN.write_text(
        json.dumps(normalised(read_definition(compile_shared())), indent=1) + "\n", encoding="utf-8"
    )
