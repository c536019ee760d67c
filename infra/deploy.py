"""Brings a stack to what its template says. What is so already stays untouched."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from infra.template import STACK, read_template
from sluice.aws import client, speaking_of
from sluice.contract import AwsError, AwsNotFound, InputError
from sluice.recipe.mistakes import closest

WAIT_SECONDS = 3.0
DONE = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
DEAD = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS")
"""The states of a stack whose creation failed: it can only be deleted and made anew."""
NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
UNCHANGED = "No updates are to be performed"
"""What CloudFormation calls an error when nothing is to be done."""

Say = Callable[[str], None]


def deploy(environment: str, region: str, given: Mapping[str, str], say: Say = print) -> dict[str, str]:
    """Make or change an environment's stack, and wait until that is done.

    Args:
        environment: the environment's name; the stack is `sluice-<name>`.
        region: AWS's name of the region.
        given: the template's parameters; what is not given stays as it was, or is the template's default.
        say: hears every step of the work.

    Returns:
        the stack's outputs.

    Raises:
        InputError: no environment or region can be called that, the template has no such parameter, or half a network is given.
        AwsError: AWS refuses, or a resource can't be made; the reasons are CloudFormation's.
    """
    _require_name(environment)
    _require_region(region)
    template = STACK.read_text(encoding="utf-8")
    known = list(read_template(template)["Parameters"])
    _require_known(given, known)
    _require_whole_network(given)
    stack = Stack(f"sluice-{environment}", region, say)
    found = stack.found()
    if found is None:
        stack.work("create_stack", template, _values(given))
    elif stack.differs(found, template, given):
        stack.require_changeable(found)
        before = {name: value for name, value in _parameters(found).items() if name in known}
        stack.work("update_stack", template, _values({**before, **given}))
    else:
        say(f"{stack.name}: nothing changed")
    return stack.outputs()


def _require_name(environment: str) -> None:
    if not NAME.fullmatch(environment):
        raise InputError(
            "no environment can be called that",
            where="infra deploy",
            got=environment or "no name",
            allowed="lower-case letters, digits and dashes, beginning with a letter: make infra ENV=staging REGION=eu-west-1",
        )


def _require_region(region: str) -> None:
    if not REGION.fullmatch(region):
        raise InputError(
            "there can be no such region",
            where="infra deploy",
            got=region or "no region",
            allowed="AWS's name of one: make infra ENV=staging REGION=eu-west-1",
        )


def _require_known(given: Mapping[str, str], known: list[str]) -> None:
    for name in given:
        if name not in known:
            meant = closest(name, known)
            raise InputError(
                f"the stack has no parameter {name!r}" + (f" (did you mean {meant}?)" if meant else ""),
                where=STACK.name,
                allowed=", ".join(known),
            )


def _require_whole_network(given: Mapping[str, str]) -> None:
    network = [given.get(name, "") for name in ("Subnets", "SecurityGroups")]
    if any(network) and not all(network):
        raise InputError(
            "a network is subnets and security groups",
            where="infra deploy",
            got="one of them",
            allowed="Subnets=subnet-…,subnet-… SecurityGroups=sg-…",
        )


def _values(given: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()]


def _parameters(found: Mapping[str, Any]) -> dict[str, str]:
    return {p["ParameterKey"]: p["ParameterValue"] for p in found.get("Parameters", [])}


@dataclass
class Stack:
    """A CloudFormation stack, which need not be there yet."""

    name: str
    region: str
    say: Say
    _heard: set[str] = field(default_factory=set)

    @cached_property
    def _client(self) -> Any:
        return client("cloudformation", self.region)

    def found(self) -> dict[str, Any] | None:
        """How CloudFormation describes it; None if it isn't there."""
        try:
            with speaking_of(self._where):
                return dict(self._client.describe_stacks(StackName=self.name)["Stacks"][0])
        except AwsNotFound:
            return None

    def outputs(self) -> dict[str, str]:
        """What the template gives to others, by name."""
        found = self.found() or {}
        return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}

    def differs(self, found: Mapping[str, Any], template: str, given: Mapping[str, str]) -> bool:
        """Whether the template or a parameter is another one than the last time, or that time failed."""
        before = _parameters(found)
        with speaking_of(self._where):
            deployed = self._client.get_template(StackName=self.name)["TemplateBody"]
        same = deployed == template and all(before.get(name) == value for name, value in given.items())
        return not same or found["StackStatus"] not in DONE

    def require_changeable(self, found: Mapping[str, Any]) -> None:
        """Check that it is at rest and alive.

        Raises:
            AwsError: somebody else changes it now, or its creation had failed.
        """
        status = found["StackStatus"]
        if status in DEAD:
            raise AwsError(
                "the stack could not be made before, so it can't be changed",
                where=self._where,
                got=status,
                next_step=f"Remove what is left of it, and run again: "
                f"aws cloudformation delete-stack --region {self.region} --stack-name {self.name}",
            )
        if status.endswith("IN_PROGRESS"):
            raise AwsError(
                "the stack is being changed already",
                where=self._where,
                got=status,
                next_step="Wait until that is done, and run again",
            )

    def work(self, operation: str, template: str, parameters: list[dict[str, Any]]) -> None:
        """Create or update it, tell what happens, and wait until it is over.

        Raises:
            AwsError: AWS refuses, or something could not be made.
        """
        if operation == "update_stack":
            self._heard |= {event["EventId"] for event in self._events()}
        try:
            with speaking_of(self._where):
                getattr(self._client, operation)(
                    StackName=self.name,
                    TemplateBody=template,
                    Parameters=parameters,
                    Capabilities=["CAPABILITY_IAM"],
                )
        except AwsError as error:
            if UNCHANGED not in str(error.got):
                raise
            self.say(f"{self.name}: nothing changed")
            return
        self._follow()

    def _follow(self) -> None:
        failures: list[str] = []
        while True:
            status = (self.found() or {"StackStatus": "DELETE_COMPLETE"})["StackStatus"]
            for event in reversed(self._events()):
                failures += self._tell(event)
            if not status.endswith("IN_PROGRESS"):
                break
            time.sleep(WAIT_SECONDS)
        if status not in DONE:
            raise AwsError(
                "CloudFormation could not do it, and put everything back",
                where=self._where,
                got="; ".join(failures) or status,
                next_step="Correct what it names, and run again",
            )

    def _tell(self, event: Mapping[str, Any]) -> list[str]:
        """Say a new event; give the reason if it is a failure of its own, and not one that follows from another."""
        if event["EventId"] in self._heard:
            return []
        self._heard.add(event["EventId"])
        name, status = event["LogicalResourceId"], event["ResourceStatus"]
        reason = event.get("ResourceStatusReason", "")
        self.say(f"{event['Timestamp']:%H:%M:%S} {status:<20} {name}" + (f": {reason}" if reason else ""))
        failed = status.endswith("FAILED") and "cancelled" not in reason
        return [f"{name}: {reason.rstrip('.')}"] if failed else []

    def _events(self) -> list[dict[str, Any]]:
        """What happened, newest first."""
        with speaking_of(self._where):
            pages = self._client.get_paginator("describe_stack_events").paginate(StackName=self.name)
            return [event for page in pages for event in page["StackEvents"]]

    @property
    def _where(self) -> str:
        return f"stack {self.name} in {self.region}"
