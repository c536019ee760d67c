"""Categories have an index each; 0 is for all that training didn't teach."""

import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sluice.features.categories import path_keys

from .builders import fitted, rows


def encoded(features, column, *changes):
    return features.transform(rows(*changes)).column(f"{column}_encoded").to_pylist()


def test_known_values_count_from_one_in_sorted_order_and_the_rest_is_unknown():
    features = fitted(rows({"colour": "red"}, {"colour": "blue"}, {"colour": None}))
    changes = ({"colour": "blue"}, {"colour": "red"}, {"colour": "green"}, {"colour": None}, {"colour": " "})
    assert encoded(features, "colour", *changes) == [1, 2, 0, 0, 0]
    assert features.cardinalities["colour_encoded"] == 3


def test_a_value_seen_too_rarely_is_unknown():
    features = fitted(rows({"colour": "red"}, {"colour": "red"}, {"colour": "blue"}), minimum_count=2)
    assert encoded(features, "colour", {"colour": "red"}, {"colour": "blue"}) == [1, 0]


def test_a_column_without_a_value_in_training_has_only_the_unknown():
    features = fitted(rows({"colour": None}))
    assert encoded(features, "colour", {"colour": "red"}) == [0]
    assert features.cardinalities["colour_encoded"] == 1


def test_a_level_is_known_by_the_path_of_its_parents():
    features = fitted(rows({"country": "UK", "town": "London"}, {"country": "CA", "town": "London"}))
    changes = (
        {"country": "CA", "town": "London"},
        {"country": "UK", "town": "London"},
        {"country": "FR", "town": "London"},
        {"country": None, "town": "London"},
        {"country": "UK", "town": None},
    )
    assert encoded(features, "town", *changes) == [1, 2, 0, 0, 0]
    assert encoded(features, "country", *changes) == [1, 2, 0, 0, 2]


def test_a_parent_is_counted_over_all_its_children():
    towns = [{"country": "UK", "town": "London"}, {"country": "UK", "town": "York"}]
    features = fitted(rows(*towns), minimum_count=2)
    assert encoded(features, "country", *towns) == [1, 1]
    assert encoded(features, "town", *towns) == [0, 0]


def test_all_batches_are_learned_from():
    features = fitted(
        rows({"colour": "red"}), rows({"colour": "blue"}), rows({"colour": "red"}), minimum_count=2
    )
    assert encoded(features, "colour", {"colour": "red"}, {"colour": "blue"}) == [1, 0]


paths = st.tuples(st.text("a:1\x1f", max_size=4), st.text("a:1\x1f", max_size=4))


@settings(deadline=None, derandomize=True)
@given(st.lists(paths, min_size=1))
@example([("a:", "a"), ("a", ":a")])
def test_only_equal_paths_share_a_key_whatever_stands_in_the_values(found):
    keys = path_keys([pa.array(level, pa.string()) for level in zip(*found, strict=True)]).to_pylist()
    assert len(set(keys)) == len(set(found))
