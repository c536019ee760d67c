"""What a person sees of a run: live progress while it works, and a short summary at its end."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from orchestration.graph import Graph
from orchestration.runs import RunRecord, State, StepRecord
from sluice.contract import storage
from sluice.registry import ModelVersion

GLYPHS = {
    State.WAITING: ("·", "dim"),
    State.RUNNING: ("▶", "cyan"),
    State.DONE: ("✔", "green"),
    State.REUSED: ("↺", "green"),
    State.FAILED: ("✘", "red"),
    State.SKIPPED: ("–", "dim"),
    State.INTERRUPTED: ("■", "yellow"),
}
LINE_EVERY = 5.0
"""Seconds between two progress lines of a step where the output is no terminal."""


class Display:
    """Shows a run: a table that is redrawn in a terminal, lines elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._record: RunRecord | None = None
        self._shown: dict[str, tuple[State, float]] = {}
        self._since: dict[str, float] = {}

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Show what `update` is told until the end of the `with`."""
        if not self._console.is_terminal:
            yield
            return
        with Live(console=self._console, refresh_per_second=4, get_renderable=self._table) as self._live:
            yield

    def update(self, record: RunRecord) -> None:
        """Take the run's present state."""
        self._record = record
        for name, step in record.steps.items():
            if step.state is State.RUNNING:
                self._since.setdefault(name, time.monotonic())
        if self._live is None:
            self._print_changes(record)

    def _print_changes(self, record: RunRecord) -> None:
        now = time.monotonic()
        for name, step in record.steps.items():
            state, at = self._shown.get(name, (State.WAITING, now))
            if step.state is not state or (
                step.state is State.RUNNING and step.message and now - at > LINE_EVERY
            ):
                self._shown[name] = (step.state, now)
                self._console.print(
                    Text.assemble(_glyph(step), f" {name:<12} ", self._detail(name, step)), soft_wrap=True
                )

    def _table(self) -> RenderableType:
        grid = Table.grid(padding=(0, 2))
        for name, step in self._record.steps.items() if self._record else ():
            grid.add_row(
                _glyph(step),
                name,
                self._seconds(name, step),
                Text(self._detail(name, step), overflow="ellipsis", no_wrap=True),
            )
        return grid

    def _detail(self, name: str, step: StepRecord) -> str:
        if step.state is State.RUNNING:
            return step.message or "starting"
        if step.state is State.REUSED:
            return f"reused (it took {_duration(step.seconds)})"
        if step.state is State.DONE:
            return f"done in {_duration(step.seconds)}"
        return step.message or str(step.state)

    def _seconds(self, name: str, step: StepRecord) -> str:
        if step.state is State.RUNNING:
            return _duration(time.monotonic() - self._since[name])
        return _duration(step.seconds) if step.state in (State.DONE, State.FAILED) else ""


def summary(
    record: RunRecord, graph: Graph, store: str, seconds: float, registered: ModelVersion | None
) -> RenderableType:
    """Where the artifacts are, the metrics, what each gate said, and what to do next."""
    parts: list[RenderableType] = [_headline(record, seconds), _steps(record)]
    parts += [_gate_line(record, graph, name) for name in graph.gates]
    parts += [
        *_audit(record),
        *_account(record),
        *_metrics(record),
        Text(f"store      {_shown(store)}"),
        Text(f"run        {_shown(record.folder(store))}"),
    ]
    return Group(*parts, *_next_step(record, store, registered))


def _headline(record: RunRecord, seconds: float) -> Text:
    reused = sum(step.state is State.REUSED for step in record.steps.values())
    colour = "green" if record.outcome == "done" else "red"
    text = f"\n{record.recipe}: {record.outcome} in {_duration(seconds)}, {reused} of {len(record.steps)} steps reused"
    return Text(text, style=f"bold {colour}")


def _steps(record: RunRecord) -> Text:
    """One line per step; its folder stands last and whole, to be copied."""
    lines = Text()
    for name, step in record.steps.items():
        detail = f"{step.state:<11} {_duration(step.seconds):>10}  {_shown(step.folder or '')}\n"
        lines.append_text(Text.assemble(_glyph(step), f" {name:<12} ", detail))
    return lines


def _gate_line(record: RunRecord, graph: Graph, name: str) -> Text:
    gate = graph.gates[name]
    verdict = record.steps[gate.verdict]
    if not verdict.finished:
        return Text.assemble((f"◇ {name}: not reached", "dim"))
    if verdict.metrics.get("passed") is True:
        return Text.assemble((f"◇ {name}: open{_warnings(verdict)}", "green"))
    reasons = verdict.metrics.get("reasons") or ["the verdict is missing"]
    lines = "".join(f"\n    {reason}" for reason in reasons)
    return Text.assemble((f"◇ {name}: refused. {gate.refusal}.{lines}", "red"))


def _warnings(verdict: StepRecord) -> str:
    """What a gate let pass, though it isn't as the recipe expects."""
    count = verdict.metrics.get("warnings")
    return f", {count} warning{'' if count == 1 else 's'}" if count else ""


def _audit(record: RunRecord) -> Iterator[Text]:
    """How much the audit found; its report, named below, says what."""
    metrics = next((s.metrics for s in record.steps.values() if "serious" in s.metrics), None)
    if metrics is not None:
        serious, look = metrics["serious"], metrics.get("look", 0)
        yield Text(f"audit      {serious} serious, {look} to look at", style="yellow" if serious else "")


def _account(record: RunRecord) -> Iterator[Text]:
    """Where every row that was read went."""
    metrics = next((s.metrics for s in record.steps.values() if "rows_read" in s.metrics), None)
    if metrics is None:
        return
    went = {name: metrics[f"{name}_rows"] for name in ("training", "validation", "test")}
    went |= {f"dropped as {rule}": rows for rule, rows in metrics["dropped"].items() if rows}
    went["quarantined"] = metrics["rows_quarantined"]
    terms = " + ".join(f"{rows:,} {name}" for name, rows in went.items())
    yield Text(f"rows       {metrics['rows_read']:,} read = {terms}")


def _metrics(record: RunRecord) -> list[RenderableType]:
    """The numbers of the step that judged the model, beside its baselines and what identical rows with different labels allow."""
    metrics = next((s.metrics for s in record.steps.values() if "macro_f1" in s.metrics), None)
    if metrics is None:
        return []
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("on the test rows", "accuracy", "macro F1"):
        table.add_column(heading, justify="left" if heading.startswith("on") else "right")
    for label, prefix in (
        ("model", ""),
        ("TF-IDF + logistic regression", "linear_"),
        ("majority class", "majority_"),
    ):
        table.add_row(
            label, *(_number(metrics.get(f"{prefix}{metric}")) for metric in ("accuracy", "macro_f1"))
        )
    table.add_row("the best that these rows allow", _number(metrics.get("best_accuracy")), "–")
    return [table]


def _next_step(record: RunRecord, store: str, registered: ModelVersion | None) -> Iterator[RenderableType]:
    yield from (Text(f"report     {_shown(uri)}") for uri in _reports(record))
    if registered is None:
        return
    name = f"{registered.group} {registered.version}"
    yield Text(f"model      {registered.group} version {registered.version}, {registered.status}")
    if registered.status == "PendingManualApproval":
        command = (
            f".venv/bin/python -m orchestration models approve {name} --store {shlex.quote(_shown(store))}"
        )
        yield Text(f"approve    {command}", style="bold")


def _reports(record: RunRecord) -> Iterator[str]:
    for name, page in (("audit", "index.html"), ("validate", "index.html"), ("evaluate", "report.html")):
        step = record.steps.get(name)
        if step and step.finished and step.folder:
            yield storage.join(step.folder, "report", page)


def _shown(uri: str) -> str:
    return str(storage.local_path(uri)) if storage.is_local(uri) else uri


def _glyph(step: StepRecord) -> Text:
    return Text(*GLYPHS[step.state])


def _number(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else "–"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60):02} s"
