"""Columns cut out of others, and columns of a list merged on by a key: counted, never multiplied."""

from __future__ import annotations

import pytest

from sluice.contract.errors import InputError
from sluice.ingest.merge import BLANK_KEY
from tests.ingest.build import column, opened, read, write, write_parquet

AREA = {"from": "area", "pattern": r"^\(id:(?P<area_id>\d+)\)\s*(?P<area_name>.*)$"}
MERGE = {"file": "list.csv", "key": "code", "list_key": "category_id", "columns": ["category_name"]}


def refusal(folder, **data) -> str:
    with pytest.raises(InputError) as refused:
        opened(folder, **data)
    return str(refused.value)


def test_groups_of_a_pattern_become_columns_and_misses_are_counted(folder):
    write(folder, "rows.csv", "id,area\n1,(id:7) Cancer \n2,no id\n3,\n4,(id:8)\n5,no id\n")
    result = read(folder, derive=[AREA])
    assert column(result, "area_id") == ["7", None, None, "8", None]
    assert column(result, "area_name") == ["Cancer", None, None, None, None]
    (count,) = result.account.derived
    assert (count.unmatched, count.examples) == (2, ["no id"])


def test_a_derived_column_can_be_a_number(folder):
    write(folder, "rows.csv", "id,area\n1,(id:7) x\n")
    assert column(read(folder, derive=[AREA], numeric=("area_id",)), "area_id") == [7.0]


def test_a_column_to_cut_from_that_is_not_there_is_refused(folder):
    write(folder, "rows.csv", "id,areas\n1,x\n")
    assert "data.derive.from names 'area' (did you mean 'areas'?). Allowed: id, areas." in refusal(
        folder, derive=[AREA]
    )


def test_a_derived_column_that_is_there_already_is_refused(folder):
    write(folder, "rows.csv", "area,area_id\n1,x\n")
    message = refusal(folder, derive=[AREA])
    assert (
        "data.derive can't add the column 'area_id'. Got: a column of this name is there already." in message
    )


def test_merging_adds_the_lists_columns_and_drops_what_is_unmatched(folder):
    write(folder, "rows.csv", "id,code\n1, A \n2,B\n3,X\n4,\n5,A\n6,Y\n7,X\n")
    write(folder, "list.csv", "Category ID,Category NAME,other\nA , Apples ,1\nB,Beans,2\n")
    result = read(folder, merge=MERGE)
    assert [(row["id"], row["category_name"]) for row in result.rows] == [
        ("1", "Apples"),
        ("2", "Beans"),
        ("5", "Apples"),
    ]
    assert result.account.dropped == {"unmatched_key": 4}
    merge = result.account.merge
    assert (merge.keys, merge.unmatched, merge.unmatched_examples) == (2, 4, ["X", BLANK_KEY, "Y"])


def test_unmatched_rows_can_be_kept(folder):
    write(folder, "rows.csv", "id,code\n1,A\n2,X\n")
    write(folder, "list.csv", "category_id,category_name\nA,Apples\n")
    result = read(folder, merge={**MERGE, "unmatched": "keep"})
    assert column(result, "category_name") == ["Apples", None]
    assert (result.account.merge.unmatched, result.account.dropped.total()) == (1, 0)


def test_a_file_none_of_whose_keys_match_is_dropped_and_counted(folder):
    write(folder, "rows.csv", "id,code\n1,X\n2,\n")
    write(folder, "list.csv", "category_id,category_name\nA,Apples\n")
    assert read(folder, merge=MERGE).account.dropped == {"unmatched_key": 2}


def test_keys_are_compared_as_text_whatever_their_type(folder):
    write(folder, "rows.csv", "id,code\n1,7\n2,8\n")
    write_parquet(folder, "list.parquet", {"category_id": [7.0, 8.0], "category_name": ["x", "y"]})
    assert column(read(folder, merge={**MERGE, "file": "list.parquet"}), "category_name") == ["x", "y"]


def test_a_key_can_be_a_number_too(folder):
    write_parquet(folder, "rows.parquet", {"id": [1, 2], "code": [7, 8]})
    write(folder, "list.csv", "category_id,category_name\n7,x\n8,y\n")
    result = read(folder, merge=MERGE, numeric=("code",))
    assert [(row["code"], row["category_name"]) for row in result.rows] == [(7.0, "x"), (8.0, "y")]


def test_a_key_that_the_list_has_twice_is_refused_with_how_often(folder):
    write(folder, "rows.csv", "id,code\n1,A\n")
    write(folder, "list.csv", "category_id,category_name\nA,x\nB,y\n A,z\nC,u\nC,v\nC,w\n")
    assert refusal(folder, merge=MERGE) == (
        "list.csv column category_id: 2 keys stand in the list more than once. Got: 'A' 2 times, 'C' 3 times. "
        "Allowed: each key once: a key that stands there twice would multiply rows. "
        "Correct the list, or set data.merge.duplicates: first in the recipe."
    )


def test_the_first_of_a_key_can_be_taken_and_rows_are_not_multiplied(folder):
    write(folder, "rows.csv", "id,code\n1,A\n2,A\n3,B\n")
    write(folder, "list.csv", "category_id,category_name\nB,b\nA,first\nA,second\n,blank\n")
    result = read(folder, merge={**MERGE, "duplicates": "first"})
    assert column(result, "category_name") == ["first", "first", "b"]
    assert (result.account.merge.duplicated, result.account.merge.blank_keys) == ({"A": 2}, 1)


def test_a_row_of_the_list_that_can_not_be_read_is_refused(folder):
    write(folder, "rows.csv", "id,code\n1,A\n")
    write(folder, "list.csv", "category_id,category_name\nA,x\nB\n")
    assert refusal(folder, merge=MERGE).startswith(
        "list.csv: a row of the list can't be read. Got: list.csv line 3: ragged row: 1 fields, 2 columns."
    )


def test_columns_missing_in_the_list_are_told_at_once(folder):
    write(folder, "rows.csv", "id,code\n1,A\n")
    write(folder, "list.csv", "category,name\nA,x\n")
    message = refusal(folder, merge=MERGE)
    assert "list.csv: 2 columns are missing." in message
    assert "data.merge.list_key names 'category_id' (did you mean 'category'?)" in message
    assert "data.merge.columns names 'category_name'" in message


def test_a_key_missing_in_the_rows_is_refused(folder):
    write(folder, "rows.csv", "id,codes\n1,A\n")
    write(folder, "list.csv", "category_id,category_name\nA,x\n")
    assert "data.merge.key names 'code' (did you mean 'codes'?)" in refusal(folder, merge=MERGE)


def test_a_merged_column_that_the_rows_have_already_is_refused(folder):
    write(folder, "rows.csv", "category_name,code\n1,A\n")
    write(folder, "list.csv", "category_id,category_name\nA,x\n")
    assert "data.merge.columns can't add the column 'category_name'" in refusal(folder, merge=MERGE)


def test_a_row_that_is_quarantined_is_not_counted_as_unmatched(folder):
    write(folder, "rows.csv", "id,code,amount\n1,X,abc\n2,X,1\n3,A,2\n")
    write(folder, "list.csv", "category_id,category_name\nA,x\n")
    account = read(folder, merge=MERGE, numeric=("amount",)).account
    assert (account.rows_quarantined, account.merge.unmatched, account.rows_kept) == (1, 1, 1)
