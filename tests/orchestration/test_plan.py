"""A plan names whatever an upsert would change, in words, and nothing else; then the price and lint's verdict."""

from __future__ import annotations

import copy
import hashlib
import io
import json
import random

import pytest
import yaml
from rich.console import Console

from orchestration.cli import main
from orchestration.definition import Definition, payloads, read_definition
from orchestration.deploy import Deployment
from orchestration.difference import difference, digests_of
from orchestration.pipeline import build
from orchestration.plan import Standing, compare, markdown, plan, show
from orchestration.steps import Compiled, compile_pipeline
from sluice.aws import client
from tests.builders.definitions import (
    REGISTRY,
    ROLE,
    an_environment,
    compiled,
    edited,
    setting,
    some_images,
    steps_of,
    the_step,
)
from tests.builders.sagemaker import refusing

from .service import account_at

RESOURCES = "Arguments.ResourceConfig"
STOP = "Arguments.StoppingCondition"


@pytest.fixture
def account(moto_server, tmp_path):
    """An AWS account with an empty bucket and a role that SageMaker may assume."""
    with account_at(moto_server, tmp_path) as made:
        yield made


def standing(definition=None):
    """What is deployed: the pipeline as compiled, or an edited one with the same payloads."""
    text = definition or compiled().definition
    return Standing(text, ROLE, digests_of(read_definition(text), compiled().objects))


def planned(*edits, environment=None, images=None, minutes=None):
    """The plan of going from what is compiled to an edited definition."""
    new = Compiled(edited(*edits), compiled().objects)
    return plan(standing(), new, environment or an_environment(), images or some_images(), minutes)


def printed(made):
    """A plan as a terminal shows it."""
    said = io.StringIO()
    show(made, Console(file=said, highlight=False, markup=False, emoji=False, width=300))
    return said.getvalue()


def lines(*edits, **given):
    """What a plan says that changes, line by line."""
    return printed(planned(*edits, **given)).split("\nprice of a run")[0].splitlines()


# --- nothing is said of what did not change


VARIATIONS = {
    "as it is": {},
    "without a network, a key and a table": {"vpc": None, "kms_key": None, "status_table": None},
    "without spot and keeping alive": {"steps": {}},
    "another place": {"bucket": "another-bucket", "prefix": "a/b", "pipeline": "another"},
    "roles and tags": {"steps": {"train": {"role": ROLE + "-train"}}, "tags": {}},
    "other retries": {"defaults": {"retries": {"attempts": 1, "interval_seconds": 1, "backoff_rate": 1.0}}},
}


@pytest.mark.parametrize("changed", VARIATIONS.values(), ids=VARIATIONS)
def test_what_is_compiled_twice_does_not_differ(changed):
    environment = an_environment(**changed)
    first, second = (compile_pipeline(build(), environment, some_images()) for _ in range(2))
    assert first.definition != second.definition, "the key of each compile is its own"
    deployed = Standing(first.definition, ROLE, digests_of(read_definition(first.definition), first.objects))
    made = plan(deployed, second, environment, some_images())
    assert not made.difference
    assert not made.changes
    assert made.headline == (
        f"pipeline {environment.pipeline} in us-east-1 (environment test): nothing changes"
    )


def test_where_a_step_stands_in_the_text_is_no_change():
    def reversed_steps(content):
        content["Steps"].reverse()
        inside = the_step(content, "data-gate")["Arguments"]
        inside["IfSteps"] = list(reversed(inside["IfSteps"]))

    assert not planned(reversed_steps).changes


# --- whatever changes is named


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (setting("train", f"{RESOURCES}.VolumeSizeInGB", 99), "~ volume: 30 GB → 99 GB"),
        (setting("train", f"{RESOURCES}.InstanceCount", 2), "~ instances: 1 → 2"),
        (setting("train", f"{RESOURCES}.InstanceType", "ml.g5.xlarge"), "~ instance type: ml.m5.xlarge (parameter train-instance-type) → ml.g5.xlarge"),
        (setting("train", f"{RESOURCES}.KeepAlivePeriodInSeconds", 600), "~ kept alive: 0 min → 10 min"),
        (setting("train", f"{RESOURCES}.VolumeKmsKeyId", "key"), "~ key of the volume: arn:aws:kms:us-east-1:111122223333:key/00000000-0000-0000-0000-000000000000 → key"),
        (setting("train", "Arguments.OutputDataConfig.KmsKeyId", None), "- key of the results: arn:aws:kms:us-east-1:111122223333:key/00000000-0000-0000-0000-000000000000"),
        (setting("train", f"{STOP}.MaxRuntimeInSeconds", 3600), "~ longest run: 240 min → 60 min"),
        (setting("train", f"{STOP}.MaxWaitTimeInSeconds", None), "- longest wait: 300 min"),
        (setting("train", "Arguments.EnableManagedSpotTraining", False), "~ spot: true → false"),
        (setting("train", "Arguments.RoleArn", f"{ROLE}-b"), f"~ role: {ROLE} → {ROLE}-b"),
        (setting("train", "Arguments.VpcConfig.Subnets", ["subnet-a", "subnet-b"]), "~ subnets: subnet-0123456789abcdef0 → subnet-a, subnet-b"),
        (setting("train", "Arguments.VpcConfig.SecurityGroupIds", ["sg-b"]), "~ security groups: sg-0123456789abcdef0 → sg-b"),
        (setting("train", "Arguments.Environment.NEW", "1"), "+ environment variable NEW: 1"),
        (setting("train", "Arguments.Environment.SLUICE_STATUS_TABLE", "t"), "~ environment variable SLUICE_STATUS_TABLE: sluice-test-status → t"),
        (setting("train", "Arguments.Tags", [{"Key": "team", "Value": "b"}]), "~ tag team: analytics → b"),
        (setting("train", "Arguments.CheckpointConfig.LocalPath", "/x"), "~ CheckpointConfig.LocalPath: /opt/ml/checkpoints → /x"),
        (setting("train", "Arguments.EnableNetworkIsolation", True), "~ EnableNetworkIsolation: false → true"),
        (setting("train", "Arguments.RetryStrategy.MaximumRetryAttempts", 2), "~ RetryStrategy.MaximumRetryAttempts: 1 → 2"),
        (setting("train", "Description", "Trains."), " → Trains."),
        (setting("train", "DisplayName", "Training"), "~ shown name: train → Training"),
        (setting("train", "DependsOn", ["validate"]), "~ waits for: preprocess → validate"),
        (setting("train", "RetryPolicies", []), "- retries of Step.SERVICE_FAULT, Step.THROTTLING: BackoffRate 2.0, IntervalSeconds 30, MaxAttempts 3"),
    ],
)  # fmt: skip
def test_a_changed_field_is_said_in_plain_words_below_its_step(edit, said):
    told = lines(edit)
    assert told[0].endswith(": 1 step changed")
    assert told[1] == "  ~ step train"
    assert [line for line in told[2:] if said in line]


def test_an_image_is_said_by_its_digest_and_what_is_recorded_of_it():
    images = some_images(train={"uri": f"{REGISTRY}/sluice-train@sha256:{'9' * 64}", "tag": "9" * 16})
    edit = setting("train", "Arguments.AlgorithmSpecification.TrainingImage", images["train"].uri)
    assert lines(edit, images={**some_images(), "train": images["train"]})[1:3] == [
        "  ~ step train",
        "    ~ image: sluice-train@200000000000 → sluice-train@999999999999 (content 9999999999999999, "
        "revision abc1234)",
    ]


def options(name, option, value):
    """An edit of what an entry point is told."""

    def edit(content):
        given = the_step(content, name)["Arguments"]["AlgorithmSpecification"]["ContainerArguments"]
        given[given.index(option) + 1] = value

    return edit


def test_what_is_the_same_change_in_every_job_is_said_once():
    def newer(content):
        for step in steps_of(content):
            if step["Type"] == "Training":
                options(step["Name"], "--client_sagemaker_pysdk_version", "3.28.0")(content)

    assert lines(newer) == [
        "pipeline sluice in us-east-1 (environment test): every job changed",
        "  every job",
        "    ~ SDK version: 3.27.0 → 3.28.0",
    ]
    assert lines(newer, setting("train", "DisplayName", "Training"))[3:] == [
        "  ~ step train",
        "    ~ shown name: train → Training",
    ]


def test_what_a_step_gets_is_said_by_its_name():
    def another(content):
        given = the_step(content, "train")["Arguments"]["AlgorithmSpecification"]["ContainerArguments"]
        given[-2:-2] = ["Parameters.rows", {"Get": "Parameters.rows"}]

    assert "    + gets Parameters.rows: ${Parameters.rows}" in lines(another)


def test_parameters_come_go_and_change_their_defaults():
    def edit(content):
        by_name = {entry["Name"]: entry for entry in content["Parameters"]}
        by_name["thresholds"]["DefaultValue"] = "macro_f1=0.8"
        content["Parameters"].remove(by_name["rows"])
        content["Parameters"].append({"Name": "limit", "Type": "Integer", "DefaultValue": 5})
        del by_name["registry"]["DefaultValue"]

    assert [line for line in lines(edit) if "parameter" in line] == [
        '  ~ parameter thresholds: String, default "default" → String, default "macro_f1=0.8"',
        '  ~ parameter registry: String, default "sagemaker://us-east-1" → String, no default',
        "  + parameter limit: Integer, default 5",
        '  - parameter rows: String, default "default"',
    ]


def test_an_instance_type_that_is_a_parameters_default_is_said_of_its_step():
    def edit(content):
        entry = next(p for p in content["Parameters"] if p["Name"] == "train-instance-type")
        entry["DefaultValue"] = "ml.g5.xlarge"

    assert (
        "    ~ instance type: ml.m5.xlarge (parameter train-instance-type) → ml.g5.xlarge "
        "(parameter train-instance-type)" in lines(edit)
    )


def test_a_gates_question_its_place_and_its_message_are_facts():
    def question(content):
        the_step(content, "data-gate")["Arguments"]["Conditions"][0]["RightValue"] = False

    assert (
        "    ~ opens if: ${Steps.validate.OutputDataConfig.S3OutputPath}/results.json Result['passed'] Equals true → "
        "${Steps.validate.OutputDataConfig.S3OutputPath}/results.json Result['passed'] Equals false"
        in lines(question)
    )

    def outside(content):
        content["Steps"].append(the_step(content, "data-gate")["Arguments"]["IfSteps"].pop(0))

    assert "    - stands behind: data-gate if open" in lines(outside)
    assert "    ~ message: The data was refused. Nothing was trained: ${Steps.validate" in "\n".join(
        lines(setting("data-gate-refused", "Arguments.ErrorMessage", "No."))
    )


def test_steps_that_come_and_go_say_what_they_run():
    def edit(content):
        gate = the_step(content, "metric-gate")["Arguments"]
        gate["IfSteps"] = [{**copy.deepcopy(gate["IfSteps"][0]), "Name": "announce"}]

    told = lines(edit)
    assert told[0].endswith(": 1 step added, 1 step removed")
    added, removed = told.index("  + step announce"), told.index("  - step register")
    image = "image: sluice-register@400000000000 (content 4444444444444444, revision abc1234)"
    assert told[added + 1 : added + 3] == ["    + type: Training", f"    + {image}"]
    assert told[removed + 1 : removed + 3] == ["    - type: Training", f"    - {image}"]


def test_a_payload_that_differs_is_a_change_although_the_definition_does_not_say_it():
    old = compiled()
    uri = payloads(read_definition(old.definition))["train", "arguments"]
    new = Compiled(old.definition, {**old.objects, uri: b"something else"})
    made = plan(standing(), new, an_environment(), some_images())
    digests = [hashlib.sha256(content).hexdigest()[:12] for content in (old.objects[uri], b"something else")]
    assert f"    ~ payload of the arguments: {digests[0]} → {digests[1]}" in printed(made)
    gone = Standing(
        old.definition,
        ROLE,
        {**digests_of(read_definition(old.definition), old.objects), ("train", "function"): None},
    )
    assert "    ~ payload of the function: not there → " in printed(
        plan(gone, old, an_environment(), some_images())
    )


def test_payloads_that_could_not_be_looked_at_are_said_to_be_unknown():
    made = plan(Standing(compiled().definition), compiled(), an_environment(), some_images())
    assert not made.changes
    assert "  The payloads of what is deployed could not be looked at: they may differ." in printed(made)


def test_the_pipelines_role_is_a_change():
    other = an_environment(pipeline_role=f"{ROLE}-pipeline")
    assert f"  ~ role of the pipeline: {ROLE} → {ROLE}-pipeline" in lines(environment=other)
    assert compare(standing(), compiled(), other)


# --- no single change of the text goes unsaid


def places(value, path=()):
    """Every place in a definition at which a plain value stands."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, (*path, index))
    else:
        yield path


def replaced(content, path, value):
    """The content with another value at one place."""
    copied = copy.deepcopy(content)
    at = copied
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return copied


def another(value):
    """A value of the same type that is not this one."""
    if isinstance(value, bool) or value is None:
        return not value
    return value + 1 if isinstance(value, int | float) else f"{value}x"


def test_every_value_that_is_changed_anywhere_is_a_difference():
    content = json.loads(compiled().definition)
    old = read_definition(compiled().definition)
    built = {step.option("--func_step_s3_dir") for step in old.jobs}
    all_places = list(places(content))
    assert len(all_places) > 400
    unsaid = []
    for path in random.Random(7).sample(all_places, 150):
        value = content
        for key in path:
            holder, value = value, value[key]
        if value in built or "BEGIN PUBLIC KEY" in str(value):
            continue  # other ones in every compile
        if path[-1] == "On" and len(holder["Values"]) == 1:
            continue  # what would stand between several values stands nowhere
        new = read_definition(json.dumps(replaced(content, path, another(value))))
        if not difference(old, new):
            unsaid.append((path, value))
    assert unsaid == []


def test_a_definition_against_nothing_is_all_new():
    made = difference(Definition({"Steps": []}, ()), read_definition(compiled().definition))
    assert {step.kind for step in made.steps} == {"added"}
    assert [step.name for step in made.steps][:4] == ["preprocess", "audit", "validate", "data-gate"]


# --- price and verdict


def test_the_price_follows_from_the_table_the_limits_and_what_was_measured():
    made = planned(
        minutes={"preprocess": 6, "audit": 4, "validate": 2, "train": 60, "evaluate": 6, "register": 2}
    )
    table = (
        printed(made).split("price of a run at the list prices of 2026-09-25 in us-east-1\n")[1].splitlines()
    )
    assert " ".join(table[0].split()) == "step instance an hour as measured at most"
    assert " ".join(table[4].split()) == (
        "train ml.m5.xlarge up to $0.23 up to $0.23 for 60 min up to $0.92 for 240 min"
    )
    assert table[7] == ("  A run costs $0.31 as measured, $5.52 at most if every job runs to its limit once.")


def test_an_unknown_instance_type_has_no_price():
    assert "ml.p4d.24xlarge  no list price in the table of 2026-09-25" in printed(
        planned(setting("train", f"{RESOURCES}.InstanceType", "ml.p4d.24xlarge"))
    )


def test_what_lint_refuses_is_told_with_the_plan():
    said = printed(planned(setting("train", f"{STOP}.MaxWaitTimeInSeconds", None)))
    assert (
        "\nlint: 1 finding\n  step train, StoppingCondition.MaxWaitTimeInSeconds: a spot job has to say"
        in said
    )
    assert said.endswith("  upsert refuses this pipeline until it is corrected.\n")
    assert printed(planned()).endswith("\nlint: nothing to correct\n")


def test_markdown_says_the_same_and_nothing_in_it_is_taken_for_markup():
    said = markdown(
        planned(
            setting("train", "Arguments.Environment.A_B", "x|y*z"),
            setting("train", f"{STOP}.MaxWaitTimeInSeconds", None),
        )
    )
    assert said.startswith(
        "### pipeline sluice in us-east-1 (environment test): 1 step changed\n\n|  | what | deployed | new |"
    )
    assert "| ~ train | environment variable A\\_B |  | x\\|y\\*z |" in said
    assert "| ~ train | longest wait | 300 min |  |" in said
    assert "| train | ml.m5.xlarge | up to \\$0.23 | – | up to \\$0.92 for 240 min |" in said
    assert "#### Lint: 1 finding\n\n- step train, StoppingCondition.MaxWaitTimeInSeconds: a spot job" in said


# --- on the command line, against an account


def test_a_plan_of_what_is_not_deployed_is_all_new_and_ends_with_2(account, capsys):
    assert main(["plan", *account.files]) == 2
    said = capsys.readouterr().out
    assert said.startswith("pipeline sluice in us-east-1 (environment test): a new pipeline of 10 steps\n")
    assert "  + step data-gate-refused\n" in said
    assert said.endswith("lint: nothing to correct\n")


def test_a_plan_of_what_is_deployed_ends_with_0_until_something_changes(account, capsys):
    made = Deployment(account.environment, compiled())
    made.upload()
    made.put()
    assert main(["plan", *account.files]) == 0
    assert capsys.readouterr().out.startswith(
        "pipeline sluice in us-east-1 (environment test): nothing changes\n"
    )
    uri = payloads(read_definition(compiled().definition))["train", "function"]
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    client("s3", "us-east-1").delete_object(Bucket=bucket, Key=key)
    assert main(["plan", "--markdown", *account.files]) == 2
    assert "| ~ train | payload of the function | not there | " in capsys.readouterr().out


def test_a_plan_of_an_image_that_was_built_and_not_pushed_shows_it_and_lints_refusal(account, capsys):
    made = Deployment(account.environment, compiled())
    made.upload()
    made.put()
    record = account.folder / "images.yaml"
    images = yaml.safe_load(record.read_text())
    images["train"] |= {"uri": f"{REGISTRY}/sluice-train:{'9' * 16}", "tag": "9" * 16}
    record.write_text(yaml.safe_dump(images))
    assert main(["plan", *account.files]) == 2
    said = capsys.readouterr().out
    assert (
        "    ~ image: sluice-train@200000000000 → sluice-train:9999999999999999 (content 9999999999999999, "
        "revision abc1234)\n" in said
    )
    assert (
        "lint: 1 finding\n  step train, AlgorithmSpecification.TrainingImage: the image is named by a tag"
        in said
    )
    assert main(["upsert", *account.files]) == 1
    assert "the image is named by a tag" in capsys.readouterr().err


def test_what_a_run_costs_is_measured_on_the_longest_of_the_last_executions(account, capsys):
    made = Deployment(account.environment, compiled())
    made.upload()
    made.put()
    account.sagemaker.answers["ListPipelineExecutions"] = {
        "PipelineExecutionSummaries": [execution("c", "Failed"), execution("b"), execution("a")]
    }
    account.sagemaker.answers["ListPipelineExecutionSteps"] = [
        {"PipelineExecutionSteps": [a_job("preprocess", 30.0), a_job("train", 1.0)]},
        {"PipelineExecutionSteps": [a_job("train", 90.0), a_job("evaluate", 10.0, status="Failed")]},
    ]
    assert main(["plan", *account.files]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "preprocess ml.m5.xlarge $0.23 $0.12 for 30 min" in said
    assert "train ml.m5.xlarge up to $0.23 up to $0.34 for 90 min" in said
    assert "evaluate ml.m5.xlarge $0.23 – $0.92 for 240 min" in said
    asked = account.sagemaker.requests("ListPipelineExecutionSteps")
    assert [request["PipelineExecutionArn"][-1] for request in asked] == ["b", "a"]


def test_executions_that_cannot_be_looked_at_leave_the_plan_right(account, capsys):
    made = Deployment(account.environment, compiled())
    made.upload()
    made.put()
    account.sagemaker.answers["ListPipelineExecutions"] = refusing("AccessDeniedException", "not you")
    assert main(["plan", *account.files]) == 0
    assert "A run costs $5.52 at most" in capsys.readouterr().out


def execution(identity, status="Succeeded"):
    """An execution as SageMaker lists it."""
    arn = f"arn:aws:sagemaker:us-east-1:111122223333:pipeline/sluice/execution/{identity}"
    return {
        "PipelineExecutionArn": arn,
        "PipelineExecutionStatus": status,
        "StartTime": 1_790_000_000 + ord(identity),
        "PipelineExecutionDisplayName": identity,
    }


def a_job(name, minutes, status="Succeeded"):
    """A step as SageMaker lists it."""
    began = 1_790_000_000
    return {
        "StepName": name,
        "StepStatus": status,
        "StartTime": began,
        "EndTime": began + 60 * minutes,
        "Metadata": {"TrainingJob": {"Arn": f"arn:aws:sagemaker:us-east-1:111122223333:training-job/{name}"}},
    }
