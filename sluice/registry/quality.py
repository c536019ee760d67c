"""What evaluate measured, as the JSON that SageMaker shows beside a model package: written beside the report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sluice.contract import Report, storage
from sluice.registry.verdicts import metrics_of

SECTION = "multiclass_classification_metrics"
"""SageMaker's name for the numbers of a classifier."""


def write_quality(evaluation: Report) -> dict[str, Any]:
    """Write every single number of an evaluation to `<report>.model-quality.json`; the same bytes each time.

    Returns:
        the source of metrics that a model package names.

    Raises:
        RegistryError: the evaluation can't be read.
        StorageError: the file can't be written.
    """
    numbers = {
        # Evaluate measures once, and SageMaker writes a deviation that is not known like this.
        name: {"value": value, "standard_deviation": "NaN"}
        for name, value in sorted(metrics_of(evaluation).items())
    }
    content = json.dumps({SECTION: numbers}, indent=2).encode()
    uri = f"{storage.parent(evaluation.uri)}.model-quality.json"
    storage.write_bytes(uri, content)
    return {"ContentType": "application/json", "ContentDigest": _digest(content), "S3Uri": uri}


def read_quality(package: Mapping[str, Any]) -> dict[str, float]:
    """The numbers that a model package names; none if their file is gone, or is another than was registered.

    Raises:
        StorageError: the store refuses, or can't be reached.
    """
    source = package.get("ModelMetrics", {}).get("ModelQuality", {}).get("Statistics", {})
    if "S3Uri" not in source:
        return {}
    try:
        content = storage.read_bytes(source["S3Uri"])
    except FileNotFoundError:
        return {}
    if _digest(content) != source.get("ContentDigest"):
        return {}
    return {name: number["value"] for name, number in json.loads(content)[SECTION].items()}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
