"""The report's own files: validation.json for machines, and index.html, one page that opens from disk without a network."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

from components.preprocess.validate.findings import Finding
from components.preprocess.validate.words import arguments, columns_named, count, number, subject
from sluice.contract import Verdict
from sluice.recipe import Expectation
from sluice.recipe.measures import MEASURES

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:0 auto;padding:2rem 1.5rem;color:#1c2430;background:#fff}
h1{font-size:1.6rem;margin:0}h2{font-size:1.1rem;margin:2.2rem 0 .6rem}
header{padding:1.2rem 1.5rem;border-left:.4rem solid;border-radius:.3rem}header p{margin:.3rem 0 0;color:#1c2430}
header.open{background:#eaf6ee}header.closed{background:#fdecea}
ul{margin:0;padding-left:1.2rem}li{margin:.25rem 0;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%}th{color:#5b6675;font-weight:600;font-size:.85rem;border-bottom:2px solid #c3cad3}
th,td{text-align:left;vertical-align:top;padding:.4rem .6rem .4rem 0}td{border-bottom:1px solid #e4e8ed;overflow-wrap:anywhere}
code{font-size:.9em}small{color:#5b6675;display:block}.number{font-variant-numeric:tabular-nums}
.holds,.warns,.fails{font-weight:600}.open,.holds{color:#17693a}.closed,.fails{color:#b3261e}.warns{color:#8a5a00}
"""


def write_report(
    folder: Path,
    expectations: Sequence[Expectation],
    results: Mapping[str, Mapping[str, Any]],
    found: Sequence[Finding],
    verdict: Verdict,
    measures: Mapping[str, float | None],
) -> None:
    """Write validation.json and index.html.

    Args:
        folder: where to.
        expectations: the recipe's.
        results: great-expectations' result for each table, strict JSON.
        found: every finding, Sluice's own checks included.
        verdict: the gate's answer.
        measures: what the audit measured.
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
    page = "\n".join(_page(expectations, results, found, verdict, measures))
    (folder / "index.html").write_text(page, encoding="utf-8")


def _page(
    expectations: Sequence[Expectation],
    results: Mapping[str, Mapping[str, Any]],
    found: Sequence[Finding],
    verdict: Verdict,
    measures: Mapping[str, float | None],
) -> Iterator[str]:
    of_splits = {i: e for i, e in enumerate(expectations) if "audit" not in e.tables}
    splits = [name for name in results if name != "audit"]
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Data gate</title>'
    yield f"<style>{STYLE}</style></head><body>"
    yield from _head(found, verdict)
    yield from _list("Why it is closed", verdict.reasons)
    yield from _list("Warnings", [finding.reason for finding in found if finding.warns])
    yield "<h2>Expectations of the rows</h2>"
    yield from _table(["Expectation", "Column", *splits], _expectation_rows(of_splits, splits, found))
    yield "<h2>The audit</h2>"
    yield from _table(["Measure", "Value", "Expected of it"], _measure_rows(expectations, measures, found))
    yield "<h2>Sluice's own checks</h2>"
    yield from _table(["About", "Check", "Found"], _check_rows(found))
    ways = ", ".join(f"{name} {result['way']}" for name, result in results.items())
    yield f"<h2>How it was judged</h2><p>By great-expectations: {escape(ways)}. "
    yield '<a href="data_docs/index.html">Its own pages</a> hold the same; their style is loaded from the network.</p>'
    yield "</body></html>\n"


def _head(found: Sequence[Finding], verdict: Verdict) -> Iterator[str]:
    state = "open" if verdict.passed else "closed"
    held, warned = sum(one.passed for one in found), sum(one.warns for one in found)
    yield f'<header class="{state}"><h1>Data gate: <span class="{state}">{state}</span></h1>'
    yield f"<p>{held} of {count(len(found), 'check')} hold, {count(warned, 'warning')}. "
    yield f"{'The data may be trained on.' if verdict.passed else 'Nothing may be trained on this data.'}</p></header>"


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
    expectations: Mapping[int, Expectation], tables: Sequence[str], found: Sequence[Finding]
) -> Iterator[list[str]]:
    cells = {(finding.position, finding.table): _cell(finding) for finding in found}
    for position, expectation in expectations.items():
        column = escape(subject("", expectation).removeprefix(": "))
        answers = [cells.get((position, table), "<small>not asked</small>") for table in tables]
        yield [_asked(expectation), column, *answers]


def _asked(expectation: Expectation) -> str:
    name = f"<code>{escape(expectation.type.removeprefix('expect_').replace('_', ' '))}</code>"
    severity = " <small>warning only</small>" if expectation.severity == "warning" else ""
    return f"{name}<small>{escape(arguments(expectation))}</small>{severity}"


def _measure_rows(
    expectations: Sequence[Expectation], measures: Mapping[str, float | None], found: Sequence[Finding]
) -> Iterator[list[str]]:
    of_audit = {one.position: one for one in found if one.table == "audit" and one.position is not None}
    for name, measure in measures.items():
        about = [i for i in of_audit if name in columns_named(expectations[i])]
        asked = [f"{_asked(expectations[i])}{_cell(of_audit[i])}" for i in about]
        meaning = f"{escape(name.replace('_', ' '))}<small>{escape(MEASURES.get(name, ''))}</small>"
        shown = "not measured" if measure is None else number(measure)
        yield [meaning, f'<span class="number">{shown}</span>', "".join(asked) or "<small>nothing</small>"]


def _check_rows(found: Sequence[Finding]) -> Iterator[list[str]]:
    for finding in found:
        if finding.position is None:
            yield [escape(finding.table), escape(finding.check), _cell(finding)]


def _cell(finding: Finding) -> str:
    state = "holds" if finding.passed else "warns" if finding.warns else "fails"
    return f'<span class="{state}">{state}</span> {escape(finding.observed)}'
