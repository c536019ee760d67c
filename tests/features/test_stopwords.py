"""The stop-word list is pinned."""

import zipfile

import pytest

from sluice.contract import ResourceMissing
from sluice.features import stopwords


def test_the_list_is_the_pinned_one():
    words = stopwords.pinned_stopwords()
    assert len(words) == 179
    assert {"the", "don't", "wouldn"} <= words
    assert not any(word.startswith("#") or word != word.lower().strip() for word in words)


def test_the_list_is_sorted_and_says_where_it_is_from():
    lines = stopwords.PINNED.read_text().splitlines()
    words = [line for line in lines if not line.startswith("#")]
    assert words == sorted(set(words))
    assert "licence" in "".join(line for line in lines if line.startswith("#"))


def test_the_words_are_nltks(shared):
    with zipfile.ZipFile(shared / "data" / "nltk" / "stopwords.zip") as archive:
        assert stopwords.pinned_stopwords() == frozenset(archive.read("stopwords/english").decode().split())


@pytest.mark.parametrize("content", ["the\n", None])
def test_another_list_is_refused(monkeypatch, tmp_path, content):
    other = tmp_path / "stopwords.txt"
    if content:
        other.write_text(content)
    monkeypatch.setattr(stopwords, "PINNED", other)
    with pytest.raises(
        ResourceMissing, match=r"the stop-word list isn't the pinned one.*Restore it from version control"
    ):
        stopwords.pinned_stopwords()
