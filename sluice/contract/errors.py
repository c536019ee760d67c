"""The one family of errors that every part of Sluice raises.

SluiceError
├── RecipeError            the recipe is wrong: every mistake at once, with its line
├── InputError             the user's raw data can't be read as the recipe says
├── ResourceMissing        WordNet, a backbone or another resource isn't where it should be
├── ContractError          an artifact breaks the contract
│   ├── ArtifactMissing    no manifest: the artifact isn't there, or was never finished
│   ├── ArtifactTampered   a payload's size or sha256 isn't what the manifest says
│   ├── ContractTooNew     written by a newer contract than this Sluice reads
│   └── SchemaMismatch     a column is missing, dropped or retyped
├── WiringError            the graph connects what doesn't fit together
├── StorageError           the store can't be reached, or its disk is full
├── AwsError               AWS refuses or can't be reached
│   └── AwsNotFound        what was asked for is not there
├── TrainingFailed         the loss is not finite, or the export disagrees with the model
├── RegistryError          the model registry refuses
├── ImageError             an image can't be built, pushed, found or run
└── StepFailed             a step of the pipeline ended without a result

A gate that refuses is no error: the run ends with its reasons and an exit status of its own.

Each message says what happened, where, what was got, what is allowed, and what to do next.
"""

from __future__ import annotations


class SluiceError(Exception):
    """Base of the family. Built from five parts; ``str()`` is the one message a user reads.

    Args:
        what: what happened, one sentence without its full stop.
        where: the file, column, line, step or URI it happened at.
        got: what was found there.
        allowed: what would have been right.
        next_step: what the user can do now.
    """

    def __init__(
        self,
        what: str,
        *,
        where: object = None,
        got: object = None,
        allowed: object = None,
        next_step: str | None = None,
    ) -> None:
        self.what = what
        self.where = where
        self.got = got
        self.allowed = allowed
        self.next_step = next_step
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """All parts as one text of whole sentences."""
        head = f"{self.where}: {self.what}" if self.where is not None else self.what
        parts = [head if head.endswith((".", "?", "\n")) else f"{head}."]
        if self.got is not None:
            parts.append(f"Got: {self.got}.")
        if self.allowed is not None:
            parts.append(f"Allowed: {self.allowed}.")
        if self.next_step is not None:
            parts.append(self.next_step.rstrip(".") + ".")
        return " ".join(parts)


class RecipeError(SluiceError):
    """The recipe is wrong. ``mistakes`` holds every one of them, in the order of their lines."""

    def __init__(self, mistakes: list[str], *, where: object) -> None:
        self.mistakes = mistakes
        count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        super().__init__(
            f"{count} in the recipe\n" + "\n".join(f"  {m}" for m in mistakes),
            where=where,
        )


class InputError(SluiceError):
    """The user's raw data can't be read as the recipe says."""


class ResourceMissing(SluiceError):
    """WordNet, a backbone or another resource isn't where it should be, or isn't the one expected."""


class ContractError(SluiceError):
    """An artifact breaks the contract."""


class ArtifactMissing(ContractError):
    """No manifest: the artifact isn't there, or was never finished."""


class ArtifactTampered(ContractError):
    """A payload file's size or sha256 isn't what the manifest says."""


class ContractTooNew(ContractError):
    """The manifest was written by a newer contract than this Sluice reads."""


class SchemaMismatch(ContractError):
    """A column is missing, dropped or retyped."""


class WiringError(SluiceError):
    """The graph connects what doesn't fit together."""


class StorageError(SluiceError):
    """The store can't be reached, or its disk is full."""


class AwsError(SluiceError):
    """AWS refuses, or can't be reached."""


class AwsNotFound(AwsError):
    """AWS does not have what was asked for: no such name in this region and account."""


class TrainingFailed(SluiceError):
    """Training can't go on: the loss is not finite, or the exported model disagrees with the trained one."""


class RegistryError(SluiceError):
    """The model registry refuses."""


class ImageError(SluiceError):
    """An image can't be built, pushed, found or run."""


class StepFailed(SluiceError):
    """A step of the pipeline ended without a result."""
