"""What may enter a registry and which decisions are allowed: the same in every home. All of it fails closed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeVar

from sluice.contract import (
    Artifact,
    ArtifactTampered,
    ContractError,
    Model,
    Parent,
    RegistryError,
    Report,
    storage,
)
from sluice.registry.records import Decision, ModelVersion, Status
from sluice.registry.verdicts import EVALUATION, VALIDATION, require_passed

A = TypeVar("A", bound=Artifact)

ALLOWED: dict[Status, tuple[Status, ...]] = {
    Status.PENDING: (Status.APPROVED, Status.REJECTED),
    Status.APPROVED: (Status.REJECTED,),
    Status.REJECTED: (Status.APPROVED,),
}
"""Which status may follow which. Nothing goes back to pending, and a decision is not taken twice."""

REASON_LIMIT = 1024
"""Characters of a reason: what SageMaker's ApprovalDescription holds."""


def require_registrable(model: Model, evaluation: Report, data_report: Report) -> None:
    """Check that this model may be registered: it is whole, both verdicts passed, and they are about this model.

    Raises:
        RegistryError: a verdict did not pass, can't be read, or is about something else.
        ContractError: an artifact is damaged.
    """
    _ = model.folder
    _require_about(evaluation, model)
    _require_same_data(data_report, model)
    require_passed(evaluation, EVALUATION)
    require_passed(data_report, VALIDATION)


def require_approvable(version: ModelVersion) -> None:
    """Check that what was registered still stands where it stood, unchanged, and that its verdicts passed.

    Raises:
        RegistryError: it is gone, changed or refused.
    """
    try:
        model = _reopen(Model, version.model)
        evaluation, data_report = (
            _reopen(Report, recorded) for recorded in (version.evaluation, version.data_report)
        )
        require_registrable(model, evaluation, data_report)
    except ContractError as error:
        raise RegistryError(
            "what was registered is no longer there as it was, so it can't be approved",
            where=title(version),
            got=error.message.rstrip("."),
            next_step="Run the pipeline again to make and register the model anew",
        ) from error


def decide(version: ModelVersion, status: Status, who: str, why: str) -> Decision:
    """The decision that gives a version this status.

    Raises:
        RegistryError: the status can't follow the present one, or the reason is missing or too long.
    """
    if status not in ALLOWED[version.status]:
        last = version.history[-1]
        raise RegistryError(
            f"it can't become {status}",
            where=title(version),
            got=f"{version.status}, by {last.who} at {last.when:%Y-%m-%d %H:%M} UTC",
            allowed=" or ".join(ALLOWED[version.status]),
        )
    _check_reason(version, status, why)
    return Decision(who=who, when=datetime.now(UTC), why=why.strip(), before=version.status, after=status)


def title(version: ModelVersion) -> str:
    """What messages call a version."""
    return f"{version.group} version {version.version}"


def _check_reason(version: ModelVersion, status: Status, why: str) -> None:
    first_approval = version.status == Status.PENDING and status == Status.APPROVED
    if not why.strip() and not first_approval:
        raise RegistryError(
            f"{status} needs a reason when it was {version.status}",
            where=title(version),
            next_step="Say why with --reason",
        )
    if len(why) > REASON_LIMIT:
        raise RegistryError(
            "the reason is too long",
            where=title(version),
            got=f"{len(why)} characters",
            allowed=f"{REASON_LIMIT} characters",
        )


def _require_about(evaluation: Report, model: Model) -> None:
    evaluated = [parent for parent in evaluation.manifest.parents if parent.name == "model"]
    if [parent.digest for parent in evaluated] != [model.digest]:
        raise RegistryError(
            "the evaluation is of another model",
            where=evaluation.uri,
            got=", ".join(f"model {parent.digest}" for parent in evaluated) or "no model among its parents",
            allowed=f"model {model.digest}",
            next_step="Evaluate the model that is to be registered",
        )


def _require_same_data(data_report: Report, model: Model) -> None:
    validated, trained = (
        {parent.digest for parent in artifact.manifest.parents if parent.name == "training"}
        for artifact in (data_report, model)
    )
    if not trained or validated != trained:
        raise RegistryError(
            "the data report is about other rows than the model was trained on",
            where=data_report.uri,
            got=f"training table {', '.join(validated) or 'none'}",
            allowed=f"training table {', '.join(trained) or 'none'}",
            next_step="Validate the tables that the model was trained on",
        )


def _reopen(kind: type[A], recorded: Parent) -> A:
    """Open an artifact again and check that it is the one that was registered."""
    artifact = kind.open(recorded.uri)
    if artifact.digest != recorded.digest:
        raise ContractError(
            f"another {recorded.name} stands there now",
            where=recorded.uri,
            got=f"digest {artifact.digest}",
            allowed=f"digest {recorded.digest}",
        )
    if not storage.is_local(artifact.uri):
        _require_unchanged(artifact)
    return artifact


def _require_unchanged(artifact: Artifact) -> None:
    """Read the store itself: this machine's copy of an artifact says nothing about what would be deployed."""
    for file in artifact.manifest.files:
        uri = storage.join(storage.parent(artifact.uri), file.path)
        try:
            found = storage.sha256_of(uri)
        except FileNotFoundError:
            raise ArtifactTampered("a payload file is missing", where=uri) from None
        if found != file.sha256:
            raise ArtifactTampered(
                "a payload file's sha256 is not the manifest's", where=uri, got=found, allowed=file.sha256
            )
