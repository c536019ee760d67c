"""The stack's outputs as an environment file. What a person wrote into it stays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from orchestration.environment import Environment, read_environment
from orchestration.pipeline import build

HEADER = """\
# Where the pipeline runs. `make infra` writes names, roles, network and key from the stack's outputs and leaves every
# other key as it is; example.yaml shows them all.
"""


def write_environment(path: Path, name: str, region: str, outputs: Mapping[str, str]) -> bool:
    """Write the environment file, unless it says the same already.

    Returns:
        whether it was written.

    Raises:
        InputError: the file that is there is wrong.
    """
    before = _before(path)
    content = environment_of(name, region, outputs, before)
    Environment.model_validate(content)
    if content == before:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADER + yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return True


def require_sound(path: Path) -> None:
    """Refuse a wrong environment file before anything is deployed.

    Raises:
        InputError: there is one, and it is wrong.
    """
    if path.exists():
        read_environment(path)


def environment_of(
    name: str, region: str, outputs: Mapping[str, str], before: Mapping[str, Any]
) -> dict[str, Any]:
    """The environment file's content: the stack's names over what was there before."""
    roles = _roles(outputs)
    steps = dict(before.get("steps") or {})
    for step, role in roles.items():
        steps[step] = {**(steps.get(step) or {}), "role": role}
    content: dict[str, Any] = {
        "name": name,
        "region": region,
        "bucket": outputs["Bucket"],
        "prefix": outputs["Prefix"],
        "pipeline": outputs["Pipeline"],
        "pipeline_role": outputs["PipelineRole"],
        "role": next(iter(roles.values())),
        "registry": outputs["Registry"],
        "kms_key": outputs["KmsKey"],
        "status_table": outputs["StatusTable"],
    }
    if "Subnets" in outputs:
        network = {"subnets": outputs["Subnets"], "security_groups": outputs["SecurityGroups"]}
        content["vpc"] = {key: value.split(",") for key, value in network.items()}
    kept = {key: value for key, value in before.items() if key not in ("vpc", "steps")}
    return {**content, **{k: v for k, v in kept.items() if k not in content}, "steps": steps}


def _roles(outputs: Mapping[str, str]) -> dict[str, str]:
    """The role of each step: its image's."""
    steps = build().steps.values()
    return {step.name: outputs[f"{step.component.name.split('.')[0].capitalize()}Role"] for step in steps}


def _before(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8"))) if path.exists() else {}
