"""Preprocessing beside the obvious way of doing it: `python -m benchmarks.preprocess`, a part of `make bench`."""

from __future__ import annotations

import os
import random
import re
import shutil
import statistics
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import nltk
import numpy as np
import pandas as pd
import pyarrow as pa
from nltk.stem import WordNetLemmatizer

from sluice.features.stopwords import pinned_stopwords
from sluice.features.text import TextNormaliser
from sluice.features.wordnet import FILES, load_lemmatiser, wordnet_folder
from sluice.ingest import open_raw
from sluice.recipe import Text, parse_recipe, read_recipe

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("SLUICE_DATA") or ROOT.parent / "shared" / "data")
ROUNDS = 3
SEED = 17
ALL = Text(lowercase=True, letters_only=True, remove_stopwords=True, lemmatize=True)

ZIPF_LINES = 200_000
VOCABULARY = 50_000
STOPWORD_SHARE = 0.22
BATCH_ROWS = 65_536
"""So many rows at once are normalised in the preprocess component."""
UNICODE_TEXTS = 20_000
SPACES = "".join(chr(code) for code in range(0x110000) if chr(code).isspace())


def main() -> None:
    """Print every section."""
    print_text_speed()
    print_wordnet_ready()


# --- texts


class Cost(NamedTuple):
    """What a call took, in seconds."""

    cpu: float
    wall: float


def print_text_speed() -> None:
    """Both ways on the same texts, in turn; that they give the same is seen first."""
    texts = {f"{ZIPF_LINES:,} lines of Zipf words": zipf_lines(ZIPF_LINES)}
    if (ledger := hospital_ledger()) is not None:
        texts[f"{len(ledger):,} lines of the hospital ledger"] = ledger
    with tempfile.TemporaryDirectory() as folder:
        obvious, sluice = ObviousWay(nltk_lemmatizer(Path(folder))), SluicesWay()
        require_the_same(obvious, sluice, random_unicode(UNICODE_TEXTS))
        rows = {name: both_ways(obvious, sluice, found) for name, found in texts.items()}
    print(
        f"Text, all four steps, rows per CPU-second, medians of {ROUNDS} rounds in turn; every row's text is"
    )
    print(f"the same both ways, and that of {UNICODE_TEXTS:,} random Unicode strings")
    print(f"  {'':42}{'pandas and NLTK':>16}{'Sluice':>12}{'ratio':>8}{'wall ratio':>12}")
    for name, (theirs, ours) in rows.items():
        ratios = f"{theirs.cpu / ours.cpu:8.1f}{theirs.wall / ours.wall:12.1f}"
        number = len(texts[name])
        print(f"  {name:42}{number / theirs.cpu:16,.0f}{number / ours.cpu:12,.0f}{ratios}")


class ObviousWay:
    """What anybody would write: a function applied to each text, NLTK's lemmatiser to each word."""

    def __init__(self, lemmatizer: Any) -> None:
        self.stopwords = set(pinned_stopwords())
        self.lemmatizer = lemmatizer

    def __call__(self, texts: pd.Series[str]) -> pd.Series[str]:
        """Every text, normalised."""
        return texts.apply(self.clean)

    def clean(self, text: str) -> str:
        """One text."""
        words = re.sub(r"[^a-z\s]", "", text.lower()).split()
        return " ".join(self.lemmatizer.lemmatize(word) for word in words if word not in self.stopwords)


class SluicesWay:
    """In batches, as the component does it; nothing is remembered from an earlier call."""

    def __init__(self) -> None:
        self.lemmatise = load_lemmatiser(wordnet_folder())

    def __call__(self, texts: pa.Array) -> pa.Array:
        """Every text, normalised."""
        normaliser = TextNormaliser(ALL, pinned_stopwords(), self.lemmatise)
        starts = range(0, len(texts), BATCH_ROWS)
        return pa.concat_arrays([normaliser.normalise(texts[start : start + BATCH_ROWS]) for start in starts])


def both_ways(obvious: ObviousWay, sluice: SluicesWay, texts: pa.Array) -> tuple[Cost, Cost]:
    """The medians of what either way costs."""
    series = texts.to_pandas()
    require_the_same(obvious, sluice, texts)
    return medians([(cost(lambda: obvious(series)), cost(lambda: sluice(texts))) for _ in range(ROUNDS)])


def medians(rounds: list[tuple[Cost, Cost]]) -> tuple[Cost, Cost]:
    """Each side's."""
    theirs, ours = (
        Cost(*map(statistics.median, zip(*side, strict=True))) for side in zip(*rounds, strict=True)
    )
    return theirs, ours


def cost(call: Callable[[], object]) -> Cost:
    """What one call takes."""
    cpu, wall = time.process_time(), time.perf_counter()
    call()
    return Cost(time.process_time() - cpu, time.perf_counter() - wall)


def require_the_same(obvious: ObviousWay, sluice: SluicesWay, texts: pa.Array) -> None:
    """Stop at the first text that isn't the same both ways."""
    pairs = zip(obvious(texts.to_pandas()), sluice(texts).to_pylist(), texts.to_pylist(), strict=True)
    for theirs, ours, text in pairs:
        assert theirs == ours, f"{text!r} becomes {theirs!r} in the obvious way, {ours!r} in Sluice's"


def zipf_lines(number: int) -> pa.Array:
    """Ledger-like lines of 8 to 30 words; nouns and plurals by Zipf's law, stop-words, numbers, ids, odd case."""
    rng = np.random.default_rng(SEED)
    sizes = rng.integers(8, 31, number)
    total = int(sizes.sum())
    chances = 1 / np.arange(1, VOCABULARY + 1)
    words = zipf_vocabulary(rng)[rng.choice(VOCABULARY, total, p=chances / chances.sum())]
    stopwords = np.array(sorted(pinned_stopwords()), object)
    is_stopword = rng.random(total) < STOPWORD_SHARE
    words[is_stopword] = rng.choice(stopwords, int(is_stopword.sum()))
    how = rng.random(total)
    for place in np.flatnonzero((how < 0.34) & ~is_stopword | (how < 0.15)):
        words[place] = noisy(words[place], how[place], place)
    ends = np.cumsum(sizes).tolist()
    listed = words.tolist()
    return pa.array(
        " ".join(listed[end - size : end]) for end, size in zip(ends, sizes.tolist(), strict=True)
    )


def zipf_vocabulary(rng: np.random.Generator) -> Any:
    """Nouns of WordNet; three in ten as plurals, three in twenty no words at all."""
    with (wordnet_folder() / "index.noun").open(encoding="utf-8") as lines:
        nouns = [line[: line.index(" ")] for line in lines]
    usual = np.array([noun for noun in nouns if noun.isalpha() and 4 <= len(noun) <= 14], object)
    kinds = rng.random(VOCABULARY)
    chosen = zip(rng.choice(usual, VOCABULARY, replace=False), kinds, strict=True)
    return np.array([f"{w}s" if k < 0.3 else w[::-1] if k < 0.45 else w for w, k in chosen], object)


def noisy(word: str, how: float, place: int) -> str:
    """A word as it is typed into ledgers, or a number instead of it."""
    if how < 0.06:
        return word.upper()
    if how < 0.15:
        return word.title()
    if how < 0.20:
        return word + ",.;:!"[place % 5]
    if how < 0.23:
        return f"{word}-{place % 97}"
    if how < 0.25:
        return f"({word})"
    return f"INV{place * 31 % 10**7:07}" if how < 0.27 else str(place * 7919 % 10 ** (1 + place % 6))


def hospital_ledger() -> pa.Array | None:
    """The text columns of the hospital ledger's recipe, joined; none where the data isn't there."""
    file = ROOT / "recipes" / "hospital-ledger.yaml"
    recipe = parse_recipe(read_recipe(file), str(file))
    for folder in (DATA, *DATA.glob("*/")):
        if all((folder / name).is_file() for name in recipe.data.files):
            rows = pa.Table.from_batches(open_raw(folder, recipe.data).batches())
            return TextNormaliser(Text()).normalise(*(rows[name] for name in recipe.columns.text))
    print(f"The hospital ledger is left out: {', '.join(recipe.data.files)} isn't in {DATA} (SLUICE_DATA)")
    return None


def random_unicode(number: int) -> pa.Array:
    """Strings of any characters, of all white space, and of plain text with odd letters."""
    draw = random.Random(SEED)
    pools: list[Callable[[], str]] = [
        lambda: draw.choice(string.printable),
        lambda: draw.choice(SPACES),
        lambda: draw.choice("\0\u212b\u212aİſßΣﬁ\u0301\ufeff"),
        lambda: draw.choice(["the ", "dogs ", "Churches\u00a0", " was", "geese\u2028"]),
        lambda: chr(draw.choice([*range(0x20, 0xD800, 7), *range(0xE000, 0x110000, 997)])),
    ]
    return pa.array("".join(draw.choice(pools)() for _ in range(draw.randrange(40))) for _ in range(number))


def nltk_lemmatizer(folder: Path) -> Any:
    """NLTK's lemmatiser as its documentation has it, on the same WordNet files, found on its path."""
    corpus = folder / "corpora" / "wordnet"
    corpus.mkdir(parents=True)
    for name in FILES:
        shutil.copy(wordnet_folder() / name, corpus / name)
    for name in UNUSED:
        (corpus / name).touch()
    (corpus / "data.adj").write_text("  WordNet 3.0 Copyright\n")
    nltk.data.path.insert(0, str(folder))
    lemmatizer = WordNetLemmatizer()
    lemmatizer.lemmatize("dogs")  # reads the files
    return lemmatizer


UNUSED = ("verb.exc", "adj.exc", "adv.exc", "index.verb", "index.adj", "index.adv", "index.sense", "lexnames")
"""What NLTK wants to see, and nouns don't need: left empty, which makes NLTK start faster than it does by itself."""


# --- WordNet

SLUICE_READY = """
from sluice.features.wordnet import load_lemmatiser, wordnet_folder
assert load_lemmatiser(wordnet_folder())("dogs") == "dog"
"""
CLOCKS = """
import time
cpu, wall = time.process_time(), time.perf_counter()
{code}
print(time.process_time() - cpu, time.perf_counter() - wall)
"""
NLTK_READY = """
import sys
import nltk
nltk.data.path.insert(0, sys.argv[1])
assert nltk.stem.WordNetLemmatizer().lemmatize("dogs") == "dog"
"""


def print_wordnet_ready() -> None:
    """From a fresh process's first import to the first lemma."""
    with tempfile.TemporaryDirectory() as folder:
        nltk_lemmatizer(Path(folder))
        theirs, ours = medians(
            [(process_cost(NLTK_READY, folder), process_cost(SLUICE_READY)) for _ in range(ROUNDS)]
        )
    print(f"WordNet ready: a new process's first lemma, imports and all, medians of {ROUNDS} rounds in turn")
    print(f"  Sluice  {ours.wall:.2f} s, {ours.cpu:.2f} s of CPU")
    print(f"  NLTK    {theirs.wall:.2f} s, {theirs.cpu:.2f} s of CPU")


def process_cost(code: str, *arguments: str) -> Cost:
    """What a new process takes, by its own clocks: starting Python is not counted."""
    command = [sys.executable, "-c", CLOCKS.format(code=code), *arguments]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    cpu, wall = map(float, done.stdout.split())
    return Cost(cpu, wall)


if __name__ == "__main__":
    main()
