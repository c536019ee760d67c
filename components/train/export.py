"""How a trained network becomes a model artifact, and the proof that the exported network is the trained one."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from components.train.fitting import logits
from components.train.network import Network
from components.train.rows import LabelledRows
from sluice.contract import Features, Table, TrainingFailed
from sluice.predictor import (
    CONFIGURATION,
    FEATURES,
    NETWORK,
    TOKENIZER,
    WEIGHTS,
    EncodedRows,
    ModelDescription,
    Predictor,
)

LARGEST_DIFFERENCE = 1e-3
"""How far a logit of the exported network may be from the trained one's."""
COMPARED_ROWS = 1_000
"""Validation rows, from the first on, on which the two are compared."""


def save(
    network: Network, description: ModelDescription, tokenizer: Any, features: Features, folder: Path
) -> None:
    """Write the whole model artifact."""
    from safetensors import torch as safetensors

    weights = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    # Serialised first, written by Python: the libraries' own writers hide a full disk behind errors of their own.
    (folder / WEIGHTS).write_bytes(safetensors.save(weights, metadata={"format": "pt"}))
    network.backbone.config.to_json_file(folder / CONFIGURATION)
    (folder / TOKENIZER).write_text(tokenizer.to_str(pretty=True), encoding="utf-8")
    description.write(folder)
    _copy(features, folder / FEATURES)
    export(network, description, folder / NETWORK)


def _copy(features: Features, folder: Path) -> None:
    for file in features.manifest.files:
        target = folder / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((features.folder / file.path).read_bytes())


def export(network: Network, description: ModelDescription, path: Path) -> None:
    """Write the network as ONNX, float32, for any number of rows and tokens."""
    example = {name: torch.from_numpy(array) for name, array in _example(description).items()}
    rows, tokens = torch.export.Dim("batch"), torch.export.Dim("tokens", max=description.maximum_tokens)
    shapes = {
        name: {0: rows, 1: tokens} if name in ("input_ids", "attention_mask") else {0: rows}
        for name in example
    }
    with _quiet(), torch.inference_mode():
        program = torch.onnx.export(
            network.eval(), kwargs=example, dynamic_shapes=shapes, output_names=["logits"], dynamo=True
        )
    assert program is not None  # it is only when a path is given
    _forget_where_it_was_made(program.model)
    program.save(path)  # one file, unless the weights pass the 2 GB that one can hold


def _example(description: ModelDescription) -> dict[str, Any]:
    """Two rows: of a single one the exporter would conclude that there is always just one."""
    d = description
    rows = EncodedRows(
        np.full(7, d.pad_id + 1, np.int32),
        np.array([3, 4]),
        np.zeros((2, len(d.category_columns)), np.int64),
        np.zeros((2, len(d.number_columns)), np.float32),
        d.pad_id,
    )
    return rows.feed(np.arange(2))


def _forget_where_it_was_made(model: Any) -> None:
    """Drop the exporter's notes: they hold paths of this machine, and would make equal networks differ."""
    model.metadata_props.clear()
    model.graph.metadata_props.clear()
    for node in model.graph.all_nodes():
        node.metadata_props.clear()
        node.doc_string = None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's chatter away from the component's output."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            yield
    finally:
        logging.disable(before)


def require_agreement(network: Network, folder: Path, validation: Table, rows: LabelledRows) -> float:
    """Check that the artifact, as everybody opens it, gives the trained network's logits on validation rows.

    Logits that are this close also have the same largest one, but for ties within the tolerance.

    Returns:
        The largest difference of a logit.

    Raises:
        TrainingFailed: it is too large.
    """
    batch = next(validation.batches(size=COMPARED_ROWS))
    expected = logits(network, rows.rows.head(batch.num_rows))
    found = Predictor.open(folder).logits(batch)
    difference = float(np.abs(found - expected).max())
    if not difference <= LARGEST_DIFFERENCE:  # a NaN is not within it either
        raise TrainingFailed(
            f"the exported network disagrees with the trained one on {batch.num_rows} validation rows",
            where=NETWORK,
            got=f"logits up to {difference:.3g} apart, another class for "
            f"{np.mean(found.argmax(axis=1) != expected.argmax(axis=1)):.1%} of the rows",
            allowed=f"logits at most {LARGEST_DIFFERENCE} apart",
            next_step="Nothing was written. This is a defect of the export for this backbone: try another one, and report it",
        )
    return difference
