"""Reads versions out of MLflow's SQLite store with nothing but sqlite3, because importing MLflow takes seconds.

Reading changes nothing: it works on a read-only folder, and where there is no registry none appears.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from sluice.contract import Parent, RegistryError
from sluice.registry.records import Decision, ModelVersion

BUSY = 20.0
"""Seconds to wait while a writer commits."""

ARTIFACTS = ("model", "evaluation", "data_report")
DECISION = "decision."
"""A decision's tag is `decision.0000`, `decision.0001`, …: each its own, so that none is ever written over."""
MODEL = "model.digest"
"""The tag that every version of Sluice has: others in the same store are not ours to show."""

VERSIONS = """
    SELECT name, version, creation_time, run_id FROM model_versions AS v
    WHERE current_stage IS NOT 'Deleted_Internal' AND EXISTS (
        SELECT 1 FROM model_version_tags AS t WHERE t.name = v.name AND t.version = v.version AND t.key = ?)
    ORDER BY name, version DESC"""
TAGS = "SELECT key, value FROM model_version_tags WHERE name = ? AND version = ?"
METRICS = "SELECT key, value FROM latest_metrics WHERE run_uuid = ? AND NOT is_nan ORDER BY key"


def read_versions(database: Path) -> tuple[ModelVersion, ...]:
    """Every version that Sluice registered, by group, newest first; none if there is no database yet.

    Raises:
        RegistryError: the database is damaged, or not MLflow's.
    """
    if not database.exists():
        return ()
    with _opened(database) as connection:
        rows = connection.execute(VERSIONS, (MODEL,)).fetchall()
        return tuple(_version(connection, *row) for row in rows)


def version_tags(version: ModelVersion) -> dict[str, str]:
    """A version as the tags that it is kept in."""
    recorded: dict[str, Parent] = {name: getattr(version, name) for name in ARTIFACTS}
    tags = {"recipe": version.recipe, "status": version.status.value}
    for name, artifact in recorded.items():
        tags |= {f"{name}.uri": artifact.uri, f"{name}.digest": artifact.digest}
    return tags | {decision_key(n): d.model_dump_json() for n, d in enumerate(version.history)}


def decision_key(number: int) -> str:
    """The tag of a version's decision, counted from 0; in the order of the alphabet."""
    return f"{DECISION}{number:04}"


def _version(
    connection: sqlite3.Connection, group: str, version: int, created: int, run: str
) -> ModelVersion:
    tags = dict(connection.execute(TAGS, (group, version)))
    return ModelVersion(
        group=group,
        version=version,
        recipe=tags["recipe"],
        model=_artifact(tags, "model"),
        evaluation=_artifact(tags, "evaluation"),
        data_report=_artifact(tags, "data_report"),
        created=datetime.fromtimestamp(created / 1000, UTC),
        metrics=dict(connection.execute(METRICS, (run,))),
        history=tuple(
            Decision.model_validate_json(tags[key]) for key in sorted(tags) if key.startswith(DECISION)
        ),
    )


def _artifact(tags: dict[str, str], name: str) -> Parent:
    return Parent(name=name, uri=tags[f"{name}.uri"], digest=tags[f"{name}.digest"])


@contextmanager
def _opened(database: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=BUSY)) as connection:
            yield connection
    except (sqlite3.Error, KeyError, ValidationError) as error:
        raise RegistryError(
            "the registry's database can't be read",
            where=database,
            got=f"{type(error).__name__}: {str(error).splitlines()[0]}",
            next_step="Put back a copy of the file, or name another store with --store",
        ) from error
