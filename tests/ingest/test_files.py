"""Which files a recipe means, in which order, and that together they are one table; Parquet beside CSV."""

from __future__ import annotations

import datetime
import decimal
import math

import pyarrow as pa
import pytest

from sluice.contract.errors import InputError
from sluice.ingest import SOURCE_FILE, SOURCE_ROW, require_columns
from tests.ingest.build import column, opened, read, roles, write, write_parquet


def refusal(folder, **data) -> str:
    with pytest.raises(InputError) as refused:
        read(folder, **data)
    return str(refused.value)


def test_files_are_read_in_the_order_of_their_names_each_once(folder):
    for name in ("b.csv", "a.csv", "c.csv"):
        write(folder, name, f"id,memo\n{name},x\n")
    result = read(folder, files=["b.csv", "*.csv"])
    assert column(result, "id") == ["b.csv", "a.csv", "c.csv"]
    assert result.account.rows_by_file == {"b.csv": 1, "a.csv": 1, "c.csv": 1}


def test_a_name_that_matches_nothing_is_refused_with_what_is_there(folder):
    write(folder, "ledger.csv", "id\n1\n")
    assert refusal(folder, files=["ledgers.csv"]) == (
        f"{folder}: data.files names 'ledgers.csv', and no file matches. Got: a folder with ledger.csv. "
        "Allowed: a file name or glob that matches at least one file. "
        "Correct the name in the recipe, or the data folder."
    )


@pytest.mark.parametrize("name", ["../x.csv", "/x.csv"])
def test_a_file_outside_the_data_folder_is_refused(folder, name):
    assert f"data.files names '{name}', which is outside the data folder" in refusal(folder, files=[name])


def test_a_folder_that_is_not_there_is_refused(folder):
    assert "the data folder isn't there" in refusal(folder / "nowhere")


@pytest.mark.parametrize("locked", ["", "ledger.csv"])
def test_a_folder_or_file_that_may_not_be_read_is_named(folder, locked, monkeypatch):
    write(folder, "ledger.csv", "id,memo\n1,x\n")
    monkeypatch.setattr("os.access", lambda path, mode: path != folder / locked)  # root may read anything
    assert refusal(folder, files=["ledger.csv"]) == (
        f"{folder / locked}: this user may not read it. Give this user the right to read it."
    )


def test_a_name_with_brackets_is_a_name_before_it_is_a_glob(folder):
    write(folder, "rows[1].csv", "id,memo\n1,x\n")
    assert column(read(folder, files=["rows[1].csv"]), "id") == ["1"]


def test_columns_may_stand_in_any_order(folder):
    write(folder, "rows.1.csv", "id,memo\n1,x\n")
    write(folder, "rows.2.csv", "Memo,ID\ny,2\n")
    assert [(row["id"], row["memo"]) for row in read(folder).rows] == [("1", "x"), ("2", "y")]


def test_the_table_has_the_columns_that_all_files_share(folder):
    write(folder, "rows.1.csv", "id,memo,amount\n1,x,3\n")
    write(folder, "rows.2.csv", "note,memo,id\nn,y,2\n")
    assert opened(folder).columns == ("id", "memo")
    assert column(read(folder), "memo") == ["x", "y"]


def test_files_that_share_no_column_are_refused(folder):
    write(folder, "rows.1.csv", "id,memo\n1,x\n")
    write(folder, "rows.2.csv", "code,note\n1,x\n")
    assert (
        "the files share no column. Got: rows.1.csv has id, memo; rows.2.csv has code, note. "
        "Allowed: files that together are one table."
    ) in refusal(folder)


def test_the_table_has_only_the_columns_that_the_recipe_uses(folder):
    write(folder, "rows.csv", "id,memo,kind,amount,code,day,extra\n1,x,k,3,c,d,e\n")
    asked = {"types": {"day": {"type": "text"}}, "keep": {"code": ["c"]}}
    assert opened(folder, columns=roles(numeric=["amount"]), **asked).columns == (
        *("memo", "kind", "amount", "code", "day"),
    )


def test_a_used_column_that_one_file_lacks_is_refused_with_file_column_and_what_to_write(folder):
    write(folder, "rows.1.csv", "id,memo,kind,amount\n1,x,k,3\n")
    write(folder, "rows.2.csv", "id,memo,kind,amounts\n2,y,k,4\n")
    assert refusal(folder, columns=roles(numeric=["amount"])) == (
        "rows.2.csv: a column is missing in some of the files. "
        "Got: rows.2.csv has no 'amount', which columns.numeric[0] names (did you mean 'amounts'?). "
        "Allowed: files that all have the columns that the recipe uses. "
        "If the file calls the column otherwise, write its name there into data.rename; "
        "or leave the file out of data.files."
    )


def test_files_that_call_a_column_otherwise_are_one_table_by_renaming(folder):
    write(folder, "rows.1.csv", "ID,Memo,Vendor Name\n1,x,a\n")
    write(folder, "rows.2.csv", "supplier,id,memo\nb,2,y\n")
    write_parquet(folder, "rows.3.parquet", {"payee": ["c"], "id": ["3"], "memo": ["z"]})
    result = read(folder, rename={"vendor_name": "supplier", "payee": "supplier"})
    assert [(row["id"], row["supplier"]) for row in result.rows] == [("1", "a"), ("2", "b"), ("3", "c")]


def test_a_name_to_rename_that_no_file_has_is_refused(folder):
    write(folder, "rows.csv", "id,vendor\n1,x\n")
    assert refusal(folder, rename={"vendors": "supplier"}) == (
        "rows.csv: data.rename names a column that no file has. Got: 'vendors' (did you mean 'vendor'?). "
        "Allowed: id, vendor. Correct the name in the recipe; names are standardised: lower case, underscores."
    )


def test_two_columns_that_become_one_by_renaming_are_refused(folder):
    write(folder, "rows.csv", "Supplier,Vendor\n1,x\n")
    assert "Got: 'Supplier' and 'Vendor' both become 'supplier'." in refusal(
        folder, rename={"vendor": "supplier"}
    )


def test_equal_names_are_left_out_where_nothing_uses_them(folder):
    write(folder, "rows.csv", "memo,note,Note,kind\nx,1,2,k\n")
    assert opened(folder, columns=roles()).columns == ("memo", "kind")
    assert "Got: 'note' and 'Note' both become 'note'." in refusal(folder, columns=roles(id="note"))


def test_a_column_without_a_name_is_called_by_its_place(folder):
    write(folder, "rows.csv", ",memo,--\n7,x,y\n")
    assert opened(folder).columns == ("unnamed_1", "memo", "unnamed_3")
    assert column(read(folder, rename={"unnamed_1": "id"}), "id") == ["7"]


def test_parquet_and_csv_are_one_table(folder):
    write(folder, "rows.1.csv", "id,memo,amount\n1, x ,2.5\n")
    write_parquet(folder, "rows.2.parquet", {"ID": [2, None], "Memo ": [" y ", " "], "amount": [3, 4]})
    assert read(folder, numeric=("amount",)).rows == [
        {"id": "1", "memo": "x", "amount": 2.5, SOURCE_FILE: "rows.1.csv", SOURCE_ROW: 0},
        {"id": "2", "memo": "y", "amount": 3.0, SOURCE_FILE: "rows.2.parquet", SOURCE_ROW: 0},
        {"id": None, "memo": None, "amount": 4.0, SOURCE_FILE: "rows.2.parquet", SOURCE_ROW: 1},
    ]


def test_parquet_values_of_every_flat_type_become_text(folder):
    write_parquet(
        folder,
        "rows.parquet",
        {
            "whole": pa.array([12.0, math.nan]),
            "kind": pa.array(["a", "b"]).dictionary_encode(),
            "day": pa.array([datetime.date(2021, 3, 1), None]),
            "yes": [True, None],
            "cents": pa.array([decimal.Decimal("1.50"), None]),
            "nothing": pa.nulls(2),
        },
    )
    first, second = read(folder).rows
    assert list(first.values())[:6] == ["12", "a", "2021-03-01", "true", "1.50", None]
    assert list(second.values())[:6] == [None, "b", None, None, None, None]


def test_parquet_numbers_that_are_not_finite_are_quarantined_by_row(folder):
    amounts = pa.array([1.0, math.nan, math.inf, None])
    write_parquet(folder, "rows.parquet", {"id": [1, 2, 3, 4], "amount": amounts})
    result = read(folder, numeric=("amount",))
    assert column(result, "amount") == [1.0, None]
    assert [(row["line"], row["row"], row["reason"]) for row in result.quarantined] == [
        (None, 1, "number not finite: amount: 'nan'"),
        (None, 2, "number not finite: amount: 'inf'"),
    ]
    assert result.quarantined[1]["text"] == '{"id": 3, "amount": Infinity}'


def test_parquet_text_that_is_no_number_is_quarantined(folder):
    write_parquet(folder, "rows.parquet", {"amount": ["1", "one"], "raw": pa.array([b"x", b"\xff"])})
    assert [row["reason"] for row in read(folder, numeric=("amount",)).quarantined] == [
        "wrong byte: raw: 0xff is not UTF-8, after ''"
    ]


def test_a_parquet_file_without_rows_is_refused(folder):
    write_parquet(folder, "rows.parquet", {"id": pa.array([], pa.int64())})
    assert refusal(folder).startswith("rows.parquet: the file has no rows.")


def test_a_damaged_parquet_file_is_refused(folder):
    write(folder, "rows.parquet", b"PAR1 and then nothing")
    assert refusal(folder).startswith("rows.parquet: the Parquet file is damaged or can't be read. Got: ")


def test_a_column_of_lists_is_refused_with_its_type(folder):
    write_parquet(folder, "rows.parquet", {"id": [1], "tags": [["a", "b"]]})
    assert "a column holds more than one value per row. Got: tags: list<" in refusal(folder)


def test_equal_names_in_parquet_are_refused(folder):
    write_parquet(folder, "rows.parquet", {"ID": [1], "id ": [2]})
    assert "Got: 'ID' and 'id ' both become 'id'." in refusal(folder)


def test_every_missing_column_is_told_at_once_with_the_nearest_name(folder):
    wanted = [("ammount", "columns.numeric"), ("id", "columns.id"), ("zebra", "columns.text[0]")]
    with pytest.raises(InputError) as refused:
        require_columns(("id", "amount"), wanted, where="ledger.csv")
    assert str(refused.value) == (
        "ledger.csv: 2 columns are missing. Got: columns.numeric names 'ammount' (did you mean 'amount'?); "
        "columns.text[0] names 'zebra'. Allowed: id, amount. "
        "Correct the name in the recipe; names are standardised: lower case, underscores."
    )


def test_a_numeric_column_that_is_not_there_is_refused_before_a_row_is_read(folder):
    write(folder, "rows.csv", "id,amount\n1,2\n")
    message = refusal(folder, columns=roles(numeric=["amounts"], label="id", text=["id"]))
    assert "columns.numeric[0] names 'amounts' (did you mean 'amount'?)" in message


def test_rows_are_the_same_however_often_they_are_read(folder):
    write(folder, "rows.csv", "id,memo\n1,x\n2\n")
    table = opened(folder)
    first, account = list(table.batches()), table.account
    assert list(table.batches()) == first
    assert table.account == account
