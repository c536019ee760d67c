"""How a report's page is written: one self-contained HTML file that opens from disk, light or dark, and asks nobody for anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


class Html(str):
    """Text that is markup already; everything else is escaped before it is written."""

    __slots__ = ()


def document(title: str, heading: Html, sections: Iterable[str], style: str = "") -> str:
    """The whole page.

    Args:
        title: the window's title.
        heading: the page's first line.
        sections: what stands below it.
        style: rules of this page alone, after the common ones.
    """
    return _TEMPLATE.format(
        title=escape(title), heading=heading, style=_STYLE + style, sections="\n".join(sections)
    )


def section(title: str, *parts: Html) -> Html:
    """A part of the page, on a card of its own."""
    return Html(f"<section><h2>{escape(title)}</h2>{''.join(parts)}</section>")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1, tail: int = 0) -> Html:
    """A table; the first `words` and the last `tail` columns hold words, the others numbers."""
    last = len(head) - tail
    kinds = ["word" if i < words or i >= last else "number" for i in range(len(head))]
    body = "".join(_row("td", kinds, row) for row in rows)
    if not body:
        return Html("<p>None.</p>")
    top = _row("th", kinds, head)
    return Html(f'<div class="scroll"><table><thead>{top}</thead><tbody>{body}</tbody></table></div>')


def _row(tag: str, kinds: Sequence[str], cells: Sequence[str]) -> str:
    filled = (f'<{tag} class="{kind}">{_cell(cell)}</{tag}>' for kind, cell in zip(kinds, cells, strict=True))
    return f"<tr>{''.join(filled)}</tr>"


def _cell(value: str) -> str:
    return value if isinstance(value, Html) else escape(value)


def prose(text: str) -> Html:
    """A cell's running text: it takes what room there is and may break anywhere, where a name stays whole."""
    return Html(f'<div class="prose">{_cell(text)}</div>')


def number(value: float | None, digits: int = 4) -> str:
    """A number rounded; a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


_STYLE = """
:root { color-scheme: light dark; --ground: #f4f6f9; --card: #ffffff; --ink: #1c2430; --soft: #5c6878; --line: #d9dee6;
  --model: #2f6fde; --yes: #1a7f4b; --no: #c0362c; }
@media (prefers-color-scheme: dark) { :root { --ground: #0f131a; --card: #171c24; --ink: #dfe5ee; --soft: #98a4b5;
  --line: #333c49; --model: #6ea2ff; --yes: #4cc38a; --no: #ff7b70; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 66rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; margin: 0 0 1.25rem; }
h1 code { font-size: 1.1rem; color: var(--soft); font-weight: normal; }
h2 { font-size: 1.1rem; margin: 0 0 .75rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1.1rem 1.3rem; margin: 0 0 1rem; }
.verdict { border-left: .4rem solid var(--line); }
.verdict.yes { border-left-color: var(--yes); } .verdict.yes h2 { color: var(--yes); }
.verdict.no { border-left-color: var(--no); } .verdict.no h2 { color: var(--no); }
.verdict ul { list-style: none; margin: 0; padding: 0; }
.verdict li { padding-left: 1.6rem; position: relative; }
.verdict li::before { position: absolute; left: 0; font-weight: bold; }
.verdict li.yes::before { content: "✓"; color: var(--yes); } .verdict li.no::before { content: "✗"; color: var(--no); }
.tiles { display: flex; flex-wrap: wrap; gap: 1rem; margin-bottom: 1rem; }
.tile { flex: 1 1 14rem; border: 1px solid var(--line); border-radius: .5rem; padding: .7rem 1rem; }
.tile span, .tile small { color: var(--soft); display: block; }
.tile strong { font-size: 2.1rem; line-height: 1.2; color: var(--model); font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--soft); font-weight: 600; text-align: left; white-space: nowrap; }
.prose { min-width: 14rem; overflow-wrap: anywhere; }
th.number, td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
tbody tr:last-child td { border-bottom: 0; }
.bar { display: inline-block; width: 4rem; height: .7em; background: var(--line); border-radius: 2px; margin-right: .6rem; }
.bar i { display: block; height: 100%; background: var(--model); border-radius: 2px; }
figure { margin: 0; } img { max-width: 100%; height: auto; display: block; margin: 0 auto; }
p { margin: 0 0 .75rem; color: var(--soft); } code { overflow-wrap: anywhere; font-size: .85em; }
"""

_TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
</head>
<body><main>
<h1>{heading}</h1>
{sections}
</main></body>
</html>
"""
