"""Lint finds what SageMaker would refuse, names it where it stands, and says nothing of what is right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from orchestration.cli import main
from orchestration.definition import read_definition
from orchestration.lint import lint, messages, refuse
from orchestration.lint_rules import Case
from orchestration.service_model import problems
from sluice.contract import InputError
from tests.builders.definitions import (
    REGISTRY,
    an_environment,
    compiled,
    edited,
    setting,
    some_images,
    steps_of,
    the_step,
)

TRAIN = "Arguments.AlgorithmSpecification.TrainingImage"
STOP = "Arguments.StoppingCondition"
RESOURCES = "Arguments.ResourceConfig"
ARGUMENTS = "Arguments.AlgorithmSpecification.ContainerArguments"


def findings(*edits, environment=None, images=None, values=None):
    """What lint says of an edited definition, one message each."""
    found = lint(edited(*edits), environment or an_environment(), images or some_images(), values)
    return [finding.message for finding in found]


def parameter(name, **changed):
    """An edit of a declared parameter."""

    def edit(content):
        entry = next(p for p in content["Parameters"] if p["Name"] == name)
        entry.update(changed)
        for key in [key for key, value in entry.items() if value is None]:
            del entry[key]

    return edit


def test_what_the_graph_compiles_to_has_nothing_to_correct():
    assert findings() == []


# --- every job's arguments, against the API's model


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            setting("train", f"{RESOURCES}.InstanceTyp", "ml.m5.large"),
            "step train, ResourceConfig.InstanceTyp: the API knows no such field (did you mean InstanceType?). "
            "Allowed: InstanceType, InstanceCount,",
        ),
        (
            setting("train", "Arguments.RoleArn", None),
            "step train, RoleArn: the field is missing. Correct role in the environment file.",
        ),
        (
            setting("train", f"{RESOURCES}.VolumeSizeInGB", "30"),
            "step train, ResourceConfig.VolumeSizeInGB: the type is wrong. Got: '30'. Allowed: a whole number. "
            "Correct volume_gb in the environment file.",
        ),
        (
            setting("train", "Arguments.EnableManagedSpotTraining", 1),
            "step train, EnableManagedSpotTraining: the type is wrong. Got: 1. Allowed: true or false.",
        ),
        (
            setting("train", f"{RESOURCES}.InstanceType", "ml.m5.xlarg"),
            "step train, ResourceConfig.InstanceType: the value is not one that the API knows (did you mean "
            "ml.m5.xlarge?). Got: ml.m5.xlarg. Allowed: ml.m4.xlarge,",
        ),
        (
            setting("train", f"{ARGUMENTS}", ["x" * 257]),
            "step train, AlgorithmSpecification.ContainerArguments[0]: it is too long. Got: 257 characters. "
            "Allowed: at most 256 characters. Shorten bucket, prefix or pipeline in the environment file",
        ),
        (
            setting("train", f"{ARGUMENTS}", ["x"] * 101),
            "step train, AlgorithmSpecification.ContainerArguments: there are too many. Got: 101 entries. Allowed: "
            "at most 100 entries. Give the step fewer inputs and parameters: each of them takes two arguments.",
        ),
        (
            setting("train", "Arguments.Environment.LONG", "x" * 513),
            "step train, Environment.LONG: it is too long. Got: 513 characters. Allowed: at most 512 characters. "
            "Correct environment of the step in the environment file.",
        ),
        (
            setting("train", "Arguments.Environment", {f"V{n}": "1" for n in range(101)}),
            "step train, Environment: there are too many. Got: 101 entries. Allowed: at most 100 entries.",
        ),
        (
            setting("train", "Arguments.Environment.9X", "1"),
            "step train, Environment (the name 9X): the text does not fit the API's pattern. Got: 9X.",
        ),
        (
            setting("train", "Arguments.RoleArn", "sluice-train"),
            "step train, RoleArn: it is too short. Got: 12 characters. Allowed: at least 20 characters. "
            "Correct role in the environment file.",
        ),
        (
            setting("train", "Arguments.RoleArn", "arn:aws:iam::1234:role/sluice-train"),
            "step train, RoleArn: the text does not fit the API's pattern. Got: arn:aws:iam::1234:role/sluice-train. "
            "Allowed: arn:aws",
        ),
        (
            setting("train", f"{RESOURCES}.KeepAlivePeriodInSeconds", 21601),
            "step train, ResourceConfig.KeepAlivePeriodInSeconds: it is too large. Got: 21601. Allowed: at most 21600. "
            "Correct keep_alive_minutes in the environment file.",
        ),
        (
            setting("train", f"{STOP}.MaxRuntimeInSeconds", 0),
            "step train, StoppingCondition.MaxRuntimeInSeconds: it is too small. Got: 0. Allowed: at least 1. "
            "Correct maximum_minutes in the environment file.",
        ),
        (
            setting("train", "Arguments.Tags", [{"Key": "a#b", "Value": "1"}]),
            "step train, Tags[0].Key: the text does not fit the API's pattern. Got: a#b.",
        ),
        (
            setting("train", "Arguments.VpcConfig.SecurityGroupIds", []),
            "step train, VpcConfig.SecurityGroupIds: there are too few. Got: 0 entries. Allowed: at least 1 entries. "
            "Correct vpc in the environment file.",
        ),
    ],
)
def test_a_field_that_the_api_refuses_is_named_with_what_it_takes(edit, message):
    assert [said for said in findings(edit) if said.startswith(message)]


def test_an_instance_type_is_also_checked_where_it_is_a_parameters_default():
    said = findings(parameter("train-instance-type", DefaultValue="ml.c5.4xlage"))
    assert said[0].startswith(
        "step train, ResourceConfig.InstanceType: the value is not one that the API knows (did you mean "
        "ml.c5.4xlarge?). Got: ml.c5.4xlage."
    )


def test_paths_are_measured_as_long_as_they_will_be_in_a_run():
    environment = an_environment(bucket="b" * 63, prefix="p" * 60, pipeline="n" * 61)
    root = f"s3://{'b' * 63}/{'p' * 60}/code/3.27.0/{'n' * 61}"
    text = edited().replace("s3://sluice-test-111122223333/sluice/code/3.27.0/sluice", root)
    said = [finding.message for finding in lint(text, environment, some_images())]
    place = "the value of Steps.preprocess.OutputDataConfig.S3OutputPath"
    resolved = len(f"{root}/preprocess/2026-01-01-00-00-00-000/abcdefghijkl/results")
    assert resolved > 256
    assert any(
        place in one
        and f"it is too long. Got: {resolved} characters. Allowed: at most 256 characters." in one
        for one in said
    )
    assert all("Shorten bucket, prefix or pipeline in the environment file" in one for one in said)


def test_a_value_that_is_given_at_the_start_is_measured_where_it_is_used():
    said = findings(values={"recipe": "s3://b/" + "r" * 250})
    assert [one.split(":")[0] for one in said] == [
        f"step {name}, AlgorithmSpecification.ContainerArguments[{place}] (the value of Parameters.recipe)"
        for name, place in [(name, position(name, "Parameters.recipe")) for name in order()]
    ]
    assert said[0].endswith(
        "it is too long. Got: 257 characters. Allowed: at most 256 characters. Give the parameter recipe a shorter value."
    )


def test_of_a_text_that_a_step_computes_only_its_known_part_is_measured():
    computed = {"Std:JsonGet": {"S3Uri": "s3://b/results.json", "Path": "Result['x']"}}
    known = {"Std:Join": {"On": "", "Values": ["ml.", computed]}}
    assert findings(setting("train", f"{RESOURCES}.InstanceType", known)) == []
    long = {"Std:Join": {"On": "", "Values": ["x" * 513, computed]}}
    assert findings(setting("train", "Arguments.Environment.LONG", long)) == [
        "step train, Environment.LONG: it is too long. Got: 513 characters. Allowed: at most 512 characters. "
        "Correct environment of the step in the environment file."
    ]


def order():
    return [step.name for step in read_definition(compiled().definition).jobs]


def position(name, reference):
    """Where the value of a reference stands among a step's arguments."""
    step = the_step(json.loads(compiled().definition), name)
    return step["Arguments"]["AlgorithmSpecification"]["ContainerArguments"].index(reference) + 1


MUTATIONS = [
    setting("train", f"{RESOURCES}.InstanceTyp", "x"),
    setting("train", "Arguments.RoleArn", None),
    setting("train", "Arguments.RoleArn", 5),
    setting("train", f"{RESOURCES}.InstanceCount", "1"),
    setting("train", f"{RESOURCES}.InstanceCount", -1),
    setting("train", STOP, []),
    setting("train", f"{ARGUMENTS}", []),
    setting("train", f"{ARGUMENTS}", [1]),
    setting("train", "Arguments.Environment", {"A": 1}),
    setting("train", "Arguments.Tags", [{"Key": "a"}]),
    setting("train", "Arguments.InputDataConfig", [{"ChannelName": "x"}]),
    setting("train", "Arguments.RetryStrategy", {}),
    setting("train", "Arguments.CheckpointConfig", {"LocalPath": "/x"}),
    setting("train", "Arguments.VpcConfig", {"Subnets": []}),
    setting("train", "Arguments.EnableNetworkIsolation", "no"),
]


@pytest.mark.parametrize("edit", MUTATIONS)
def test_lint_finds_all_that_botocore_would_refuse(edit):
    import botocore.session
    from botocore.validate import ParamValidator

    text = edited(edit)
    case = Case(text, read_definition(text), an_environment(), some_images(), {})
    arguments = case.resolved(case.definition.by_name["train"].arguments)
    shape = (
        botocore.session.Session()
        .get_service_model("sagemaker")
        .operation_model("CreateTrainingJob")
        .input_shape
    )
    report = ParamValidator().validate({**arguments, "TrainingJobName": "x"}, shape)
    ours = {problem.path for problem in problems("CreateTrainingJob", arguments, given="TrainingJobName")}
    assert report.has_errors()
    assert len(ours) >= len(report.generate_report().splitlines())


# --- names, numbers, sizes


def test_a_definition_must_fit_into_one_request():
    said = findings(
        setting("train", "Description", "d" * 3000), lambda c: c.update(Metadata={"x": "m" * 1048576})
    )
    assert said[0].startswith("pipeline definition: it is too large. Got: ")
    assert "Allowed: at most 1048576 bytes." in said[0]


def test_a_step_is_named_once_and_as_the_api_allows():
    said = findings(setting("register", "Name", "train"))
    assert (
        "step train, Name: several steps have this name. Got: 2 steps. Allowed: a name of its own for each."
        in said
    )
    assert findings(setting("validate", "Name", "check it"))[0] == (
        "step check it, Name: the text does not fit the API's pattern. Got: check it. Allowed: [A-Za-z0-9\\-_]*."
    )
    assert findings(setting("register", "Name", "r" * 65))[0] == (
        f"step {'r' * 65}, Name: it is too long. Got: 65 characters. Allowed: at most 64 characters."
    )
    assert findings(setting("train", "Description", "d" * 3073))[0] == (
        "step train, Description: it is too long. Got: 3073 characters. Allowed: at most 3072 characters."
    )


def test_a_pipelines_name_is_held_to_what_the_service_takes():
    assert findings(environment=an_environment(pipeline="n" + "-n" * 60))[0] == (
        "pipeline name: it is too long. Got: 121 characters. Allowed: at most 82 characters. "
        "Shorten pipeline in the environment file."
    )


def test_steps_and_parameters_are_counted():
    def many(content):
        there = len(list(steps_of(content))), len(content["Parameters"])
        content["Steps"] += [
            {"Name": f"s{n}", "Type": "Fail", "Arguments": {"ErrorMessage": "x"}}
            for n in range(51 - there[0])
        ]
        content["Parameters"] += [
            {"Name": f"p{n}", "Type": "String", "DefaultValue": "x"} for n in range(201 - there[1])
        ]

    assert findings(many) == [
        "steps: the pipeline has too many steps. Got: 51. Allowed: at most 50.",
        "parameters: the pipeline has too many parameters. Got: 201. Allowed: at most 200.",
    ]


def test_parameters_have_names_values_and_where_it_matters_defaults():
    def twice(content):
        content["Parameters"].append(dict(content["Parameters"][0]))

    assert findings(twice) == ["parameter recipe: several parameters have this name. Got: 2 parameters."]
    assert findings(parameter("rows", DefaultValue="9" * 1025))[0] == (
        "parameter rows: it is too long. Got: 1025 characters. Allowed: at most 1024 characters."
    )
    assert findings(parameter("train-instance-type", DefaultValue=None)) == [
        "step train, parameter train-instance-type: a setting of the job comes from a parameter without a default, "
        "so nobody can check it. Give the parameter a default."
    ]
    assert findings(values={"row": "10"})[0].startswith(
        "parameter row: the pipeline has no such parameter (did you mean rows?). Allowed: recipe, data, rows,"
    )


# --- what refers to what


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("Parameters.trian-instance-type", "there is nothing of this name (did you mean Parameters.train-instance-type?). Allowed: recipe,"),
        ("Execution.PipelineExecutionIdd", "there is nothing of this name (did you mean Execution.PipelineExecutionId?). Allowed: PipelineExecutionId,"),
        ("Elsewhere.thing", "there is nothing of this name. Allowed: Parameters.…, Steps.…, Execution.…."),
        ("Steps.preproces.OutputDataConfig.S3OutputPath", "there is no such step (did you mean preprocess?)."),
        ("Steps.preprocess.OutputDataConfg.S3OutputPath", "a training job has no OutputDataConfg.S3OutputPath."),
        ("Steps.data-gate.Outcome", "only a job's results can be had. Got: data-gate is a Condition step."),
    ],
)  # fmt: skip
def test_a_reference_to_nothing_is_found(reference, message):
    said = findings(setting("train", "Arguments.Environment.THERE", {"Get": reference}))
    assert [one for one in said if one.startswith(f"step train, {reference}: {message}")]


def test_a_name_to_wait_for_must_be_a_steps():
    assert findings(setting("train", "DependsOn", ["preprocess", "prepare"])) == [
        "step train, DependsOn: there is no such step. Got: prepare."
    ]


def test_steps_that_wait_for_each_other_are_named_in_their_circle():
    said = findings(setting("preprocess", "DependsOn", ["validate"]))
    assert said == [
        "step preprocess, DependsOn: the steps wait for each other in a circle. "
        "Got: preprocess → validate → preprocess."
    ]


def test_nothing_is_taken_from_behind_a_gate_from_outside_it():
    def outside(content):
        gate = the_step(content, "metric-gate")
        content["Steps"].append(gate["Arguments"]["IfSteps"].pop())
        gate["Arguments"]["IfSteps"].append(
            {"Name": "end", "Type": "Fail", "Arguments": {"ErrorMessage": "x"}}
        )

    assert findings(outside) == [
        f"step register, Steps.{name}: it takes from a step that runs only if the gate data-gate is open, without "
        "standing there itself. Put it behind the same gate."
        for name in ("train", "evaluate")
    ]


# --- gates and refusals


def question(**changed):
    return lambda content: the_step(content, "data-gate")["Arguments"]["Conditions"][0].update(changed)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (question(RightValue="True"), "Conditions[0].RightValue: the gate must open for true alone. Got: 'True'. Allowed: True."),
        (question(RightValue=1), "Conditions[0].RightValue: the gate must open for true alone. Got: 1. Allowed: True."),
        (question(Type="In"), "Conditions[0].Type: the gate must ask whether a verdict is true. Got: 'In'. Allowed: 'Equals'."),
        (question(LeftValue={"Get": "Parameters.rows"}), "Conditions[0].LeftValue: the gate must read a verdict's passed. Got: None. Allowed: \"Result['passed']\"."),
        (setting("data-gate", "Arguments.Conditions", []), "Conditions: the gate must ask one question. Got: 0. Allowed: 1."),
        (setting("data-gate", "Arguments.ElseSteps", []), "ElseSteps: a refusal does not end the pipeline. Got: no step. Allowed: one Fail step."),
        (setting("metric-gate", "Arguments.IfSteps", []), "IfSteps: nothing stands behind the gate."),
    ],
)  # fmt: skip
def test_a_gate_that_could_open_by_mistake_is_found(edit, message):
    assert [one for one in findings(edit) if one.endswith(message)]


def test_a_gate_reads_a_step_that_writes_its_results():
    def silent(content):
        given = the_step(content, "validate")["Arguments"]["AlgorithmSpecification"]["ContainerArguments"]
        del given[given.index("--serialize_output_to_json") :]

    assert (
        "step data-gate, Conditions: it reads a step that does not write its results as JSON. Got: validate."
        in findings(silent)
    )


def test_a_refusals_message_fits():
    assert findings(setting("data-gate-refused", "Arguments.ErrorMessage", "x" * 3073)) == [
        "step data-gate-refused, ErrorMessage: the message is too long. Got: 3073 characters. Allowed: 1 to 3072 "
        "characters. Shorten the gate's refusal."
    ]
    assert findings(setting("data-gate-refused", "Arguments.ErrorMessage", "")) == [
        "step data-gate-refused, ErrorMessage: there is no message. Got: 0 characters. Allowed: 1 to 3072 characters. "
        "Shorten the gate's refusal."
    ]


def test_a_step_of_another_kind_is_not_ours():
    assert findings(setting("register", "Type", "Lambda"))[0] == (
        "step register, Type: Sluice compiles no such step. Got: Lambda. Allowed: Training, Processing, Condition, Fail."
    )


# --- spot, time, retries


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (setting("train", f"{STOP}.MaxWaitTimeInSeconds", None), "a spot job has to say how long it may wait. Give spot: {maximum_wait_minutes: …} for the step."),
        (setting("train", f"{STOP}.MaxWaitTimeInSeconds", 14399), "a spot job must be allowed to wait at least as long as to run. Got: 14399 seconds. Allowed: at least 14400 seconds. Give spot: {maximum_wait_minutes: …} for the step."),
        (setting("train", f"{RESOURCES}.KeepAlivePeriodInSeconds", 600), "a spot instance can't be kept alive. Give either spot or keep_alive_minutes in the environment file."),
        (setting("train", "Arguments.CheckpointConfig", None), "a spot job without a checkpoint folder begins again whenever its instance is taken away."),
        (setting("train", "Arguments.EnableManagedSpotTraining", False), "only a spot job waits. Got: 18000 seconds. Set EnableManagedSpotTraining, or leave the waiting time out."),
        (setting("train", f"{STOP}.MaxRuntimeInSeconds", 2419201), "a job can't run that long. Got: 2419201 seconds. Allowed: at most 28 days. Lower maximum_minutes in the environment file."),
    ],
)  # fmt: skip
def test_spot_running_and_waiting_belong_together(edit, message):
    assert [one for one in findings(edit) if one.startswith("step train, ") and one.endswith(message)]


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ({"ExceptionType": ["Step.THROTTLED"], "MaxAttempts": 3}, "RetryPolicies[0]: Pipelines can't try this again. Got: Step.THROTTLED. Allowed: Step.SERVICE_FAULT, Step.THROTTLING,"),
        ({"MaxAttempts": 3}, "RetryPolicies[0]: Pipelines can't try this again. Got: nothing."),
        ({"ExceptionType": ["Step.THROTTLING"]}, "RetryPolicies[0]: it needs exactly one of MaxAttempts and ExpireAfterMin. Got: ExceptionType."),
        ({"ExceptionType": ["Step.THROTTLING"], "MaxAttempts": 21}, "RetryPolicies[0].MaxAttempts: the value is out of range. Got: 21. Allowed: 1 to 20. Correct retries in the environment file."),
        ({"ExceptionType": ["Step.THROTTLING"], "MaxAttempts": 3, "BackoffRate": 0.5}, "RetryPolicies[0].BackoffRate: the value is out of range. Got: 0.5. Allowed: 1 to 100."),
        ({"ExceptionType": ["Step.THROTTLING"], "MaxAttempts": 3, "IntervalSeconds": 43201}, "RetryPolicies[0].IntervalSeconds: the value is out of range. Got: 43201. Allowed: 1 to 43200."),
    ],
)  # fmt: skip
def test_a_retry_policy_that_pipelines_would_not_take_is_found(policy, message):
    said = findings(setting("train", "RetryPolicies", [policy]))
    assert [one for one in said if one.startswith(f"step train, {message}")]


# --- images and the environment


def test_an_image_is_named_by_its_digest():
    assert findings(setting("train", TRAIN, f"{REGISTRY}/sluice-train:latest")) == [
        "step train, AlgorithmSpecification.TrainingImage: the image is named by a tag, which can come to mean another "
        f"image. Got: {REGISTRY}/sluice-train:latest. Allowed: repository@sha256:…. Push it, which records its digest: "
        "make push."
    ]


def test_an_image_that_nobody_recorded_is_found():
    uri = f"{REGISTRY}/sluice-train@sha256:{'9' * 64}"
    assert findings(setting("train", TRAIN, uri)) == [
        f"step train, AlgorithmSpecification.TrainingImage: nothing is recorded of this image. Got: {uri}. "
        "Build it: make build push."
    ]


def test_an_image_with_another_python_is_refused_before_its_job_ends_at_once():
    images = some_images(train={"python": "3.12"})
    assert findings(images=images) == [
        "step train, image of train: its Python is not the one that compiles, and the job would end before it begins. "
        "Got: 3.12. Allowed: 3.11. Build it again: make build push C=train, with a base image of Python 3.11."
    ]


def test_an_image_that_speaks_another_contract_is_found_in_each_step_that_runs_it():
    images = some_images(preprocess={"contract": "0.9"})
    assert [one.split(":")[0] for one in findings(images=images)] == [
        "step preprocess, image of preprocess",
        "step audit, image of preprocess",
        "step validate, image of preprocess",
    ]
    assert findings(images=images)[0].endswith(
        "it speaks another contract. Got: 0.9. Allowed: 1.0. Build it again: make build push C=preprocess."
    )


def test_an_image_that_was_pushed_elsewhere_is_found():
    said = findings(environment=an_environment(registry="registry.example/ours"))
    assert len(said) == 6
    assert (
        "AlgorithmSpecification.TrainingImage: the image is in another registry than the environment's. Got: "
        f"{REGISTRY}" in said[0]
    )
    assert (
        "Allowed: registry.example/ours/…. Push it there: make push REGISTRY=registry.example/ours."
        in said[0]
    )
    assert findings(environment=an_environment(registry=REGISTRY)) == []


def test_images_and_key_are_of_the_region_that_runs_them():
    said = findings(environment=an_environment(region="eu-west-1"))
    assert (
        "step train, AlgorithmSpecification.TrainingImage: a job takes its image from the registry of its own region. "
        "Got: us-east-1. Allowed: eu-west-1. Correct registry in the environment file and push again." in said
    )
    assert (
        "environment test, kms_key: the key is of another region, and nothing here can use it. Got: us-east-1. "
        "Allowed: eu-west-1." in said
    )


def test_a_step_that_the_environment_misspells_is_found():
    assert findings(environment=an_environment(steps={"trian": {"volume_gb": 60}})) == [
        "environment test, steps.trian: the pipeline has no such step (did you mean train?). "
        "Allowed: preprocess, audit, validate, train, evaluate, register."
    ]


# --- all at once, and on the command line


def test_everything_is_found_at_once_and_once_each():
    said = findings(
        setting("train", f"{STOP}.MaxWaitTimeInSeconds", None),
        setting("evaluate", "Arguments.RoleArn", None),
        parameter("rows", DefaultValue="9" * 1025),
    )
    assert [one.split(":")[0] for one in said] == [
        "parameter rows",
        f"step preprocess, AlgorithmSpecification.ContainerArguments[{position('preprocess', 'Parameters.rows')}] "
        "(the value of Parameters.rows)",
        "step evaluate, RoleArn",
        "step train, StoppingCondition.MaxWaitTimeInSeconds",
    ]


def test_what_is_the_same_of_several_steps_is_told_once():
    found = lint(
        edited(*(setting(name, "Arguments.RoleArn", None) for name in ("train", "register", "validate"))),
        an_environment(),
        some_images(),
    )
    assert len(found) == 3
    assert messages(found) == [
        "steps validate, train, register, RoleArn: the field is missing. Correct role in the environment file."
    ]


def test_what_is_refused_is_one_error_that_tells_every_finding():
    found = lint(edited(setting("train", "Arguments.RoleArn", None)), an_environment(), some_images())
    with pytest.raises(InputError) as refused:
        refuse(found, "pipeline sluice")
    assert str(refused.value) == (
        "pipeline sluice: lint refuses the pipeline: 1 finding\n"
        "  step train, RoleArn: the field is missing. Correct role in the environment file.\n"
    )
    refuse([], "pipeline sluice")


def test_what_is_no_definition_is_told():
    with pytest.raises(InputError, match="this is no pipeline definition. Got: JSONDecodeError"):
        lint("{", an_environment(), some_images())
    with pytest.raises(InputError, match="Got: KeyError: 'Steps'. Allowed: a JSON object with Steps"):
        lint("{}", an_environment(), some_images())


@pytest.fixture
def files(tmp_path):
    """The options that name an environment file and a record of images."""
    environment, images = tmp_path / "test.yaml", tmp_path / "images.yaml"
    environment.write_text(an_environment().model_dump_json(exclude_none=True))
    images.write_text(yaml.safe_dump({name: image.model_dump() for name, image in some_images().items()}))
    return ["--environment", str(environment), "--images", str(images)]


def test_the_command_says_that_nothing_is_to_be_corrected(files, capsys, repository):
    assert main(["lint", str(repository / "recipes/hospital-ledger.yaml"), *files]) == 0
    said = capsys.readouterr().out
    assert said.startswith("lint of sluice (")
    assert said.endswith(": nothing to correct\n")


def test_the_command_prints_every_finding_and_ends_with_1(files, capsys):
    images = Path(files[3])
    images.write_text(images.read_text().replace("'3.11'", "'3.12'", 1))
    assert main(["lint", *files]) == 1
    said = capsys.readouterr().out.splitlines()
    assert "its Python is not the one that compiles" in said[0]
    assert said[-1].endswith("1 finding")
