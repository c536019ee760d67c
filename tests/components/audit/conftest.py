"""The audit over small tables, and a tokenizer that splits at blanks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.components.audit.builders import Audited


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory) -> str:
    """A folder with a tokenizer whose every word is a token, between a first and a last one."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    made = Tokenizer(models.WordLevel({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2}, "[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    folder: Path = tmp_path_factory.mktemp("words")
    made.save(str(folder / "tokenizer.json"))
    return str(folder)


@pytest.fixture
def audited(tmp_path, tokenizer):
    """Audit some rows; what isn't said is as the builder has it."""
    count = 0

    def run(**given) -> Audited:
        nonlocal count
        count += 1
        return Audited(tmp_path / str(count), tokenizer, **given)

    return run
