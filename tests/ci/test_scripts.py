"""CI's scripts, run for real: a plan for the comment, and a merge that pushes what changed and upserts once."""

from __future__ import annotations

import json
import os
import re
import secrets
from urllib.error import URLError
from urllib.request import urlopen

import docker
import pytest
from rich.console import Console

from orchestration.deploy import upsert
from orchestration.environment import read_environment, read_images
from tests.builders.accounts import COMPONENTS, account
from tests.builders.sagemaker import stand_in_for

FOLDER = "orchestration/environments"


# --- plan


@pytest.fixture
def place(checkout, s3_store):
    """An account, whose environment file and record of images are in the checkout."""
    made = account(checkout.folder / FOLDER, f"ci-{secrets.token_hex(4)}")
    checkout.variables["SLUICE_ENVIRONMENT"] = made.name
    return made


@pytest.fixture
def planned(checkout, place, tmp_path):
    """What the plan's script writes for the comment."""

    def run(**variables: str) -> str:
        done = checkout.run("ci/plan.sh", tmp_path / "plan.md", **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return (tmp_path / "plan.md").read_text(encoding="utf-8")

    return run


@pytest.mark.long
def test_a_plan_in_which_something_changes_is_no_failure(planned, place):
    said = planned()
    assert f"pipeline {place.name} in eu-west-1" in said
    assert "a new pipeline" in said


@pytest.mark.long
def test_a_plan_shows_the_image_that_a_pull_request_built_and_did_not_push(planned, place):
    upsert(read_environment(place.environment), read_images(place.images), Console(quiet=True))
    place.record_images(evaluate="e" * 16)
    said = planned()
    assert "1 step changed" in said
    assert re.search(rf"~ evaluate \| image \|.*sluice-evaluate:{'e' * 16}", said)
    assert "Lint: 1 finding" in said
    assert "Push it, which records its digest: make push" in said


@pytest.mark.long
def test_a_plan_in_which_nothing_changes_says_so(planned, place):
    upsert(read_environment(place.environment), read_images(place.images), Console(quiet=True))
    assert "nothing changes" in planned()


@pytest.mark.long
def test_a_plan_that_can_not_ask_aws_fails_and_says_why(checkout, place, tmp_path):
    done = checkout.run(
        "ci/plan.sh", tmp_path / "plan.md", AWS_ENDPOINT_URL="http://127.0.0.1:9", AWS_MAX_ATTEMPTS="1"
    )
    assert done.returncode != 0
    assert "AWS can't be reached" in done.stderr


@pytest.mark.long
def test_a_plan_for_an_environment_that_is_not_there_fails_and_says_which_are(checkout, place, tmp_path):
    done = checkout.run("ci/plan.sh", tmp_path / "plan.md", SLUICE_ENVIRONMENT="stagging")
    assert done.returncode != 0
    assert "there is no environment file" in done.stderr
    assert f"{place.name}.yaml" in done.stderr


# --- merge


class Registry:
    """The images below a prefix of the local registry that no other test has."""

    def __init__(self, host: str) -> None:
        self.host, self.prefix = host, f"ci-{secrets.token_hex(4)}"

    @property
    def name(self) -> str:
        return f"{self.host}/{self.prefix}"

    def tags(self) -> dict[str, int]:
        """How many images were pushed, by component."""
        return {name: self._count(f"{self.prefix}/sluice-{name}") for name in COMPONENTS}

    def _count(self, repository: str) -> int:
        try:
            with urlopen(f"http://{self.host}/v2/{repository}/tags/list") as answer:
                return len(json.load(answer)["tags"] or [])
        except URLError as error:
            if getattr(error, "code", None) == 404:
                return 0
            raise


@pytest.fixture
def registry():
    """A local registry. Without one the test is skipped, or fails where SLUICE_REQUIRE_ENGINE is 1."""
    host = os.environ.get("REGISTRY", "")
    try:
        with urlopen(f"http://{host}/v2/", timeout=5):
            made = Registry(host)
    except (URLError, ValueError) as error:
        give_up = pytest.fail if os.environ.get("SLUICE_REQUIRE_ENGINE") == "1" else pytest.skip
        give_up(f"needs a Docker engine and a local registry, whose address is REGISTRY: {host or error}")
    yield made
    client = docker.from_env()
    for image in client.images.list():
        for tag in image.tags:
            if tag.startswith(f"{made.name}/"):
                client.images.remove(tag, noprune=True)  # its layers are those of the images that are kept
    client.close()


@pytest.fixture
def sagemaker(moto_server):
    """SageMaker, counting what it is asked."""
    with stand_in_for(moto_server) as made:
        yield made


def images_of(place) -> dict[str, str]:
    """The deployed pipeline's image of each step."""
    found = {}

    def look(steps: list) -> None:
        for step in steps:
            if step["Type"] == "Training":
                found[step["Name"]] = step["Arguments"]["AlgorithmSpecification"]["TrainingImage"]
            for branch in ("IfSteps", "ElseSteps"):
                look(step["Arguments"].get(branch, []))

    look(json.loads(place.pipeline["PipelineDefinition"])["Steps"])
    return found


@pytest.mark.images
def test_a_merge_that_changes_one_component_pushes_one_image_and_upserts_once(
    checkout, place, registry, sagemaker
):
    place.images.unlink()  # a runner begins without a record: the merge writes it

    def merge() -> tuple[int, int]:
        before = len(sagemaker.requests("CreatePipeline")), len(sagemaker.requests("UpdatePipeline"))
        done = checkout.run(
            "ci/merge.sh", ENGINE="", REGISTRY=registry.name, AWS_ENDPOINT_URL_SAGEMAKER=sagemaker.address
        )
        assert done.returncode == 0, done.stdout + done.stderr
        created, updated = sagemaker.requests("CreatePipeline"), sagemaker.requests("UpdatePipeline")
        return len(created) - before[0], len(updated) - before[1]

    assert merge() == (1, 0)
    assert registry.tags() == dict.fromkeys(COMPONENTS, 1)
    first = images_of(place)
    assert all("@sha256:" in image for image in first.values())

    checkout.change("components/evaluate/page.py")
    assert merge() == (0, 1)
    assert registry.tags() == {**dict.fromkeys(COMPONENTS, 1), "evaluate": 2}
    second = images_of(place)
    assert {step for step in first if first[step] != second[step]} == {"evaluate"}

    checkout.change("docs/ci.md")
    assert merge() == (0, 0)
    assert registry.tags() == {**dict.fromkeys(COMPONENTS, 1), "evaluate": 2}
