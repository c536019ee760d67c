"""What a release engineer does with registered models: list, show, approve and reject them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text
    from rich.tree import Tree

    from sluice.contract import Parent
    from sluice.registry import ModelVersion, Registry, Status

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

COLOURS = {"PendingManualApproval": "yellow", "Approved": "green", "Rejected": "red"}
WIDTH = 10_000
"""Characters of a line: a URI stays whole, so that it can be copied; the terminal folds it."""
KNOWN_PAGES = ("report.html", "index.html")
"""The first page of a report."""


def add_models_parser(subparsers: Subparsers) -> None:
    """Add `models list | show | approve | reject`; the parsed options' `run` is `run_models`."""
    text = "list, show, approve and reject registered models"
    models = subparsers.add_parser("models", help=text, description=f"{text.capitalize()}.")
    verbs = models.add_subparsers(required=True, dest="verb", metavar="VERB")
    listing = _verb(verbs, "list", "list the registered models, newest first")
    listing.add_argument("--group", metavar="GROUP", help="only this group; all if not given")
    _add_version(_verb(verbs, "show", "show a model's metrics, lineage, reports and history"))
    for name, text, needed in (
        ("approve", "approve a model, after checking that it is whole and its verdicts passed", False),
        ("reject", "reject a model, or take an approval back", True),
    ):
        _add_decision(_verb(verbs, name, text), reason_needed=needed)
    models.set_defaults(run=run_models)


def run_models(options: argparse.Namespace) -> int:
    """Run one of the verbs and print what it says.

    Returns:
        0.

    Raises:
        RegistryError: there is no such group or version, or the decision is refused.
        AwsError: AWS refuses, or can't be reached.
    """
    from rich.console import Console

    from sluice.registry import RegistryHome

    home = RegistryHome(options.registry) if options.registry else RegistryHome.of_store(options.store)
    registry = home.open()
    console = Console(highlight=False, markup=False, emoji=False, width=WIDTH)
    if options.verb == "list":
        _list(console, registry, options.group)
    elif options.verb == "show":
        _show(console, registry.get(options.group, options.version))
    else:
        _decide(console, registry, options)
    return 0


def _verb(verbs: Subparsers, name: str, text: str) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    place = verb.add_mutually_exclusive_group()
    place.add_argument(
        "--store",
        default="artifacts",
        metavar="URI",
        help="the store that the registry belongs to (default: artifacts)",
    )
    place.add_argument(
        "--registry", metavar="URI", help="the registry itself: sagemaker://<region>, or a folder"
    )
    return verb


def _add_version(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("group", metavar="GROUP", help="the model group, as in the recipe")
    verb.add_argument("version", metavar="VERSION", type=int, help="the version's number")


def _add_decision(verb: argparse.ArgumentParser, *, reason_needed: bool) -> None:
    _add_version(verb)
    note = "why" if reason_needed else "why; needed only for a model that was rejected before"
    verb.add_argument("--reason", required=reason_needed, default="", metavar="TEXT", help=note)
    verb.add_argument("--by", metavar="NAME", help="who decides; this user if not given")


def _list(console: Console, registry: Registry, group: str | None) -> None:
    from rich.table import Table
    from rich.text import Text

    versions = registry.list(group)
    if not versions:
        console.print(Text(f"No model is registered in {registry.uri} yet."))
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("group", "version", "status", "registered", "macro F1", "accuracy", "recipe"):
        table.add_column(heading, no_wrap=True)
    for version in versions:
        table.add_row(*_row(version))
    console.print(table)


def _row(version: ModelVersion) -> Iterator[RenderableType]:
    yield from (
        version.group,
        str(version.version),
        _coloured(version.status),
        f"{version.created:%Y-%m-%d %H:%M}",
    )
    yield from (_number(version.metrics.get(name)) for name in ("macro_f1", "accuracy"))
    yield version.recipe


def _show(console: Console, version: ModelVersion) -> None:
    from rich.text import Text

    title = Text.assemble(
        (f"{version.group} version {version.version}", "bold"), "  ", _coloured(version.status)
    )
    console.print(title)
    console.print(Text(f"registered {version.created:%Y-%m-%d %H:%M} UTC, recipe {version.recipe}"))
    if version.arn:
        console.print(Text(f"model package {version.arn}"))
    console.print()
    for heading, content in (
        ("metrics", _metrics(version)),
        ("reports", _reports(version)),
        ("lineage", _lineage(version.evaluation)),
        ("history", _history(version)),
    ):
        console.print(Text(heading, style="bold"))
        console.print(content)
        console.print()


def _decide(console: Console, registry: Registry, options: argparse.Namespace) -> None:
    from rich.text import Text

    from sluice.registry import Status, current_user

    status = Status.APPROVED if options.verb == "approve" else Status.REJECTED
    who = options.by or current_user()
    decided = registry.decide(options.group, options.version, status, who=who, why=options.reason)
    what = f"{decided.group} version {decided.version} is now "
    console.print(Text.assemble(what, _coloured(decided.status), f", by {who}"))


def _metrics(version: ModelVersion) -> Table:
    table = _grid()
    for name, value in version.metrics.items():
        table.add_row(name, _number(value))
    return table


def _reports(version: ModelVersion) -> Table:
    table = _grid()
    table.add_row("evaluation", _page(version.evaluation))
    table.add_row("data", _page(version.data_report))
    table.add_row("model", version.model.uri)
    return table


def _page(report: Parent) -> str:
    """The page to open; the manifest where the report is gone."""
    from sluice.contract import ContractError, open_artifact, storage

    try:
        files = {file.path for file in open_artifact(report.uri).manifest.files}
    except ContractError as error:
        return error.message
    page = next((page for page in KNOWN_PAGES if page in files), None)
    return storage.join(storage.parent(report.uri), page) if page else report.uri


def _lineage(evaluation: Parent) -> Tree:
    from orchestration.lineage import lineage_tree
    from sluice.contract.lineage import lineage_of

    return lineage_tree(lineage_of(evaluation))


def _history(version: ModelVersion) -> Table:
    table = _grid()
    for decision in version.history:
        table.add_row(
            f"{decision.when:%Y-%m-%d %H:%M} UTC", decision.who, _coloured(decision.after), decision.why
        )
    return table


def _grid() -> Table:
    from rich.table import Table

    return Table.grid(padding=(0, 2), pad_edge=True)


def _coloured(status: Status) -> Text:
    from rich.text import Text

    return Text(status.value, style=COLOURS[status.value])


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value == int(value) and abs(value) > 1 else f"{value:.4f}"
