"""The report's own files: validation.json for machines, and index.html, one page that opens from disk without a network."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

from components.preprocess.validate.findings import Finding
from components.preprocess.validate.words import arguments, subject
from sluice.contract import Verdict
from sluice.recipe import Expectation

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1c2430}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.35rem .6rem;border-bottom:1px solid #d9dee5}
td{overflow-wrap:anywhere}code{font-size:.9em}small{color:#5b6675}
.open,.holds{color:#17693a}.closed,.fails{color:#b3261e}.warns{color:#8a5a00}
"""


def write_report(
    folder: Path,
    expectations: Sequence[Expectation],
    results: Mapping[str, Mapping[str, Any]],
    found: Sequence[Finding],
    verdict: Verdict,
) -> None:
    """Write validation.json and index.html.

    Args:
        folder: where to.
        expectations: the recipe's.
        results: great-expectations' result for each table, strict JSON.
        found: every finding, Sluice's own checks included.
        verdict: the gate's answer.
    """
    document = {
        "verdict": verdict.model_dump(mode="json"),
        "warnings": [finding.reason for finding in found if finding.warns],
        "checks": [asdict(finding) for finding in found if finding.position is None],
        "expectations": [asdict(finding) for finding in found if finding.position is not None],
        "tables": results,
    }
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "validation.json").write_text(text + "\n", encoding="utf-8")
    (folder / "index.html").write_text(_page(expectations, list(results), found, verdict), encoding="utf-8")


def _page(
    expectations: Sequence[Expectation], tables: Sequence[str], found: Sequence[Finding], verdict: Verdict
) -> str:
    state = "open" if verdict.passed else "closed"
    warnings = [finding.reason for finding in found if finding.warns]
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Data gate</title>',
            f"<style>{STYLE}</style></head><body>",
            f'<h1>Data gate: <span class="{state}">{state}</span></h1>',
            *_list("Why it is closed", verdict.reasons),
            *_list("Warnings", warnings),
            "<h2>Expectations</h2>",
            *_table(["Expectation", "Column", *tables], _expectation_rows(expectations, tables, found)),
            "<h2>Sluice's own checks</h2>",
            *_table(["About", "Check", "Found"], _check_rows(found)),
            '<p><a href="data_docs/index.html">great-expectations\' own Data Docs</a> '
            "<small>(their style is loaded from the network)</small></p>",
            "</body></html>\n",
        ]
    )


def _list(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield f"<h2>{title}</h2><ul>"
        yield from (f"<li>{escape(line)}</li>" for line in lines)
        yield "</ul>"


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    yield f"<table><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>"
    yield from (f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    yield "</table>"


def _expectation_rows(
    expectations: Sequence[Expectation], tables: Sequence[str], found: Sequence[Finding]
) -> Iterator[list[str]]:
    cells = {(finding.position, finding.table): _cell(finding) for finding in found}
    for position, expectation in enumerate(expectations):
        severity = " <small>warning</small>" if expectation.severity == "warning" else ""
        name = f"<code>{escape(expectation.type)}</code>{severity}<br><small>{escape(arguments(expectation))}</small>"
        column = escape(subject("", expectation).removeprefix(": "))
        yield [name, column, *(cells.get((position, table), "<small>not asked</small>") for table in tables)]


def _check_rows(found: Sequence[Finding]) -> Iterator[list[str]]:
    for finding in found:
        if finding.position is None:
            yield [escape(finding.table), escape(finding.check), _cell(finding)]


def _cell(finding: Finding) -> str:
    state = "holds" if finding.passed else "warns" if finding.warns else "fails"
    return f'<span class="{state}">{state}</span> {escape(finding.observed)}'
