"""A person approves or rejects; who, when and why are kept, and only what is whole and passed can be approved."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sluice.contract import RegistryError, storage
from sluice.registry import Status
from tests.registry.builders import REFUSED, remove, replace

PENDING, APPROVED, REJECTED = Status


@pytest.fixture
def waiting(registry, chain):
    """A registry with one model that waits for a decision."""
    registry.register(chain.candidate(), who="nightly job")
    return registry


def decide(registry, *statuses):
    for status in statuses:
        version = registry.decide("invoices", 1, status, who="ada", why="because")
    return version


def test_every_decision_is_kept_with_who_when_and_why(waiting):
    before = datetime.now(UTC)
    waiting.decide("invoices", 1, APPROVED, who="ada", why="")
    version = waiting.decide("invoices", 1, REJECTED, who="grace", why="  the memo column drifts  ")
    assert version.status == REJECTED
    assert version == waiting.get("invoices", 1)
    assert [(d.who, d.why, d.before, d.after) for d in version.history[1:]] == [
        ("ada", "", PENDING, APPROVED),
        ("grace", "the memo column drifts", APPROVED, REJECTED),
    ]
    assert before <= version.history[1].when <= version.history[2].when <= datetime.now(UTC)


def test_a_reason_has_a_thousand_characters_of_any_kind(waiting):
    why = ('a "quoted" 100 % = {é, 漢, 👍, é}\nand a line\ttoo, ' * 40)[:1024].strip()
    version = waiting.decide("invoices", 1, REJECTED, who="Grace Hopper <grace@example.org>", why=why)
    assert (version.history[-1].who, version.history[-1].why) == ("Grace Hopper <grace@example.org>", why)
    with pytest.raises(
        RegistryError, match=r"the reason is too long\. Got: 1025 characters\. Allowed: 1024 characters"
    ):
        waiting.decide("invoices", 1, APPROVED, who="ada", why="é" * 1025)


@pytest.mark.parametrize("first", [APPROVED, REJECTED])
def test_a_decision_is_not_taken_twice(waiting, first):
    decide(waiting, first)
    other = REJECTED if first == APPROVED else APPROVED
    with pytest.raises(
        RegistryError, match=rf"it can't become {first}\. Got: {first}, by ada at .* UTC\. Allowed: {other}\."
    ):
        decide(waiting, first)


@pytest.mark.parametrize("first", [APPROVED, REJECTED])
def test_nothing_goes_back_to_pending(waiting, first):
    decide(waiting, first)
    with pytest.raises(RegistryError, match="it can't become PendingManualApproval"):
        decide(waiting, PENDING)


@pytest.mark.parametrize(
    ("before", "status"), [((), REJECTED), ((REJECTED,), APPROVED), ((APPROVED,), REJECTED)]
)
def test_only_a_first_approval_needs_no_reason(waiting, before, status):
    if before:
        decide(waiting, *before)
    with pytest.raises(
        RegistryError,
        match=rf"invoices version 1: {status} needs a reason when it was .*Say why with --reason",
    ):
        waiting.decide("invoices", 1, status, who="ada", why=" ")


def tampered(chain, another):
    storage.write_bytes(chain.at("model/model.onnx"), b"evil weights")


def deleted(chain, another):
    remove(chain.at("model"))


def half_deleted(chain, another):
    remove(chain.at("model/model.onnx"))


def replaced(chain, another):
    """Another whole model, put in the place of the registered one."""
    replace(chain.model.uri, another("other", weights="other weights").model)


def refused_later(chain, another):
    """The whole report is replaced by one that refuses."""
    replace(chain.evaluation.uri, another("other", evaluated=REFUSED).evaluation)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (tampered, r"model\.onnx: a payload file's sha256 is not the manifest's"),
        (half_deleted, r"model\.onnx: a payload file is missing"),
        (deleted, r"model/manifest\.json: no artifact here"),
        (replaced, r"another model stands there now\. Got: digest .*Allowed: digest "),
        (refused_later, "another evaluation stands there now"),
    ],
)
def test_what_is_no_longer_as_it_was_registered_can_not_be_approved(waiting, chain, another, harm, message):
    harm(chain, another)
    with pytest.raises(
        RegistryError,
        match=rf"invoices version 1: what was registered is no longer there as it was.*{message}",
    ):
        decide(waiting, APPROVED)
    assert waiting.get("invoices", 1).status == PENDING
    assert decide(waiting, REJECTED).status == REJECTED
