"""Columns recoded from others, rows that are kept, and the account of several readers."""

from __future__ import annotations

import copy

import pytest

from sluice.ingest import Account, open_raw
from tests.ingest.build import column, data, opened, read, read_all, write

MOOD = {"from": "rating", "to": "mood", "values": {"1": "bad", "2": "bad", "5": "good"}}


def test_values_are_recoded_and_what_the_rule_does_not_know_is_counted(folder):
    write(folder, "rows.csv", "id,rating\n1, 5 \n2,1\n3,three\n4,\n5,3\n6,three\n")
    result = read(folder, recode=[MOOD])
    assert column(result, "mood") == ["good", "bad", None, None, None, None]
    (count,) = result.account.recoded
    assert (count.source, count.to, count.unmatched, count.examples) == ("rating", "mood", 3, ["three", "3"])


def test_rules_are_applied_in_their_order(folder):
    write(folder, "rows.csv", "Stars\nstars: 5\nstars: 1\nstars: 2\n")
    write(folder, "list.csv", "mood,words\ngood,w1\nbad,w2\n")
    result = read(
        folder,
        rename={"stars": "text"},
        derive=[{"from": "text", "pattern": r"(?P<rating>\d)"}],
        recode=[MOOD],
        merge={"file": "list.csv", "key": "mood", "columns": ["words"]},
        keep={"words": ["w2"]},
    )
    assert [(row["text"], row["rating"], row["mood"], row["words"]) for row in result.rows] == [
        ("stars: 1", "1", "bad", "w2"),
        ("stars: 2", "2", "bad", "w2"),
    ]
    assert result.account.dropped == {"unmatched_key": 0, "not_kept": 1}


def test_rows_without_one_of_the_wanted_values_are_dropped_by_a_rule(folder):
    write(folder, "rows.csv", "id,kind,year\n1,a,2020\n2,b,2021\n3,,2020\n4, b ,2020\n5,c,2020\n6\n")
    result = read(folder, keep={"kind": ["a", "b"], "year": ["2020"]}, numeric=("year",))
    assert column(result, "id") == ["1", "4"]
    assert result.account.dropped == {"not_kept": 3}
    assert result.account.rows_quarantined == 1


def test_rows_that_lack_what_is_required_are_dropped_by_a_rule(folder):
    write(folder, "rows.csv", "id,note,year\n1,a,2020\n2, ,2021\n3,c,\n4,d,2020\n")
    result = read(folder, require=["note", "year"], numeric=("year",))
    assert column(result, "id") == ["1", "4"]
    assert result.account.dropped == {"missing_value": 2}
    assert result.account.balanced


FILES = {
    "rows.1.csv": "id,rating,amount\n1,5,7\n2,x\n3,nine,8\n4,1,a\n",
    "rows.2.csv": "amount,id,rating\n1,1,eight\n2,2,nine\nb,3,5\n4,4,seven\n",
    "rows.3.csv": "id,rating,amount\n1,six,c\n2,5,9\n3,1,z\n4,2\n5,eight,3\n6,five,3\n7,four,3\n",
}
RULES = {
    "derive": [{"from": "rating", "pattern": r"(?P<word>[a-z]+)"}],
    "recode": [MOOD],
    "types": {"amount": {"type": "number", "unparsed": "null"}},
    "keep": {"mood": ["good", "bad"]},
    "merge": {"file": "list.csv", "key": "id", "columns": ["name"]},
}


def shards(folder, parts: list[list[str]]) -> list:
    return [read_all(opened(folder, only=part, **RULES)) for part in parts]


@pytest.fixture
def three_files(folder):
    for name, content in FILES.items():
        write(folder, name, content)
    write(folder, "list.csv", "id,name\n1,a\n2,b\n4,d\n")
    return folder


@pytest.mark.parametrize(
    "parts",
    [
        [["rows.1.csv"], ["rows.2.csv"], ["rows.3.csv"]],
        [["rows.3.csv", "rows.1.csv"], ["rows.2.csv"]],
        [["rows.2.csv"], ["rows.3.csv"], ["rows.1.csv"], []],
    ],
)
def test_readers_of_some_files_each_come_to_what_one_reader_of_all_comes_to(three_files, parts):
    whole = read_all(opened(three_files, **RULES))
    several = shards(three_files, parts)
    files = opened(three_files, **RULES).files
    merged = Account.merged([copy.deepcopy(each.account) for each in several], files)
    assert merged == whole.account
    assert list(merged.rows_by_file) == list(whole.account.rows_by_file)
    assert merged.recoded[0].examples == ["nine", "eight", "seven", "six", "five"]
    assert merged.nulled["amount"].unmatched == 4
    every = [row for each in several for row in each.rows]
    assert sorted(every, key=lambda row: (row["_source_file"], row["_source_row"])) == whole.rows
    assert Account.merged([merged], files) == merged


def test_a_reader_of_some_files_knows_all_of_them(three_files):
    table = opened(three_files, only=["rows.2.csv"], **RULES)
    assert table.files == tuple(FILES)
    assert table.schema == opened(three_files, **RULES).schema
    assert read_all(table).account.rows_by_file == {"rows.2.csv": 4}


def test_a_file_that_is_not_one_of_them_is_a_defect(three_files):
    with pytest.raises(ValueError, match="no such files: rows.4.csv"):
        open_raw(three_files, data(), only=["rows.4.csv"])
