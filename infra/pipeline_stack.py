"""A stack that owns the pipeline itself, for platform teams who let nothing but CloudFormation change an account.

It takes a definition with placeholders (`python -m orchestration compile --template`), its images as parameters, and
everything else from the exports of the environment's stack.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from infra.template import STACK, read_template
from sluice.contract import InputError

PLACEHOLDER = re.compile(r"\$\{([A-Z]\w*)\}")


def pipeline_stack(definition: Path) -> str:
    """The template of a stack that owns the pipeline of a definition.

    Raises:
        InputError: the file can't be read, or has a placeholder that nothing fills in.
    """
    text = _read(definition)
    names = sorted(set(PLACEHOLDER.findall(text)))
    exported = _exported()
    images = [name for name in names if name.endswith("Image")]
    _require_known(definition, [name for name in names if name not in images], exported)
    values = {name: _import(name) for name in names if name not in images}
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "The SageMaker pipeline of a Sluice environment. Written by: python -m infra pipeline",
        "Parameters": {
            "Environment": {"Type": "String", "Description": "The environment's stack, like sluice-staging"},
            **{name: {"Type": "String", "Description": "repository@sha256:digest"} for name in images},
        },
        "Resources": {
            "TrainingPipeline": {
                "Type": "AWS::SageMaker::Pipeline",
                "Properties": {
                    "PipelineName": _import("Pipeline"),
                    "RoleArn": _import("PipelineRole"),
                    "PipelineDefinition": {"PipelineDefinitionBody": {"Fn::Sub": [text, values]}},
                },
            }
        },
    }
    return yaml.safe_dump(template, sort_keys=False, width=10_000)


def _read(definition: Path) -> str:
    """The definition on one line. What looks like a placeholder and is none, is marked as a plain text."""
    try:
        text = json.dumps(json.loads(definition.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise InputError(
            "the definition can't be read",
            where=definition,
            got=str(error),
            next_step="Write it: python -m orchestration compile --template --environment <file>",
        ) from None
    return re.sub(r"\$\{(?![A-Z]\w*\})", "${!", text)


def _exported() -> list[str]:
    """The outputs of the environment's stack that another stack may import."""
    outputs = read_template(STACK.read_text(encoding="utf-8"))["Outputs"]
    return [name for name, output in outputs.items() if "Export" in output]


def _import(name: str) -> dict[str, Any]:
    return {"Fn::ImportValue": {"Fn::Sub": "${Environment}-" + name}}


def _require_known(definition: Path, names: list[str], exported: list[str]) -> None:
    unknown = [name for name in names if name not in exported]
    if unknown:
        raise InputError(
            "nothing fills in a placeholder",
            where=definition,
            got=", ".join(f"${{{name}}}" for name in unknown),
            allowed=", ".join(f"${{{name}}}" for name in exported) + " and ${…Image}",
        )
