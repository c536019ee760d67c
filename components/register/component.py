"""Register: an accepted model becomes a version of its group, and waits for a person's approval."""

from __future__ import annotations

import json
import shlex

from sluice.contract import Metrics, Model, Output, RegistryError, Report
from sluice.contract import report as tell
from sluice.recipe import RegisterSettings
from sluice.registry import Candidate, ModelVersion, RegistryHome, Status, current_user


class RegisterMetrics(Metrics):
    """What the model is called from now on."""

    group: str
    """The model group."""
    version: int
    """Its number in the group."""
    status: Status
    """Where it stood when this step ended; `models show` says where it stands now."""


def register(
    model: Model,
    data_report: Report,
    evaluation: Report,
    registry: RegistryHome,
    settings: RegisterSettings,
    registration: Output[Report],
    approval: str = Status.PENDING.value,
) -> RegisterMetrics:
    """Register a model whose verdicts passed; the same model with the same evaluation only once.

    Args:
        model: the model; it stays where it is, the registry holds its URI and digest.
        data_report: the data gate's report on the tables it was trained on.
        evaluation: the metric gate's report on it.
        registry: the registry's folder, made if it isn't there; or sagemaker:// and a region.
        settings: the group, and the recipe's name.
        registration: registration.json: group, version, status and the command that approves it.
        approval: PendingManualApproval leaves the decision to a person; Approved takes it at once, after the same checks.
    """
    _require_known(approval)
    tell("checking the model and its verdicts", 0.0)
    candidate = Candidate(settings.registry.group, settings.name, model, evaluation, data_report)
    version = registry.open().register(candidate, who=current_user())
    if approval == Status.APPROVED:
        version = _approved(version, registry)
    _write(registration, version, registry)
    tell(f"{version.group} version {version.version} is {version.status}", 1.0)
    return RegisterMetrics(group=version.group, version=version.version, status=version.status)


def _write(registration: Output[Report], version: ModelVersion, registry: RegistryHome) -> None:
    content = {
        "group": version.group,
        "version": version.version,
        "status": version.status.value,
        "registry": registry.uri,
        "approve": approve_command(version, registry),
    }
    (registration.folder / "registration.json").write_text(json.dumps(content, indent=2) + "\n")


def approve_command(version: ModelVersion, registry: RegistryHome) -> str:
    """What a release engineer types in the checkout to approve this version."""
    words = ["python", "-m", "orchestration", "models", "approve", version.group, str(version.version)]
    return shlex.join([*words, "--registry", registry.address])


def _require_known(approval: str) -> None:
    if approval not in (Status.PENDING, Status.APPROVED):
        raise RegistryError(
            "a new version can't begin like that",
            where="register --approval",
            got=approval or "nothing",
            allowed=f"{Status.PENDING}, which a person then decides, or {Status.APPROVED}",
        )


def _approved(version: ModelVersion, registry: RegistryHome) -> ModelVersion:
    """Approve a version that nobody has decided on yet; what a person decided stands."""
    if len(version.history) > 1:
        return version
    why = "approved automatically: every gate passed"
    return registry.open().decide(
        version.group, version.version, Status.APPROVED, who=current_user(), why=why
    )
