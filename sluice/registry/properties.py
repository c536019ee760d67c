"""A version as SageMaker's customer metadata: at most 50 short texts of few characters, each under a name.

A text is written much as mail writes it (quoted-printable): a character that SageMaker does not take stands as `=` and
its bytes in hexadecimal, and what is too long goes on under `name.1`, `name.2`, … while a part ends in `=`. So a
person reads it in the console, and nothing is lost.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sluice.contract import Parent, RegistryError
from sluice.registry.reading import ARTIFACTS, DECISION, MODEL, decision_key
from sluice.registry.records import Decision, ModelVersion, Status

ENTRIES = 50
LENGTH = 256
"""SageMaker's limits: properties of a model package, characters of one."""
PUNCTUATION = "_.:/+-@"
"""What a property may hold beside letters, digits and blanks; `=` too, which is the escape."""
CREATED = "created"
"""Stands for the time of the registration, which SageMaker knows: a repeated request has to be the same to the letter."""


def properties_of(version: ModelVersion) -> dict[str, str]:
    """The properties that a version is kept in.

    Raises:
        RegistryError: they are more than SageMaker keeps.
    """
    texts = {"recipe": _escape(version.recipe)}
    for name in ARTIFACTS:
        artifact: Parent = getattr(version, name)
        texts |= {f"{name}.uri": _escape(artifact.uri), f"{name}.digest": artifact.digest}
    texts |= {decision_key(n): _told(decision) for n, decision in enumerate(version.history)}
    properties = {key: part for name, text in texts.items() for key, part in _parts(name, text)}
    if len(properties) > ENTRIES:
        raise RegistryError(
            "SageMaker can't keep all that is to be kept with this model package",
            where=version.arn or f"group {version.group}",
            got=f"{len(properties)} properties, for {len(version.history)} decisions",
            allowed=f"{ENTRIES} properties of {LENGTH} characters",
            next_step="Give a shorter reason, or decide in SageMaker's own console: it is shown here, too",
        )
    return properties


def version_of(package: Mapping[str, Any], metrics: Mapping[str, float]) -> ModelVersion | None:
    """The version in a model package as SageMaker describes it; None if Sluice did not register it.

    A status that is not the last recorded decision's was set by somebody in the console or by another tool: it is
    shown as a decision of theirs. Of several such changes SageMaker tells only the last.

    Raises:
        RegistryError: the properties are damaged.
    """
    properties: dict[str, str] = package.get("CustomerMetadataProperties") or {}
    if MODEL not in properties:
        return None
    try:
        history = _history(properties, package["CreationTime"].astimezone(UTC))
        return ModelVersion(
            group=package["ModelPackageGroupName"],
            version=package["ModelPackageVersion"],
            recipe=_unescape(_joined(properties, "recipe")),
            model=_artifact(properties, "model"),
            evaluation=_artifact(properties, "evaluation"),
            data_report=_artifact(properties, "data_report"),
            created=history[0].when,
            metrics=dict(metrics),
            history=history + _outside(package, history[-1]),
            arn=package["ModelPackageArn"],
        )
    except (KeyError, ValueError, IndexError) as error:
        raise RegistryError(
            "a model package's properties can't be read",
            where=package["ModelPackageArn"],
            got=f"{type(error).__name__}: {str(error).splitlines()[0]}",
            next_step="Put back the properties that were changed, or delete the model package",
        ) from error


def _history(properties: Mapping[str, str], created: datetime) -> tuple[Decision, ...]:
    names = sorted(key for key in properties if re.fullmatch(re.escape(DECISION) + r"\d{4}", key))
    history: list[Decision] = []
    for name in names:
        when, status, who, why = f"{_joined(properties, name)} ".split(" ", 3)
        decision = Decision(
            who=_unescape(who),
            when=created if when == CREATED else datetime.fromisoformat(when),
            why=_unescape(why[:-1]),
            before=history[-1].after if history else None,
            after=Status(status),
        )
        history.append(decision)
    return tuple(history)


def _outside(package: Mapping[str, Any], last: Decision) -> tuple[Decision, ...]:
    """The decision that was taken elsewhere, if one was."""
    status = Status(package.get("ModelApprovalStatus", last.after))
    if status == last.after:
        return ()
    said = package.get("ApprovalDescription") or ""
    when = package.get("LastModifiedTime", package["CreationTime"]).astimezone(UTC)
    # A description that repeats the last reason was left over from it.
    why = "" if said == approval_description(last.why) else said
    return (Decision(who=_modifier(package), when=when, why=why, before=last.after, after=status),)


def approval_description(why: str) -> str:
    """A reason as SageMaker takes it: on one line."""
    return " ".join(why.splitlines())


def _modifier(package: Mapping[str, Any]) -> str:
    by = package.get("LastModifiedBy") or {}
    identity = by.get("IamIdentity") or {}
    return str(
        by.get("UserProfileName")
        or identity.get("SourceIdentity")
        or identity.get("Arn")
        or "somebody outside Sluice"
    )


def _told(decision: Decision) -> str:
    when = decision.when.isoformat() if decision.before else CREATED
    return f"{when} {decision.after} {_escape(decision.who, but=' ')} {_escape(decision.why)}".rstrip(" ")


def _artifact(properties: Mapping[str, str], name: str) -> Parent:
    uri = _unescape(_joined(properties, f"{name}.uri"))
    return Parent(name=name, uri=uri, digest=_joined(properties, f"{name}.digest"))


def _parts(name: str, text: str) -> list[tuple[str, str]]:
    size = LENGTH - 1
    parts = [text[start : start + size] for start in range(0, len(text), size)]
    return [
        (f"{name}.{n}" if n else name, part if n == len(parts) - 1 else f"{part}=")
        for n, part in enumerate(parts)
    ]


def _joined(properties: Mapping[str, str], name: str) -> str:
    text, part = properties[name], 0
    while text.endswith("="):
        part += 1
        text = text[:-1] + properties[f"{name}.{part}"]
    return text


def _escape(text: str, but: str = "") -> str:
    return "".join(c if _plain(c) and c not in but else _hexadecimal(c) for c in text)


def _plain(character: str) -> bool:
    letter = character <= "\uffff" and unicodedata.category(character)[0] in "LNZ"
    return letter or character in PUNCTUATION


def _hexadecimal(character: str) -> str:
    return "".join(f"={byte:02X}" for byte in character.encode())


def _unescape(text: str) -> str:
    return re.sub(r"(?:=[0-9A-F]{2})+", lambda run: bytes.fromhex(run[0].replace("=", "")).decode(), text)
