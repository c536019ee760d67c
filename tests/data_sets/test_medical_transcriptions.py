"""What is said of the medical transcriptions is so."""

from __future__ import annotations

from collections import Counter

import pytest

from sluice.recipe.model import Data

from .reading import read, read_by

NOTES = 4_999
UNWRITTEN = 33
FORTY, FIFTEEN = "medical-transcriptions", "medical-transcriptions-15"


@pytest.fixture(scope="module")
def folder(shared):
    return shared / "data" / "mtsamples"


@pytest.fixture(scope="module")
def published(folder):
    return read(folder, Data(files=("mtsamples.csv.gz",)))


def specialties(read):
    """For each transcription, how many rows it has under each specialty."""
    found = {}
    for text, specialty in zip(read.column("transcription"), read.column("medical_specialty"), strict=True):
        found.setdefault(text, Counter())[specialty] += 1
    return found


def ceiling(read):
    """The share of rows that a model is right in that gives each text its most frequent specialty."""
    best = sum(max(counts.values()) for counts in specialties(read).values())
    return best / read.table.num_rows


def test_the_file_has_40_specialties_and_half_as_many_texts_as_rows(published):
    assert published.account.rows_kept == NOTES
    assert published.nulls("transcription", "keywords") == {"transcription": UNWRITTEN, "keywords": 1_149}
    assert len(set(published.column("medical_specialty"))) == 40
    assert len(set(published.column("transcription")) - {None}) == 2_357


def test_nine_of_ten_texts_stand_under_two_to_five_specialties(published):
    under = [len(counts) for text, counts in specialties(published).items() if text is not None]
    assert (sum(count > 1 for count in under), max(under)) == (2_148, 5)


def test_keywords_begin_with_the_specialty_wherever_there_are_keywords(published):
    pairs = zip(published.column("keywords"), published.column("medical_specialty"), strict=True)
    assert {words.lower().startswith(specialty.lower()) for words, specialty in pairs if words} == {True}


@pytest.mark.parametrize(
    ("name", "dropped", "share"),
    [(FORTY, {"missing_value": 33}, 0.475), (FIFTEEN, {"not_kept": 2_597, "missing_value": 17}, 0.793)],
)
def test_no_model_with_one_answer_per_text_can_be_right_more_often(folder, name, dropped, share):
    notes = read_by(name, folder)
    assert dict(notes.account.dropped) == dropped
    assert notes.account.rows_kept == NOTES - sum(dropped.values())
    assert ceiling(notes) == pytest.approx(share, abs=0.0005)
