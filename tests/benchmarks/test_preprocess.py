"""The benchmark compares equals, on texts that are what it says."""

import re

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from benchmarks import preprocess
from sluice.features.stopwords import pinned_stopwords


def test_the_lines_are_as_long_and_as_full_of_stopwords_as_the_ledger_that_they_stand_for():
    lines = preprocess.zipf_lines(3_000)
    words = [word.lower().strip(",.;:!()") for line in lines.to_pylist() for word in line.split()]
    assert pc.mean(pc.utf8_length(lines)).as_py() == pytest.approx(159, abs=8)
    assert sum(word in pinned_stopwords() for word in words) / len(words) == pytest.approx(0.22, abs=0.01)
    assert lines.equals(preprocess.zipf_lines(3_000))


def test_it_prints_ratios_once_every_text_is_the_same_both_ways(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(preprocess, "ZIPF_LINES", 200)
    monkeypatch.setattr(preprocess, "UNICODE_TEXTS", 200)
    monkeypatch.setattr(preprocess, "DATA", tmp_path)
    preprocess.print_text_speed()
    printed = capsys.readouterr().out
    assert f"gstt_spend_2020_21.csv.gz isn't in {tmp_path}" in printed
    assert re.search(r"200 lines of Zipf words( +[\d,.]+){4}\n", printed)


def test_a_text_that_is_not_the_same_ends_it():
    with pytest.raises(AssertionError, match="'a' becomes 'A' in the obvious way, 'b' in Sluice's"):
        preprocess.require_the_same(
            lambda texts: texts.str.upper(), lambda _: pa.array(["b"]), pa.array(["a"])
        )
