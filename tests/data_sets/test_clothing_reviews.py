"""What is said of the clothing reviews is so."""

from __future__ import annotations

from collections import Counter

import pytest

from sluice.recipe.model import Data

from .reading import raw_rows, read, read_by

FILE = "Womens_Clothing_E-Commerce_Reviews.csv.gz"
REVIEWS = 23_486
UNWRITTEN = 845


@pytest.fixture(scope="module")
def folder(shared):
    return shared / "data" / "womens_clothing_reviews"


@pytest.fixture(scope="module")
def published(folder):
    return read(folder, Data(files=(FILE,)))


@pytest.fixture(scope="module")
def reviews(folder):
    return read_by("clothing-reviews", folder)


def parents(read, child, parent):
    """For each value of a level, the values above it."""
    above = {}
    for low, high in zip(read.column(child), read.column(parent), strict=True):
        above.setdefault(low, set()).add(high)
    above.pop(None, None)
    return above


def test_every_review_is_read_and_those_without_a_text_are_dropped_by_name(published, reviews):
    assert published.account.rows_kept == REVIEWS
    assert reviews.account.rows_read == REVIEWS
    assert dict(reviews.account.dropped) == {"missing_value": UNWRITTEN}
    assert reviews.nulls("review_text", "sentiment", "age") == {"review_text": 0, "sentiment": 0, "age": 0}


def test_titles_texts_and_departments_are_missing(published):
    missing = {name: count for name, count in published.nulls().items() if count}
    assert missing == {
        "title": 3_810,
        "review_text": UNWRITTEN,
        "division_name": 14,
        "department_name": 14,
        "class_name": 14,
    }


def test_cells_of_several_lines_are_read_as_they_were_written(folder, published):
    raw = [row["Review Text"].strip() or None for row in raw_rows(folder / FILE)]
    assert [sum(end in text for text in raw if text) for end in ("\n", "\r\n")] == [2_024, 1_398]
    assert published.column("review_text") == raw


def test_the_first_column_has_no_name_and_counts_the_rows(published, reviews):
    assert published.table.column_names[0] == "unnamed_1"
    assert published.column("unnamed_1") == [str(number) for number in range(REVIEWS)]
    assert "review" in reviews.table.column_names


def test_stars_make_the_sentiment(published, reviews):
    stars = Counter(published.column("rating"))
    assert (stars["4"] + stars["5"], stars["3"], stars["1"] + stars["2"]) == (18_208, 2_871, 2_407)
    made = set(zip(reviews.column("rating"), reviews.column("sentiment"), strict=True))
    assert made == {
        (s, {"1": "negative", "2": "negative", "3": "neutral"}.get(s, "positive")) for s in "12345"
    }


def test_the_typo_is_the_publishers_and_is_corrected(published, reviews):
    assert Counter(published.column("division_name"))["Initmates"] == 1_502
    assert set(reviews.column("division")) == {"General", "General Petite", "Intimates", None}


def test_a_class_belongs_to_one_department_but_departments_to_two_divisions(published):
    assert {len(above) for above in parents(published, "class_name", "department_name").values()} == {1}
    assert {len(above) for above in parents(published, "department_name", "division_name").values()} == {2}


def test_some_classes_have_one_row_or_two(published):
    classes = Counter(published.column("class_name"))
    assert (classes["Chemises"], classes["Casual bottoms"]) == (1, 2)
