"""Our lemmatiser of nouns finds what NLTK's does."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.features.lemmatiser import ENDINGS, NounLemmatiser
from sluice.features.wordnet import wordnet_folder


@pytest.fixture(scope="module")
def lemmatise():
    return NounLemmatiser(wordnet_folder())


def test_every_noun_that_wordnet_knows_and_every_exception_has_nltks_lemma(nltk_lemmatizer, lemmatise):
    assert len(lemmatise._nouns) == 117_798
    assert len(lemmatise._singulars) > 2_000
    for word in (*lemmatise._nouns, *lemmatise._singulars):
        assert lemmatise(word) == nltk_lemmatizer.lemmatize(word)


@pytest.mark.parametrize(("ending", "singular"), ENDINGS.items())
def test_every_plural_of_every_noun_has_nltks_lemma(nltk_lemmatizer, lemmatise, ending, singular):
    plurals = [noun.removesuffix(singular) + ending for noun in lemmatise._nouns if noun.endswith(singular)]
    assert plurals
    for plural in plurals:
        assert lemmatise(plural) == nltk_lemmatizer.lemmatize(plural)


pieces = st.lists(
    st.sampled_from([*ENDINGS, *ENDINGS.values(), "a", "u", "x", "S", "é", "'", "_"]), max_size=6
)


@settings(deadline=None, derandomize=True, max_examples=500)
@given(st.text(max_size=8) | pieces.map("".join))
def test_any_string_has_nltks_lemma(nltk_lemmatizer, lemmatise, word):
    assert lemmatise(word) == nltk_lemmatizer.lemmatize(word)


def test_the_shortest_form_is_the_lemma_and_the_word_itself_may_be_it(lemmatise):
    assert [lemmatise(word) for word in ("us", "glasses", "bus", "axes", "men", "Dogs", "xyzzys", "")] == [
        "u",
        "glass",
        "bus",
        "ax",
        "men",
        "Dogs",
        "xyzzys",
        "",
    ]
