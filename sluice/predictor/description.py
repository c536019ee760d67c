"""What a model says about itself: `model.json`, and the names of the files beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ValidationError

from sluice.contract import ArtifactMissing, ContractError, ContractTooNew, Strict, first_problem

FORMAT: Literal[1] = 1
"""The version of the model folder's layout that this code writes, and the newest that it reads."""

NETWORK = "model.onnx"
WEIGHTS = "model.safetensors"
CONFIGURATION = "config.json"
TOKENIZER = "tokenizer.json"
DESCRIPTION = "model.json"
FEATURES = "features"

_REMAKE = "Run the train step again"


class ModelDescription(Strict):
    """How a row becomes what the network reads, and what its logits stand for."""

    format: Literal[1] = FORMAT
    """The version of the model folder's layout."""
    labels: tuple[str, ...]
    """The class of each logit, in order."""
    text_column: str
    """The column that is tokenised."""
    maximum_tokens: int
    """Longer texts are cut off here; the special tokens count."""
    pad_id: int
    """The token that fills short texts up."""
    category_columns: tuple[str, ...]
    """The index columns of the input `categories`, in order."""
    cardinalities: tuple[int, ...]
    """How many indices each of them has, unknown included."""
    embedding_sizes: tuple[int, ...]
    """The width of each one's embedding."""
    number_columns: tuple[str, ...]
    """The columns of the input `numbers`, in order."""
    hidden_layers: tuple[int, ...]
    """The widths of the linear layers before the logits."""
    dropout: float
    """The share of activations that was dropped in training."""
    backbone: str
    """The backbone, as the recipe names it."""
    weights_sha256: str
    """The sha256 of the weights that training began with."""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a model folder's description.

        Raises:
            ArtifactMissing: there is none.
            ContractTooNew: a newer Sluice wrote it.
            ContractError: it is not a description.
        """
        path = require_file(folder, DESCRIPTION)
        document = _json_object(path)
        _check_format(document.get("format"), path)
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise ContractError(
                "the model's description is malformed",
                where=path,
                got=first_problem(error),
                next_step=_REMAKE,
            ) from None

    def write(self, folder: Path) -> None:
        """Write `model.json`."""
        (folder / DESCRIPTION).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")


def require_file(folder: Path, name: str) -> Path:
    """The path of one of a model's files.

    Raises:
        ArtifactMissing: it isn't there.
    """
    if not (folder / name).exists():
        raise ArtifactMissing(
            f"the model has no {name}",
            where=folder,
            got=", ".join(sorted(path.name for path in folder.glob("*"))) or "no files",
            allowed=", ".join((NETWORK, TOKENIZER, DESCRIPTION, FEATURES)),
            next_step="Name the folder of a model artifact, or run the train step again",
        )
    return folder / name


def _json_object(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except ValueError as error:
        raise ContractError(
            "the model's description is not JSON", where=path, got=str(error), next_step=_REMAKE
        ) from None
    return document if isinstance(document, dict) else {}


def _check_format(found: object, path: Path) -> None:
    if isinstance(found, int) and found > FORMAT:
        raise ContractTooNew(
            "a newer Sluice wrote this model than reads it",
            where=path,
            got=f"format {found}",
            allowed=f"format {FORMAT}",
            next_step="Update Sluice, or train the model again with this one",
        )
