"""What a CSV file may hold, what is set aside with its line and reason, and what is refused."""

from __future__ import annotations

import gzip

import pytest

from sluice.contract.errors import InputError
from sluice.ingest import SOURCE_FILE, SOURCE_ROW, open_raw
from sluice.ingest.records import MAXIMUM_RECORD_LINES
from sluice.recipe.model import Data
from tests.ingest.build import column, opened, read, write


def test_rows_come_with_their_file_and_their_place_in_it(folder):
    write(folder, "rows.csv", " ID ,Memo\n1,x\n2,y\n")
    assert read(folder).rows == [
        {"id": "1", "memo": "x", SOURCE_FILE: "rows.csv", SOURCE_ROW: 0},
        {"id": "2", "memo": "y", SOURCE_FILE: "rows.csv", SOURCE_ROW: 1},
    ]


def test_cells_are_trimmed_and_blank_ones_are_null(folder):
    write(folder, "rows.csv", 'id,memo\n 1 ,"  "\n2,\n3,""\n')
    assert column(read(folder), "id") == ["1", "2", "3"]
    assert column(read(folder), "memo") == [None, None, None]


def test_a_byte_order_mark_is_no_part_of_the_first_name(folder):
    write(folder, "rows.csv", b"\xef\xbb\xbfid,memo\n1,x\n")
    assert opened(folder).columns == ("id", "memo")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_each_kind_of_line_end_is_read(folder, end):
    write(folder, "rows.csv", end.join(["id,memo", "1,x", "", "2,y", "3", "4,z"]))
    result = read(folder)
    assert column(result, "id") == ["1", "2", "4"]
    assert result.reasons == [(5, "ragged row: 1 fields, 2 columns")]


def test_gzip_is_known_by_its_content_and_not_by_its_name(folder):
    write(folder, "rows.csv", gzip.compress(b"id,memo\n1,x\n") + gzip.compress(b"2,y\n"))
    assert column(read(folder), "id") == ["1", "2"]


def test_a_cell_may_hold_line_breaks_commas_and_doubled_quotes(folder):
    write(folder, "rows.csv", 'id,memo\n1,"a, ""b""\r\n\r\nc"\n2,x\n3\n')
    result = read(folder)
    assert column(result, "memo") == ['a, "b"\r\n\r\nc', "x"]
    assert result.reasons == [(6, "ragged row: 1 fields, 2 columns")]


def test_a_quote_inside_an_unquoted_cell_is_an_inch_mark(folder):
    write(folder, "rows.csv", 'id,memo\n1,5" pipe\n2,6"\n3,"x"\n')
    assert column(read(folder), "memo") == ['5" pipe', '6"', "x"]


def test_short_and_long_rows_are_quarantined_with_line_and_text(folder):
    write(folder, "rows.csv", "id,memo\n1,x\n2\n3,y,z\n4,w\n")
    result = read(folder)
    assert column(result, SOURCE_ROW) == [0, 3]
    assert result.quarantined == [
        {
            "file": "rows.csv",
            "line": 3,
            "row": 1,
            "reason": "ragged row: 1 fields, 2 columns",
            "column": None,
            "text": "2",
        },
        {
            "file": "rows.csv",
            "line": 4,
            "row": 2,
            "reason": "ragged row: 3 fields, 2 columns",
            "column": None,
            "text": "3,y,z",
        },
    ]
    assert result.account.reasons == {"ragged row": 2}


def test_a_wrong_byte_is_quarantined_with_its_column_and_shown(folder):
    write(
        folder,
        "rows.csv",
        "id,memo\n1,x\n2,Caf\xe9 \x80\n3,é\n".encode("latin-1").replace(b"3,\xe9", "3,é".encode()),
    )
    result = read(folder)
    assert column(result, "memo") == ["x", "é"]
    assert result.reasons == [(3, "wrong byte: memo: 0xe9 is not UTF-8, after 'Caf'")]
    assert (result.quarantined[0]["column"], result.quarantined[0]["text"]) == ("memo", "2,Caf\\xe9 \\x80")


def test_a_ragged_row_with_a_wrong_byte_is_quarantined_and_its_neighbours_are_whole(folder):
    write(folder, "rows.csv", b"id,memo\n1,\xc3\xa9\n\xff\n2,\xfe\n3,z\n")
    result = read(folder)
    assert column(result, "memo") == ["\u00e9", "z"]
    assert [line for line, _ in result.reasons] == [3, 4]
    assert result.quarantined[0]["text"] == "\\xff"


def test_an_unclosed_quote_costs_its_own_line_only(folder):
    write(folder, "rows.csv", 'id,memo\n1,"x\n2,"y"\n3,z\n4,"w\n5,v\n')
    result = read(folder)
    assert column(result, "id") == ["2", "3", "5"]
    assert result.reasons == [
        (2, "stray quote: text follows a closing quote, or a quote is opened and not closed"),
        (
            5,
            "unclosed quote: a quote is opened and not closed up to the end of the file; the lines after it are read as rows",
        ),
    ]


def test_an_unclosed_quote_does_not_swallow_half_a_file(folder):
    lines = [f"{row},memo {row}\n" for row in range(3 * MAXIMUM_RECORD_LINES)]
    lines[10] = '10,"memo\n'
    write(folder, "rows.csv", "id,memo\n" + "".join(lines) + '3000,6", "\n')
    result = read(folder)
    assert len(result.rows) == 3 * MAXIMUM_RECORD_LINES - 1
    assert [line for line, _ in result.reasons] == [12, 3 * MAXIMUM_RECORD_LINES + 2]
    assert "the lines after it" in result.reasons[0][1]


@pytest.mark.parametrize("between", ["2,b,6", "2,b,6\n2", "2,b,6\nx\n2,b,6"])
def test_rows_that_a_quote_swallowed_up_to_another_stray_quote_are_not_taken_for_one_cell(folder, between):
    write(folder, "rows.csv", f'id,memo,amount\n1,"a,5\n{between}\n3,c",7\n4,"d\ne",8\n')
    result = read(folder, numeric=("amount",))
    assert [(row["id"], row["memo"]) for row in result.rows if row["id"] != "2"] == [
        ("3", 'c"'),
        ("4", "d\ne"),
    ]
    assert result.reasons[0] == (
        2,
        f"swallowed rows: a quoted cell runs over {between.count(chr(10)) + 3} lines, some of which alone are whole "
        "rows; the lines after its first are read as rows",
    )
    assert result.quarantined[0]["text"] == '1,"a,5'


def test_a_cells_first_or_last_line_may_look_like_a_row(folder):
    write(folder, "rows.csv", 'id,amount,memo\n1,5,"a\nb"\n2,6,"c\n,\nd,e"\n')
    assert column(read(folder, numeric=("amount",)), "memo") == ["a\nb", "c\n,\nd,e"]


def test_a_file_of_quotes_only_is_read_line_by_line(folder):
    write(folder, "rows.csv", 'id,memo\n"\n"\n"""\n')
    result = read(folder)
    assert result.account.rows_read == 2
    assert result.rows == []


@pytest.mark.parametrize("text", ["1234.5", " 1234.5 ", "+1234.5", "1.2345e3", '"1234.5"'])
def test_numbers_are_read(folder, text):
    write(folder, "rows.csv", f"id,amount\n1,{text}\n2,-3\n3,.5\n4,\n")
    assert column(read(folder, numeric=("amount",)), "amount") == [1234.5, -3.0, 0.5, None]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("abc", "not a number: amount: 'abc'"),
        ('"1,234"', "not a number: amount: '1,234'"),
        ("0x10", "not a number: amount: '0x10'"),
        ("NaN", "number not finite: amount: 'NaN'"),
        ("-inf", "number not finite: amount: '-inf'"),
        ("1e999", "number not finite: amount: '1e999'"),
    ],
)
@pytest.mark.parametrize("beside", ["7", "seven"])
def test_what_is_no_finite_number_is_quarantined_naming_column_and_value(folder, text, reason, beside):
    write(folder, "rows.csv", f"id,amount\n1,{text}\n2,{beside}\n3,8\n")
    result = read(folder, numeric=("amount",))
    assert column(result, "amount") == ([7.0, 8.0] if beside == "7" else [8.0])
    assert result.reasons[0] == (2, reason)


def test_a_row_with_two_problems_is_quarantined_once(folder):
    write(folder, "rows.csv", b"id,amount,memo\n1,abc,\xff\n")
    result = read(folder, numeric=("amount",))
    assert result.reasons == [(2, "wrong byte: memo: 0xff is not UTF-8, after ''")]


def test_a_quarantined_text_of_enormous_length_is_cut_off_and_says_so(folder):
    write(folder, "rows.csv", "id,memo\n1,x\n" + "y" * 20_000 + "\n")
    assert read(folder).quarantined[0]["text"].endswith("… (20,000 characters in all)")


REFUSED = {
    "empty": (b"", "rows.csv: the file is empty. Allowed: a header and rows."),
    "only a byte order mark": (b"\xef\xbb\xbf\n", "rows.csv: the file is empty."),
    "header only": (
        b"id,memo\n\n",
        "rows.csv: the file has a header and no rows. Allowed: at least one row. "
        "Fetch it again, or leave it out of data.files if it is to have none.",
    ),
    "utf-32": (
        "id,memo\n1,x\n".encode("utf-32"),
        "the file is UTF-32. Got: first bytes ff fe 00 00. Allowed: UTF-8, UTF-16, Latin-1 or cp1252. "
        "Convert it: iconv -f UTF-32 -t UTF-8 FILE.",
    ),
    "utf-16 without a mark": (
        "id,memo\n1,x\n".encode("utf-16-le"),
        "the file seems to be UTF-16 without a byte order mark. Got: first bytes 69 00 64 00. "
        "Allowed: UTF-8, UTF-16, Latin-1 or cp1252. If it is, write data.csv.encoding: utf-16.",
    ),
    "equal names": (
        b"Amount ,id,AMOUNT\n1,2,3\n",
        "two columns have the same name once names are standardised. Got: 'Amount ' and 'AMOUNT' both become 'amount'.",
    ),
    "open header": (b'id,"memo\n1,x\n', "rows.csv line 1: the header's quotes are broken. Got: id,\"memo."),
    "latin header": (
        b"id,caf\xe9\n1,x\n",
        "the header is not UTF-8. Got: id,caf\\xe9. If the file is Latin-1 or Windows-1252, "
        "write data.csv.encoding: cp1252; or save it as CSV UTF-8.",
    ),
    "binary": (
        b"\x7fELF\x01\x00\xd0a\x1b[2J\n\x00",
        r"the header is not UTF-8. Got: \x7fELF\x01\x00\xd0a\x1b[2J.",
    ),
    "semicolons": (
        b"id;memo\n1;x\n",
        "the file seems to be separated by semicolons. Got: 'id;memo'. Allowed: commas between columns, as "
        "data.csv.delimiter says. Write data.csv.delimiter: semicolon into the recipe.",
    ),
    "tabs": (b"id\tmemo\n1\tx\n", "Write data.csv.delimiter: tab into the recipe."),
    "bars": (b"id|memo\n1|x\n", "Write data.csv.delimiter: bar into the recipe."),
    "zip": (
        b"PK\x03\x04....",
        "the file is a zip archive or a spreadsheet. Allowed: CSV, packed with gzip or zstd too, or Parquet.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_is_no_csv_file_is_refused_with_what_to_do(folder, case):
    content, message = REFUSED[case]
    write(folder, "rows.csv", content)
    with pytest.raises(InputError) as refused:
        opened(folder)
    assert message in str(refused.value)
    assert "rows.csv" in str(refused.value)


def test_a_gzip_file_that_is_cut_off_is_refused_and_not_half_read(folder):
    packed = gzip.compress(b"id,memo\n" + b"1,x\n" * 500_000)
    write(folder, "rows.csv", packed[:-100])
    with pytest.raises(
        InputError, match=r"rows\.csv: the file is cut off or damaged\. Got: .*\. Fetch the file again\."
    ):
        read(folder)


def test_a_line_of_binary_length_is_refused(folder):
    write(folder, "rows.csv", b"id,memo\n1,x\n" + b"y" * (20 << 20))
    with pytest.raises(InputError, match="a line is longer than 8 MiB"):
        read(folder)


def test_quarantined_rows_are_counted_by_kind_and_the_first_are_remembered(folder):
    write(folder, "rows.csv", "id,memo\n1,x\n2\n3,y\n4,z\n")
    account = read(folder).account
    assert (account.rows_read, account.rows_quarantined) == (4, 1)
    assert account.reasons == {"ragged row": 1}
    assert [str(row) for row in account.examples] == ["rows.csv line 3: ragged row: 1 fields, 2 columns"]


def test_the_account_is_not_to_be_had_before_the_rows_are_read(folder):
    write(folder, "rows.csv", "id,memo\n1,x\n")
    table = open_raw(folder, Data(files=("rows.csv",)))
    next(table.batches())
    with pytest.raises(RuntimeError, match="read to its end"):
        _ = table.account
