"""A compiled pipeline for tests, made once, and edited copies of it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from orchestration.environment import Environment, Image
from orchestration.pipeline import build
from orchestration.steps import Compiled, compile_pipeline
from sluice.contract import CONTRACT_VERSION

REGISTRY = "111122223333.dkr.ecr.us-east-1.amazonaws.com"
ROLE = "arn:aws:iam::111122223333:role/sluice-test"
KEY = "arn:aws:kms:us-east-1:111122223333:key/00000000-0000-0000-0000-000000000000"
COMPONENTS = ("preprocess", "train", "evaluate", "register")

Content = dict[str, Any]
Edit = Callable[[Content], object]


def an_environment(**changed: Any) -> Environment:
    """An environment file in which every setting is given somewhere."""
    content: Content = {
        "name": "test",
        "region": "us-east-1",
        "bucket": "sluice-test-111122223333",
        "pipeline_role": ROLE,
        "role": ROLE,
        "steps": {"train": {"spot": {"maximum_wait_minutes": 300}}, "evaluate": {"keep_alive_minutes": 10}},
        "vpc": {"subnets": ["subnet-0123456789abcdef0"], "security_groups": ["sg-0123456789abcdef0"]},
        "kms_key": KEY,
        "tags": {"team": "analytics"},
        "status_table": "sluice-test-status",
    }
    return Environment.model_validate({**content, **changed})


def some_images(**changed: Any) -> dict[str, Image]:
    """The record of four pushed images; `changed` gives another image for a component."""
    return {
        name: Image.model_validate(
            {
                "uri": f"{REGISTRY}/sluice-{name}@sha256:{number}{'0' * 63}",
                "tag": f"{number}" * 16,
                "python": "3.11",
                "contract": CONTRACT_VERSION,
                "revision": "abc1234",
                **changed.get(name, {}),
            }
        )
        for number, name in enumerate(COMPONENTS, 1)
    }


@cache
def compiled() -> Compiled:
    """The pipeline, compiled for the environment and the images above."""
    return compile_pipeline(build(), an_environment(), some_images())


def edited(*edits: Edit) -> str:
    """The definition after edits of its content."""
    content = copy.deepcopy(json.loads(compiled().definition))
    for edit in edits:
        edit(content)
    return json.dumps(content)


def steps_of(content: Content) -> Iterator[Content]:
    """Every step, also those behind gates."""
    waiting = list(content["Steps"])
    while waiting:
        step = waiting.pop(0)
        yield step
        waiting += [*step["Arguments"].get("IfSteps", []), *step["Arguments"].get("ElseSteps", [])]


def the_step(content: Content, name: str) -> Content:
    """One step of a definition's content."""
    return next(step for step in steps_of(content) if step["Name"] == name)


def setting(name: str, path: str, value: Any) -> Edit:
    """An edit that sets a field of a step, dotted; `None` takes it away."""

    def edit(content: Content) -> None:
        *way, last = path.split(".")
        at = the_step(content, name)
        for key in way:
            at = at[key]
        if value is None:
            del at[last]
        else:
            at[last] = value

    return edit
