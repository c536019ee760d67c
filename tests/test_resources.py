"""Where WordNet comes from, and what happens when it is missing or is not what it should be."""

import importlib.util
import io
import json
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "ci/resources.py"
WORDNET = ROOT / ".resources/wordnet"


@pytest.fixture
def resources():
    spec = importlib.util.spec_from_file_location("resources", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def wordnet(tmp_path):
    """A copy to spoil, in a folder whose name has a space."""
    return Path(shutil.copytree(WORDNET, tmp_path / "a folder" / "wordnet"))


@pytest.fixture
def offline(resources, tmp_path):
    """A machine without apt, package or network: every origin answers that it has nothing."""

    def nothing(_scratch):
        raise resources.Unavailable("not on this machine")

    resources.ORIGINS = dict.fromkeys(resources.ORIGINS, nothing)
    return resources


def test_a_second_fetch_changes_nothing_and_says_nothing():
    before = {path.name: path.stat().st_mtime_ns for path in WORDNET.iterdir()}
    again = subprocess.run([sys.executable, "-I", SCRIPT], capture_output=True, text=True, check=True)
    assert {path.name: path.stat().st_mtime_ns for path in WORDNET.iterdir()} == before
    assert (again.stdout, again.stderr) == ("", "")


def test_the_files_here_are_wordnet_3_0(resources):
    resources.check_wordnet(
        WORDNET, debian=json.loads((WORDNET / "origin.json").read_text())["origin"] != resources.NLTK
    )


def test_the_licence_travels_with_the_files():
    licence = (WORDNET / "LICENSE").read_text()
    assert licence.startswith("This software and database is being provided to you")
    assert "WordNet 3.0 Copyright 2006 by Princeton University" in licence
    assert licence.rstrip().endswith("LICENSEE agrees to preserve same.")


def test_a_changed_file_is_refused_by_name(resources, wordnet):
    with (wordnet / "noun.exc").open("a") as file:
        file.write("ledgers legder\n")
    with pytest.raises(resources.ResourceError) as error:
        resources.verify(wordnet)
    assert str(error.value) == (
        f"noun.exc in {wordnet} changed since set-up. Fetch WordNet again: rm -r '{wordnet}' && make resources"
    )


@pytest.mark.parametrize("name", ["index.noun", "noun.exc", "origin.json"])
def test_a_missing_file_is_refused_by_name(resources, wordnet, name):
    (wordnet / name).unlink()
    with pytest.raises(resources.ResourceError, match=f"lacks {name}. Fetch WordNet again"):
        resources.verify(wordnet)


def test_an_unreadable_record_is_refused(resources, wordnet):
    (wordnet / "origin.json").write_text("{")
    with pytest.raises(resources.ResourceError, match=r"origin\.json cannot be read"):
        resources.verify(wordnet)


def test_no_origin_at_all_says_what_was_tried_and_what_to_do(offline, tmp_path):
    with pytest.raises(offline.ResourceError) as error:
        offline.fetch(tmp_path / "wordnet")
    assert str(error.value) == (
        "WordNet was not found anywhere; tried\n"
        "  wordnet-base as installed: not on this machine\n"
        "  the Debian package wordnet-base: not on this machine\n"
        "  nltk.download: not on this machine\n"
        "  Install wordnet-base (apt-get install wordnet-base), or connect this machine once, then: make resources"
    )
    assert list(tmp_path.iterdir()) == []


def test_the_first_origin_that_has_wordnet_is_used_and_recorded(offline, tmp_path):
    offline.ORIGINS[offline.NLTK] = lambda _scratch: WORDNET
    folder = tmp_path / "a folder" / "wordnet"
    assert offline.fetch(folder) == offline.NLTK
    offline.verify(folder)
    assert json.loads((folder / "origin.json").read_text())["origin"] == offline.NLTK
    assert [path.name for path in folder.parent.iterdir()] == ["wordnet"]


def test_another_wordnet_is_refused_and_leaves_nothing(offline, wordnet, tmp_path):
    index = wordnet / "index.noun"
    index.write_bytes(index.read_bytes() + b"ledgerling n 1 1 @ 1 0 00001740  \n")
    offline.ORIGINS[offline.NLTK] = lambda _scratch: wordnet
    with pytest.raises(offline.ResourceError, match=r"has 117799 lemmas; WordNet 3\.0 has 117798"):
        offline.fetch(tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_a_debian_package_with_another_word_is_refused(resources, wordnet):
    index = wordnet / "index.noun"
    index.write_bytes(index.read_bytes().replace(b"\ninvoice n ", b"\ninvojce n "))
    with pytest.raises(resources.ResourceError, match=r"is not the one of Debian's wordnet-base 3\.0"):
        resources.check_wordnet(wordnet, debian=True)


def test_the_files_are_readable_for_all_and_writable_for_their_owner_only():
    modes = {path.name: path.stat().st_mode & 0o777 for path in WORDNET.iterdir()}
    assert set(modes.values()) == {0o644}


def test_nltk_lemmatises_with_these_files_alone(wordnet, monkeypatch):
    """No data file, no lexnames and no index.sense is needed for lemmas; a reader that asks for them is told so."""
    import nltk
    from nltk.corpus.reader.wordnet import WordNetCorpusReader
    from nltk.stem import WordNetLemmatizer

    class Reader(WordNetCorpusReader):
        def open(self, file):
            return io.StringIO() if file == "lexnames" else super().open(file)

        def _scan_satellites(self):
            self.satellite_offsets = set()

        def map_wn(self, version="wordnet"):
            return None

    monkeypatch.setattr(nltk.data, "path", [str(wordnet)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reader = Reader(str(wordnet), None)
    lemmatizer = WordNetLemmatizer()
    monkeypatch.setattr(lemmatizer, "_morphy", reader._morphy)
    words = ["invoices", "supplies", "was", "feet", "ledgers", "xyzzy"]
    assert [lemmatizer.lemmatize(word) for word in words] == [
        "invoice",
        "supply",
        "wa",
        "foot",
        "ledger",
        "xyzzy",
    ]
