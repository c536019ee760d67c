"""What a column holds, and what becomes of a cell that is something else."""

from __future__ import annotations

import datetime

import pyarrow as pa
import pytest

from sluice.contract.errors import InputError
from tests.ingest.build import column, opened, read, roles, write, write_parquet

LEDGER = {"type": "number", "thousands": ",", "currency": ["£", "GBP"], "parentheses": True}
GERMAN = {"type": "number", "decimal": ",", "thousands": ".", "currency": ["€", "EUR"]}
FRENCH = {"type": "number", "decimal": ",", "thousands": " "}
SWISS = {"type": "number", "thousands": "'"}
DAY = {"type": "date", "format": "%d/%m/%Y"}


def amounts(folder, kind: dict, cells: list[str]):
    lines = "".join(f'{row},"{cell}"\n' for row, cell in enumerate(cells))
    write(folder, "rows.csv", "id,amount\n" + lines)
    return read(folder, types={"amount": kind})


@pytest.mark.parametrize(
    ("kind", "cell", "number"),
    [
        (LEDGER, "1,234.5", 1234.5),
        (LEDGER, "1,234,567", 1234567.0),
        (LEDGER, "1234.5", 1234.5),
        (LEDGER, "(1,234.50)", -1234.5),
        (LEDGER, "( £1,234.50 )", -1234.5),
        (LEDGER, "£(5)", -5.0),
        (LEDGER, "-£5", -5.0),
        (LEDGER, "£-5", -5.0),
        (LEDGER, "£ 5.25", 5.25),
        (LEDGER, "5 GBP", 5.0),
        (LEDGER, "1.5e3", 1500.0),
        (GERMAN, "1.234,5 €", 1234.5),
        (GERMAN, "1.234", 1234.0),
        (GERMAN, "-EUR 0,5", -0.5),
        (FRENCH, "1\u202f234\u00a0567,8", 1234567.8),
        (FRENCH, "-1 234", -1234.0),
        (SWISS, "1’234'567.8", 1234567.8),
    ],
)
def test_numbers_are_read_as_they_are_written(folder, kind, cell, number):
    assert column(amounts(folder, kind, [cell, "1", ""]), "amount") == [number, 1.0, None]


@pytest.mark.parametrize(
    ("kind", "cell"),
    [
        (LEDGER, "1,23"),
        (LEDGER, "12,34,567"),
        (LEDGER, "1234,567"),
        (LEDGER, "(-5)"),
        (LEDGER, "(5"),
        (LEDGER, "5)"),
        (LEDGER, "-£-5"),
        (LEDGER, "$5"),
        (LEDGER, "£"),
        (LEDGER, "5,"),
        (GERMAN, "1.5"),
        (GERMAN, "1,234.5"),
        (GERMAN, "1.234.5"),
        (FRENCH, "1 23"),
        (FRENCH, "1.5"),
        ({"type": "number"}, "(5)"),
        ({"type": "number"}, "£5"),
    ],
)
def test_what_is_not_written_so_is_no_number_and_never_another_one(folder, kind, cell):
    result = amounts(folder, kind, ["1", cell])
    assert column(result, "amount") == [1.0]
    assert result.reasons == [(3, f"not a number: amount: {cell!r}")]


@pytest.mark.parametrize("cell", ["1.5", "1e-3", "9007199254740993"])
def test_an_integer_has_no_fraction_and_is_held_exactly(folder, cell):
    result = amounts(folder, {"type": "integer"}, ["7", "12.0", "-3", cell])
    assert column(result, "amount") == [7.0, 12.0, -3.0]
    assert result.reasons == [(5, f"not an integer: amount: {cell!r}")]


@pytest.mark.parametrize(
    ("form", "cell", "moment"),
    [
        ("%d/%m/%Y", "24/04/2020", (2020, 4, 24)),
        ("%d/%m/%Y", "1/2/2020", (2020, 2, 1)),
        ("%d/%m/%Y", "29/02/2020", (2020, 2, 29)),
        ("%d-%b-%y", "03-Mar-21", (2021, 3, 3)),
        ("%Y-%m-%d %H:%M:%S", "2020-12-31 23:59:59", (2020, 12, 31, 23, 59, 59)),
        ("%m/%d/%Y %I:%M %p", "12/31/2020 12:05 PM", (2020, 12, 31, 12, 5)),
        ("%Y-%m-%dT%H:%M:%S.%f", "2020-01-02T03:04:05.678", (2020, 1, 2, 3, 4, 5)),
        ("%Y-%m-%dT%H:%M:%S%z", "2020-01-02T03:04:05+0100", (2020, 1, 2, 2, 4, 5)),
        ("%Y-%m", "2020-07", (2020, 7, 1)),
    ],
)
def test_dates_are_read_by_their_format(folder, form, cell, moment):
    write(folder, "rows.csv", f"id,day\n1,{cell}\n2,\n3,{cell} \n")
    result = read(folder, types={"day": {"type": "date", "format": form}})
    expected = datetime.datetime(*moment)
    assert column(result, "day") == [expected, None, expected]


@pytest.mark.parametrize(
    "cell", ["31/02/2020", "30/02/2020", "31/04/2020", "01/02/20", "2020-02-01", "01/13/2020", "01/02/2020x", "1"]
)  # fmt: skip
def test_what_is_no_date_is_quarantined_and_never_another_day(folder, cell):
    write(folder, "rows.csv", f"id,day\n1,{cell}\n2,01/02/2020\n")
    result = read(folder, types={"day": DAY})
    assert column(result, "id") == ["2"]
    assert result.reasons == [(2, f"not a date: day: {cell!r} is not %d/%m/%Y")]


def test_the_sixtieth_second_is_no_time(folder):
    write(folder, "rows.csv", "id,at\n1,2020-01-01 10:00:60\n2,2020-01-01 10:00:59\n")
    result = read(folder, types={"at": {"type": "date", "format": "%Y-%m-%d %H:%M:%S"}})
    assert column(result, "id") == ["2"]


def test_a_parquet_files_dates_are_dates_whatever_the_format(folder):
    day = datetime.date(2021, 3, 1)
    write_parquet(folder, "rows.parquet", {"id": [1, 2], "day": pa.array([day, None])})
    assert column(read(folder, types={"day": DAY}), "day") == [datetime.datetime(2021, 3, 1), None]


def test_a_cell_that_can_not_be_parsed_is_null_where_the_recipe_says_so_and_is_counted(folder):
    write(folder, "rows.csv", "id,amount,day\n1,x,5/5/2020\n2,7,soon\n3,,\n4,1e999,soon\n5,x\n6,y,z\n")
    types = {"amount": {"type": "number", "unparsed": "null"}, "day": {**DAY, "unparsed": "null"}}
    result = read(folder, types=types)
    assert column(result, "amount") == [None, 7.0, None, None, None]
    assert [day and day.day for day in column(result, "day")] == [5, None, None, None, None]
    nulled = result.account.nulled
    assert {name: (count.unmatched, count.examples) for name, count in nulled.items()} == {
        "amount": (3, ["x", "1e999", "y"]),
        "day": (3, ["soon", "z"]),
    }


def test_a_nulled_cell_of_a_row_that_is_quarantined_is_not_counted(folder):
    write(folder, "rows.csv", "id,amount,day\n1,x,soon\n2,x,1/1/2020\n")
    result = read(folder, types={"amount": {"type": "number", "unparsed": "null"}, "day": DAY})
    assert result.account.nulled["amount"].unmatched == 1
    assert [line for line, _ in result.reasons] == [2]


def test_a_number_used_as_words_comes_as_it_is_written_and_is_checked(folder):
    write(folder, "rows.csv", 'memo,kind,code\nx,"1,000",007\ny,two,8\nz,"3,000",nine\n')
    types = {"kind": LEDGER, "code": {"type": "integer", "unparsed": "null"}}
    result = read(folder, types=types, columns=roles(categorical=["code"]))
    assert [(row["kind"], row["code"]) for row in result.rows] == [("1,000", "007"), ("3,000", None)]
    assert result.reasons == [(3, "not a number: kind: 'two'")]
    assert result.account.nulled["code"].examples == ["nine"]


def test_numbers_and_times_come_as_their_roles_ask(folder):
    write(folder, "rows.csv", "memo,kind,amount,day\nx,k,5,1/1/2020\n")
    table = opened(folder, types={"day": DAY}, columns=roles(numeric=["amount"], time="day"))
    assert [str(table.schema.field(name).type) for name in ("amount", "day", "kind")] == [
        *("double", "timestamp[s]", "string"),
    ]


def test_swallowed_rows_are_noticed_by_typed_columns_too(folder):
    write(
        folder,
        "rows.csv",
        'day;memo;amount\n1/1/2020;"a;5,1\n2/1/2020;b;6,2\n3/1/2020;c";7,3\n4/1/2020;"d\ne";8,4\n',
    )
    types = {"day": DAY, "amount": {"type": "number", "decimal": ","}}
    result = read(folder, types=types, csv={"delimiter": "semicolon"})
    assert column(result, "memo") == ["b", 'c"', "d\ne"]
    assert [(line, reason.split(":")[0]) for line, reason in result.reasons] == [(2, "swallowed rows")]


def test_types_reach_derived_and_merged_columns(folder):
    write(folder, "rows.csv", "id,code\n1,A 31/12/2020\n2,B 1/1/2021\n")
    write(folder, "list.csv", 'key,price\nA,"1.000,5"\nB,"2,5"\n')
    result = read(
        folder,
        derive=[{"from": "code", "pattern": r"(?P<key>\S+) (?P<day>\S+)"}],
        merge={"file": "list.csv", "key": "key", "columns": ["price"]},
        types={"day": DAY, "price": {**GERMAN}},
    )
    assert column(result, "price") == [1000.5, 2.5]
    assert [day.year for day in column(result, "day")] == [2020, 2021]


def test_a_lists_typed_column_that_is_used_as_words_is_checked_and_comes_as_it_is_written(folder):
    write(folder, "rows.csv", "memo,code\nx,A\n")
    write(folder, "list.csv", 'code,kind\nA,"1.000"\n')
    merge = {"file": "list.csv", "key": "code", "columns": ["kind"]}
    asked = {"merge": merge, "types": {"kind": GERMAN}, "columns": roles()}
    assert column(read(folder, **asked), "kind") == ["1.000"]
    write(folder, "list.csv", "code,kind\nA,1.5\n")
    with pytest.raises(InputError, match="list.csv line 2: not a number: kind: '1.5'"):
        read(folder, **asked)


def test_a_parquet_lists_dates_are_dates(folder):
    write(folder, "rows.csv", "memo,code\nx,A\n")
    write_parquet(folder, "list.parquet", {"code": ["A"], "day": [datetime.date(2021, 3, 1)]})
    merge = {"file": "list.parquet", "key": "code", "columns": ["day"]}
    assert column(read(folder, merge=merge, types={"day": DAY}), "day") == [datetime.datetime(2021, 3, 1)]
