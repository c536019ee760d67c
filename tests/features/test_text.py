"""Texts are normalised as the obvious program would, only faster."""

import re

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.contract import ResourceMissing
from sluice.features.stopwords import pinned_stopwords
from sluice.features.text import TextNormaliser, join_texts, trimmed
from sluice.features.wordnet import load_lemmatiser, wordnet_folder
from sluice.recipe import Text

from .builders import COLUMNS, fitted, rows

ALL = Text(lowercase=True, letters_only=True, remove_stopwords=True, lemmatize=True)
WORDS = [
    "The",
    "dogs",
    "CHURCHES",
    "was",
    "don't",
    "co-op",
    "1999",
    "£5",
    "geese",
    "men",
    "Ärzte",
    "İstanbul",
    "ΑΣ",
]
WORDS += ["\u212bngström", "us", "has", "leaves", "s", "R&D", "KINGS", "abaci", "A", "boxes", "ﬁsh"]
GAPS = [" ", "  ", "\t", "\n", "\r\n", "\x1c", "\x1f", "\u00a0", "\u2003", "\u0085", "-"]

words = st.one_of(st.sampled_from(WORDS), st.text(max_size=6))
texts = st.lists(st.tuples(words, st.sampled_from(GAPS)), max_size=8).map(
    lambda p: "".join(a + b for a, b in p)
)
by_word = st.builds(
    Text,
    lowercase=st.booleans(),
    letters_only=st.booleans(),
    remove_stopwords=st.booleans(),
    lemmatize=st.booleans(),
).filter(lambda s: s.letters_only or s.remove_stopwords or s.lemmatize)


@pytest.fixture(scope="module")
def lemmatise():
    return load_lemmatiser(wordnet_folder())


def obvious(parts, how, lemmatizer):
    """What anybody would write: one text at a time, one word at a time."""
    text = " ".join(part for part in parts if part is not None)
    if how.lowercase:
        text = text.lower()
    if how.letters_only:
        text = re.sub(r"[^a-z\s]" if how.lowercase else r"[^A-Za-z\s]", "", text)
    found = text.split()
    if how.remove_stopwords:
        found = [word for word in found if word.lower() not in pinned_stopwords()]
    if how.lemmatize:
        found = [lemmatizer.lemmatize(word) for word in found]
    return " ".join(found)


@settings(deadline=None, derandomize=True)
@given(how=by_word, parts=st.lists(st.tuples(st.none() | texts, st.none() | texts), min_size=1, max_size=5))
def test_any_text_becomes_what_the_obvious_program_makes_of_it(nltk_lemmatizer, lemmatise, how, parts):
    stopwords = pinned_stopwords() if how.remove_stopwords else ()
    normalise = TextNormaliser(how, stopwords, lemmatise if how.lemmatize else None)
    columns = [trimmed(pa.array(column, pa.string())) for column in zip(*parts, strict=True)]
    made = list(map(normalise, join_texts(columns)))
    assert made == [obvious(both, how, nltk_lemmatizer) for both in parts]


@pytest.mark.parametrize(
    ("how", "text", "made"),
    [
        (Text(), "  Co-op  No.7 ", "Co-op  No.7"),
        (Text(lowercase=True), "Co-op  No.7", "co-op  no.7"),
        (Text(letters_only=True), "Co-op  No.7 Ärzte", "Coop No rzte"),
        (Text(lowercase=True, letters_only=True), "Co-op  No.7", "coop no"),
        (Text(remove_stopwords=True), "The dogs AND don't 7", "dogs 7"),
        (Text(lemmatize=True), "dogs Dogs churches 7", "dog Dogs church 7"),
        (ALL, "The KINGS' 3 churches, and the geese!", "king church goose"),
        (ALL, "the and 7", ""),
    ],
)
def test_each_step_does_what_the_recipe_says(how, text, made):
    batch = rows({"note": text, "street": None})
    assert fitted(rows({}), text=how).transform(batch).column("combined_text").to_pylist() == [made]


def test_parts_are_joined_by_one_blank_and_nulls_and_blanks_are_skipped():
    batch = rows({"note": None}, {"street": " "}, {}, {"note": None, "street": None})
    made = fitted(rows({})).transform(batch).column("combined_text").to_pylist()
    assert made == ["High Street 5", "Two red boxes", "Two red boxes High Street 5", ""]


def test_the_order_of_the_parts_is_the_recipes():
    turned = COLUMNS.model_copy(update={"text": ("street", "note")})
    made = fitted(rows({}), columns=turned).transform(rows({}))
    assert made.column("combined_text").to_pylist() == ["High Street 5 Two red boxes"]


def test_a_word_is_worked_out_once():
    asked = []
    normalise = TextNormaliser(Text(lemmatize=True), (), lambda word: asked.append(word) or word)
    assert normalise("a b a") == normalise("a b a") == "a b a"
    assert asked == ["a", "b"]


def test_the_memory_for_words_has_an_end(monkeypatch):
    monkeypatch.setattr("sluice.features.text.REMEMBERED_WORDS", 3)
    normalise = TextNormaliser(Text(lemmatize=True), (), str.upper)
    assert normalise("a b c d e f a") == "A B C D E F A"
    assert len(normalise._words) <= 3


def test_lemmas_are_those_of_wordnet_3_0(lemmatise):
    golden = {
        "dogs": "dog", "churches": "church", "aardwolves": "aardwolf", "abaci": "abacus", "hardrock": "hardrock",
        "geese": "goose", "men": "men", "women": "woman", "leaves": "leaf", "axes": "ax", "boxes": "box",
        "services": "service", "supplies": "supply", "fees": "fee", "was": "wa", "has": "ha", "us": "u",
        "series": "series", "xyzzy": "xyzzy", "data": "data", "knives": "knife", "oxen": "ox", "Dogs": "Dogs",
    }  # fmt: skip
    assert {word: lemmatise(word) for word in golden} == golden


def test_a_missing_wordnet_is_told_before_any_row_is_read(monkeypatch, tmp_path):
    monkeypatch.setenv("SLUICE_WORDNET", str(tmp_path / "no wordnet"))
    with pytest.raises(ResourceMissing) as error:
        fitted(rows({}), text=ALL)
    assert str(error.value) == (
        f"{tmp_path}/no wordnet: WordNet, which text.lemmatize needs, isn't here. Got: no index.noun, noun.exc, "
        "LICENSE. Allowed: a folder with index.noun, noun.exc, LICENSE. Run `make resources`, or set SLUICE_WORDNET "
        "to a folder that holds them."
    )


def test_text_that_needs_no_wordnet_needs_none(monkeypatch, tmp_path):
    monkeypatch.setenv("SLUICE_WORDNET", str(tmp_path))
    text = Text(lowercase=True, remove_stopwords=True)
    assert (
        fitted(rows({}), text=text).transform(rows({})).column("combined_text")[0].as_py()
        == "two red boxes high street 5"
    )
