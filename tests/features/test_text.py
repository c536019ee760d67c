"""Texts are normalised as the obvious program would, only faster."""

import re
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluice.contract import ResourceMissing
from sluice.features.stopwords import pinned_stopwords
from sluice.features.text import TextNormaliser
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
GAPS = [
    " ",
    "  ",
    "\t",
    "\n",
    "\r\n",
    "\x0b",
    "\x1c",
    "\x1f",
    "\u00a0",
    "\u2003",
    "\u2028",
    "\u0085",
    "-",
    "\0",
]

words = st.one_of(st.sampled_from(WORDS), st.text(max_size=6))
texts = st.lists(st.tuples(words, st.sampled_from(GAPS)), max_size=8).map(
    lambda p: "".join(a + b for a, b in p)
)
columns = st.lists(st.tuples(st.none() | texts, st.none() | texts), max_size=8).map(
    lambda found: [[first for first, _ in found], [second for _, second in found]]
)
switches = st.builds(
    Text,
    lowercase=st.booleans(),
    letters_only=st.booleans(),
    remove_stopwords=st.booleans(),
    lemmatize=st.booleans(),
)


@pytest.fixture(scope="module")
def lemmatise():
    return load_lemmatiser(wordnet_folder())


@pytest.fixture
def normaliser(lemmatise):
    def made(how=ALL):
        stopwords = pinned_stopwords() if how.remove_stopwords else ()
        return TextNormaliser(how, stopwords, lemmatise if how.lemmatize else None)

    return made


def obvious(parts, how, lemmatizer):
    """What anybody would write: one text at a time, one word at a time."""
    text = " ".join(part for part in parts if part is not None)
    if how.lowercase:
        text = text.lower()
    if how.letters_only:
        text = re.sub(r"[^a-z\s]" if how.lowercase else r"[^A-Za-z\s]", "", text)
    if not (how.letters_only or how.remove_stopwords or how.lemmatize):
        return text
    found = text.split()
    if how.remove_stopwords:
        found = [word for word in found if word.lower() not in pinned_stopwords()]
    if how.lemmatize:
        found = [lemmatizer.lemmatize(word) for word in found]
    return " ".join(found)


@settings(
    deadline=None,
    derandomize=True,
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(how=switches, columns=columns)
def test_any_text_becomes_what_the_obvious_program_makes_of_it(nltk_lemmatizer, normaliser, how, columns):
    made = normaliser(how).normalise(*(pa.array(column, pa.string()) for column in columns))
    assert made.type == pa.string()
    assert made.to_pylist() == [obvious(row, how, nltk_lemmatizer) for row in zip(*columns, strict=True)]


@pytest.mark.parametrize(("batch_rows", "piece_bytes"), [(1, 1), (2, 1 << 20), (1 << 20, 1), (3, 30)])
@pytest.mark.parametrize("how", [ALL, Text(lowercase=True), Text(), Text(lemmatize=True)], ids=str)
def test_how_much_is_normalised_at_once_makes_no_difference(
    normaliser, monkeypatch, how, batch_rows, piece_bytes
):
    found = pa.array([*(f"{a} {b}" for a, b in zip(WORDS, WORDS[::-1], strict=True)), "", None, *WORDS])
    whole = normaliser(how).normalise(found)
    monkeypatch.setattr("sluice.features.text.BATCH_ROWS", batch_rows)
    monkeypatch.setattr("sluice.features.text.PIECE_BYTES", piece_bytes)
    assert normaliser(how).normalise(found).equals(whole)


@pytest.mark.parametrize(
    "layout",
    [
        lambda values: pa.array(["before", *values, "behind"])[1:-1],
        lambda values: pa.array(values, pa.large_string()),
        lambda values: pa.array(values).dictionary_encode(),
        lambda values: pa.chunked_array([values[:1], [], values[1:]]),
    ],
    ids=["a slice", "long strings", "a dictionary", "chunks"],
)
@pytest.mark.parametrize("how", [ALL, Text(lowercase=True), Text()], ids=str)
def test_how_the_texts_lie_in_memory_makes_no_difference(normaliser, how, layout):
    values = ["The dogs", None, "Ärzte\u00a0in", "", "The dogs", "Boxes"]
    turned = values[::-1]
    plain = normaliser(how).normalise(pa.array(values), pa.array(turned))
    assert normaliser(how).normalise(layout(values), layout(turned)).equals(plain)
    assert normaliser(how).normalise(layout(values), pa.array(turned)).equals(plain)
    assert plain.null_count == 0


@pytest.mark.parametrize("how", [ALL, Text(lowercase=True), Text()], ids=str)
def test_no_rows_give_no_texts(normaliser, how):
    for none in (pa.array([], pa.string()), pa.chunked_array([], pa.string()), pa.array(["a"])[:0]):
        assert normaliser(how).normalise(none, none).equals(pa.array([], pa.string()))


def test_texts_without_a_word_that_is_kept_are_empty(normaliser):
    assert normaliser().normalise(pa.array(["", None, "the", "7", " \x1f "])).to_pylist() == [""] * 5


def test_lowercase_is_unicodes_in_every_text_and_not_only_in_its_letters(normaliser):
    found = pa.array(["\u212bngström", "İstanbul", "ΟΔΟΣ ΟΔΟΣ", "\u212a", "PLAIN"])
    assert normaliser(Text(lowercase=True)).normalise(found).to_pylist() == [
        "ångström",
        "i̇stanbul",
        "οδος οδος",
        "k",
        "plain",
    ]
    letters = Text(lowercase=True, letters_only=True)
    assert normaliser(letters).normalise(found).to_pylist() == ["ngstrm", "istanbul", "", "k", "plain"]


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


@pytest.fixture
def asking():
    """A normaliser, and the words that it has worked out."""
    asked = []
    return TextNormaliser(Text(lemmatize=True), (), lambda word: asked.append(word) or word.upper()), asked


def test_a_word_is_worked_out_once(asking):
    normaliser, asked = asking
    for length in (1, 2):
        texts = [" ".join(["one", "two"] * n) for n in range(length, 9)]
        assert normaliser.normalise(pa.array(texts)).to_pylist() == [text.upper() for text in texts]
    assert asked == ["one", "two"]


def test_words_are_forgotten_where_finding_them_again_would_take_longer_than_the_texts(asking):
    normaliser, asked = asking
    many = [f"word{n}" for n in range(100)]
    for _ in range(3):
        assert normaliser.normalise(pa.array(["one two"])).to_pylist() == ["ONE TWO"]
        assert normaliser.normalise(pa.array(many)).to_pylist() == [word.upper() for word in many]
    assert len(normaliser._memory.words) < 1_000
    assert asked.count("word1") == 3


def test_threads_may_share_a_normaliser(normaliser):
    shared = normaliser()
    texts = [
        pa.array([f"{chr(97 + n % 26)}x{'s' * (n % 5)} dogs{chr(97 + n // 26)}"] * 9) for n in range(200)
    ]
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(shared.normalise, texts))
    assert made == [normaliser().normalise(text) for text in texts]


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
