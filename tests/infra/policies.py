"""What a role may do, decided from its statements as IAM decides it: as much of IAM as the stack uses, and no more."""

from __future__ import annotations

import re
from typing import Any

Statement = dict[str, Any]


def may(statements: list[Statement], action: str, resource: str, **context: str) -> bool:
    """Whether statements allow an action on a resource.

    Args:
        statements: of one role; none of them denies.
        action: like `s3:GetObject`.
        resource: its ARN.
        context: condition keys of the request, `s3_prefix` for `s3:prefix`.
    """
    assert {statement["Effect"] for statement in statements} == {"Allow"}
    given = {name.replace("_", ":", 1): value for name, value in context.items()}
    return any(
        _matches(statement["Action"], action)
        and _matches(statement["Resource"], resource)
        and all(_holds(name, keys, given) for name, keys in statement.get("Condition", {}).items())
        for statement in statements
    )


def actions(statements: list[Statement]) -> set[str]:
    """Every action that is named."""
    return {action for statement in statements for action in as_list(statement["Action"])}


def as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _matches(patterns: str | list[str], value: str) -> bool:
    return any(_like(pattern, value) for pattern in as_list(patterns))


def _like(pattern: str, value: str) -> bool:
    return bool(re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), value))


def _holds(operator: str, keys: dict[str, Any], given: dict[str, str]) -> bool:
    compare = {"StringEquals": str.__eq__, "Bool": str.__eq__, "StringLike": _like}
    plain = operator.removesuffix("IfExists")
    return all(
        any(compare[plain](allowed, given[key]) for allowed in as_list(values))
        if key in given
        else operator != plain
        for key, values in keys.items()
    )
