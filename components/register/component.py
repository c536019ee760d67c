"""Register: an accepted model becomes a version of its group, and waits for a person's approval."""

from __future__ import annotations

import json
import shlex

from sluice.contract import Metrics, Model, Output, Report, storage
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
) -> RegisterMetrics:
    """Register a model whose verdicts passed; the same model with the same evaluation only once.

    Args:
        model: the model; it stays where it is, the registry holds its URI and digest.
        data_report: the data gate's report on the tables it was trained on.
        evaluation: the metric gate's report on it.
        registry: the registry's folder; made if it isn't there.
        settings: the group, and the recipe's name.
        registration: registration.json: group, version, status and the command that approves it.
    """
    tell("checking the model and its verdicts", 0.0)
    candidate = Candidate(settings.registry.group, settings.name, model, evaluation, data_report)
    version = registry.open().register(candidate, who=current_user())
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
    store = str(storage.local_path(registry.store))
    words = ["python", "-m", "orchestration", "models", "approve", version.group, str(version.version)]
    return shlex.join([*words, "--store", store])
