"""Dirty files of every kind, written by a generator that knows of each row what has to become of it."""

from __future__ import annotations

import codecs
import pathlib
import re
import tempfile
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.ingest import SOURCE_FILE, SOURCE_ROW, Account
from tests.ingest.build import opened, read_all, write

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
LINE_ENDS = ["\n", "\r\n", "\r"]
PACKING = ["csv", "csv.gz", "csv.zst"]
ORDERS = [
    ("id", "memo", "kind", "amount"),
    ("amount", "kind", "memo", "id"),
    ("memo", "amount", "id", "kind"),
]
SPELT = {
    "id": ["ID", " id "],
    "memo": ["Memo", "Note text"],
    "kind": ["kind"],
    "amount": ["Amount", "Betrag (EUR)"],
}
RENAME = {"note_text": "memo", "betrag_eur": "amount"}
KEPT = ("a", "b")


@dataclass(frozen=True)
class Written:
    """An encoding: what the recipe says, how bytes are made, and a character that becomes none of its bytes."""

    said: str
    codec: str
    mark: bytes = b""
    wrong: str | None = "\udcff"

    @property
    def alphabet(self) -> str:
        return (
            'ab ",;|\t\n\ré£\u00a0'
            + ("" if self.codec == "latin-1" else "–")
            + ("😀" if "utf" in self.codec else "")
        )

    def encode(self, text: str) -> bytes:
        escape = "surrogatepass" if "16" in self.codec else "surrogateescape"
        return self.mark + text.encode(self.codec, escape)

    def shown(self, text: str) -> str:
        """How a quarantined row is shown."""
        return re.sub("[\ud800-\udfff]", lambda found: self.escape(found[0]), text.rstrip("\r\n"))

    def escape(self, wrong: str) -> str:
        return f"\\u{ord(wrong):04x}" if "16" in self.codec else f"\\x{ord(wrong) - 0xDC00:02x}"


ENCODINGS = [
    Written("utf-8", "utf-8"),
    Written("cp1252", "utf-8", codecs.BOM_UTF8),
    Written("latin-1", "latin-1", wrong=None),
    Written("cp1252", "cp1252", wrong="\udc81"),
    Written("utf-8", "utf-16-le", codecs.BOM_UTF16_LE, "\ud800"),
    Written("utf-16", "utf-16-be", wrong="\udc00"),
]  # fmt: skip


@dataclass
class Record:
    """A row as it is written, and what has to become of it: a kind of reason, or nothing if it is kept or dropped."""

    text: str
    cells: dict[str, str] = field(default_factory=dict)
    reason: str | None = None


@dataclass
class DirtyFile:
    name: str
    raw: bytes
    encoding: Written
    records: list[tuple[int, Record]]
    """With the line that each starts on."""


@dataclass
class Case:
    delimiter: str
    header_line: int
    unparsed: str
    files: list[DirtyFile]


@st.composite
def records(draw, encoding: Written, delimiter: str, order: tuple[str, ...], unparsed: str):
    """One row, or two where the first can't be told from what follows without it."""

    def quoted(cell: str) -> str:
        return '"' + cell.replace('"', '""') + '"'

    def cell_text(cell: str) -> str:
        must = cell.startswith('"') or any(each in cell for each in (delimiter, "\r", "\n"))
        return quoted(cell) if must or draw(st.booleans()) else cell

    def joined(cells: dict[str, str]) -> str:
        return delimiter.join(cell_text(cells[name]) for name in order)

    text = st.text(st.sampled_from(encoding.alphabet), max_size=6)
    cells = {
        "id": draw(text),
        "memo": draw(text),
        "kind": draw(st.sampled_from(["a", " b ", "c", ""])),
        "amount": draw(st.sampled_from(["5", " -1.5 ", "2e3", "", "+.5"])),
    }
    dirt = draw(st.sampled_from(["none"] * 6 + ["ragged", "stray", "unclosed", "wrong", "nul", "number"]))
    if dirt == "wrong" and encoding.wrong:
        cells["memo"] = "x" + encoding.wrong + draw(text)
        return [Record(joined(cells), cells, "wrong byte")]
    if dirt == "nul":
        cells["id"] = "\0" + draw(text)
        return [Record(joined(cells), cells, "NUL byte")]
    if dirt == "number":
        cells["amount"] = draw(st.sampled_from(["5,,0", "x", "1 2", "0x1", "inf"])).replace(delimiter, "")
        return [Record(joined(cells), cells, None if unparsed == "null" else NUMBER[cells["amount"]])]
    if dirt == "ragged":
        count = draw(st.sampled_from([1, 2, 3, 5, 9]))
        return [Record(delimiter.join(["5"] * count), {}, "ragged row")]
    if dirt == "stray":
        return [Record(delimiter.join(["5", '"a"b', "a", "5"]), {}, "stray quote")]
    if dirt == "unclosed":
        # The quote is closed where the next row opens one, and text follows: so it was never closed.
        guard = {**cells, order[0]: "7"}
        return [
            Record(delimiter.join(["5", "5", "a", '"x']), {}, "stray quote"),
            Record(delimiter.join(quoted(guard[name]) for name in order), guard),
        ]
    return [Record(joined(cells), cells)]


NUMBER = {"5,,0": "not a number", "50": None, "x": "not a number", "1 2": "not a number", "0x1": "not a number", "inf": "number not finite"}  # fmt: skip


@st.composite
def dirty_files(draw, number: int, delimiter: str, header_line: int, unparsed: str, encoding: Written):
    order = draw(st.sampled_from(ORDERS))
    rows = draw(st.lists(records(encoding, delimiter, order, unparsed), min_size=1, max_size=8))
    text = "".join(draw(st.sampled_from(["Payments\n", "\n", '"open\r\n'])) for _ in range(header_line - 1))
    text += delimiter.join(draw(st.sampled_from(SPELT[name])) for name in order) + "\n"
    told = []
    for record in [record for several in rows for record in several]:
        text += draw(st.sampled_from(["", "", "\n", "\r\n", "\r"]))  # a line with nothing on it is no row
        told.append((1 + len(re.findall("\r\n|\r|\n", text)), record))
        text += record.text + draw(st.sampled_from(LINE_ENDS))
    if draw(st.booleans()) and not told[-1][1].text.endswith(("\r", "\n")):
        text = text.rstrip("\r\n")
    name = f"rows.{number}.{draw(st.sampled_from(PACKING))}"
    return DirtyFile(name, encoding.encode(text), encoding, told)


@st.composite
def cases(draw):
    delimiter = draw(st.sampled_from([*DELIMITERS]))
    header_line = draw(st.sampled_from([1, 1, 3]))
    unparsed = draw(st.sampled_from(["quarantine", "null"]))
    said = draw(st.sampled_from(ENCODINGS)).said
    # Files with a mark say what they are, so one recipe can have several encodings.
    several = st.sampled_from([each for each in ENCODINGS if each.mark or each.said == said])
    files = [
        draw(dirty_files(number, DELIMITERS[delimiter], header_line, unparsed, draw(several)))
        for number in range(draw(st.integers(1, 3)))
    ]
    return said, Case(delimiter, header_line, unparsed, files)


def value(name: str, cell: str):
    """What a cell that is kept has to be."""
    if name == "amount":
        return None if cell in ("", "5,,0", "x", "1 2", "0x1", "inf") else float(cell)
    return cell.strip() or None


@settings(derandomize=True, deadline=None, max_examples=60)
@given(said_and_case=cases(), block_bytes=st.sampled_from([1, 2, 7, 64, 1 << 20]))
def test_every_row_is_kept_as_it_is_or_dropped_or_quarantined_with_its_place(said_and_case, block_bytes):
    said, case = said_and_case
    sections = {
        "csv": {"encoding": said, "delimiter": case.delimiter, "header_line": case.header_line},
        "rename": {name: to for name, to in RENAME.items() if any(_has(file, name) for file in case.files)},
        "types": {"amount": {"type": "number", "unparsed": case.unparsed}},
        "keep": {"kind": KEPT},
    }
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for file in case.files:
            write(folder, file.name, file.raw)
        result = read_all(opened(folder, block_bytes=block_bytes, **sections))
        whole = read_all(opened(folder, **sections))
        files = opened(folder, **sections).files
        parts = [read_all(opened(folder, only=[file], **sections)) for file in files[1:] and files]
    kept, dropped, quarantined = expected(case)
    assert result.rows == kept
    assert [
        (row["file"], row["line"], row["row"], row["reason"].split(":")[0], row["text"])
        for row in result.quarantined
    ] == quarantined
    account = result.account
    assert account.rows_read == len(kept) + dropped + len(quarantined)
    assert account.dropped["not_kept"] == dropped
    assert result == whole
    assert len(files) == 1 or Account.merged([part.account for part in parts], files) == account


def _has(file: DirtyFile, name: str) -> bool:
    spelt = {"note_text": "Note text", "betrag_eur": "Betrag (EUR)"}[name]
    return spelt in file.raw.decode(file.encoding.codec, "replace")


def expected(case: Case):
    kept, dropped, quarantined = [], 0, []
    first = ORDERS[0]
    for file in sorted(case.files, key=lambda each: each.name):
        for row, (line, record) in enumerate(file.records):
            if record.reason:
                text = file.encoding.shown(record.text)
                quarantined.append((file.name, line, row, record.reason, text))
            elif record.cells["kind"].strip() in KEPT:
                cells = {name: value(name, record.cells[name]) for name in first}
                kept.append({**cells, SOURCE_FILE: file.name, SOURCE_ROW: row})
            else:
                dropped += 1
    return kept, dropped, quarantined
