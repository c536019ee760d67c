"""Where a backbone is found, that it is the one the recipe names, and how it is loaded."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluice.backbone import (
    CONFIGURATION,
    VOCABULARIES,
    WEIGHTS,
    first_line,
    folder_of,
    keep_hub_quiet,
    listing,
    missing,
)
from sluice.contract import RecipeError, ResourceMissing, storage

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_POSITIONS_AFTER_PADDING = ("roberta", "xlm-roberta", "camembert")
"""Families that count positions from the padding token's id on."""


def find(name: str, weights_sha256: str) -> Path:
    """The folder of a backbone whose weights are the expected ones.

    Args:
        name: a hub name, a folder, or `package:NAME`.
        weights_sha256: what the sha256 of its model.safetensors has to be.

    Raises:
        ResourceMissing: there is no such backbone, or its weights are others.
    """
    folder = folder_of(name)
    for file in (CONFIGURATION, WEIGHTS):
        if not (folder / file).is_file():
            raise missing(f"the backbone's folder has no {file}", name, listing(folder))
    if not any((folder / file).is_file() for file in VOCABULARIES):  # the library would make up an empty one
        raise missing("the backbone's folder has no tokenizer", name, listing(folder))
    found = storage.sha256_of((folder / WEIGHTS).absolute().as_uri())
    if found != weights_sha256:
        raise ResourceMissing(
            "the backbone's weights are not the ones that the recipe names",
            where=f"model.backbone {name}, {folder / WEIGHTS}",
            got=f"sha256 {found}",
            allowed=f"sha256 {weights_sha256} (model.weights_sha256)",
            next_step="Get the right weights; or, if these are the ones you mean, write their sha256 into the recipe",
        )
    return folder


def load(folder: Path, maximum_tokens: int) -> Any:
    """The backbone itself, in float32, without the pooler that some families put on top.

    Its own code is never run, and weights are only read from safetensors.

    Args:
        folder: what `find` returned.
        maximum_tokens: the longest text that it has to read.

    Raises:
        RecipeError: it doesn't read that long texts.
        ResourceMissing: the transformers library can't make sense of the folder.
    """
    _keep_quiet()
    from transformers import AutoModel

    try:
        backbone, loading = AutoModel.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype="float32",
            output_loading_info=True,
        )
    except (OSError, ValueError) as error:
        raise missing("the backbone can't be loaded", folder, first_line(error)) from None
    _require_all(loading["missing_keys"], folder)
    _require_length(backbone.config, maximum_tokens)
    if getattr(backbone, "pooler", None) is not None:
        backbone.pooler = None
    return backbone


def _require_all(keys: Iterable[str], folder: Path) -> None:
    """The library fills what the file lacks with random numbers and only warns."""
    lacking = sorted(name for name in keys if not name.startswith("pooler."))
    if lacking:
        shown = ", ".join(lacking[:5]) + (f" and {len(lacking) - 5} more" if len(lacking) > 5 else "")
        raise missing("the backbone's weights are not complete", folder, f"no {shown}")


def load_tokenizer(folder: Path) -> tuple[Tokenizer, int]:
    """The backbone's tokenizer as the tokenizers library has it, and the id of its padding token.

    Raises:
        ResourceMissing: the folder has none, or one without padding.
    """
    _keep_quiet()
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise missing("the backbone's tokenizer can't be loaded", folder, first_line(error)) from None
    if not tokenizer.is_fast or tokenizer.pad_token_id is None:
        raise missing("the backbone's tokenizer can't be used", folder, type(tokenizer).__name__)
    return tokenizer.backend_tokenizer, int(tokenizer.pad_token_id)


def _require_length(config: Any, maximum_tokens: int) -> None:
    positions = config.max_position_embeddings
    if config.model_type in _POSITIONS_AFTER_PADDING:
        positions -= config.pad_token_id + 1
    if maximum_tokens > positions:
        mistake = f"model.maximum_tokens: got the number {maximum_tokens}; allowed: at most {positions}"
        raise RecipeError(
            [f"{mistake}, what the backbone reads"], where=f"backbone of type {config.model_type}"
        )


def _keep_quiet() -> None:
    """Nothing is sent to anybody, and the libraries' own progress doesn't mix with ours. Before they are imported."""
    keep_hub_quiet()
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
