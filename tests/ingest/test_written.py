"""How files are written: encodings, delimiters, packing, a header on a later line; and dirt in each of them."""

from __future__ import annotations

import codecs

import pytest

from sluice.contract.errors import InputError
from tests.ingest.build import column, opened, read, write, write_parquet

TEXT = "id,memo\n1,café – £5\n2,x\n"


def refusal(folder, **asked) -> str:
    with pytest.raises(InputError) as refused:
        read(folder, **asked)
    return str(refused.value)


@pytest.mark.parametrize(
    ("content", "declared"),
    [
        (TEXT.encode(), "utf-8"),
        (codecs.BOM_UTF8 + TEXT.encode(), "utf-8"),
        (codecs.BOM_UTF8 + TEXT.encode(), "utf-16"),
        (codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"), "utf-8"),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "latin-1"),
        (TEXT.encode("utf-16-le"), "utf-16"),
        (TEXT.encode("utf-16-be"), "utf-16"),
        (TEXT.encode("cp1252"), "cp1252"),
    ],
)
def test_each_encoding_is_read_and_a_byte_order_mark_goes_before_the_recipe(folder, content, declared):
    write(folder, "rows.csv", content)
    result = read(folder, csv={"encoding": declared})
    assert column(result, "memo") == ["café – £5", "x"]
    assert next(iter(result.rows[0])) == "id"


def test_latin_1_is_read(folder):
    write(folder, "rows.csv", "id,naïve\n1,\xa3\x80é\n".encode("latin-1"))
    assert column(read(folder, csv={"encoding": "latin-1"}), "naïve") == ["£\x80é"]


def test_a_byte_that_windows_does_not_have_costs_its_own_row_and_is_shown(folder):
    write(folder, "rows.csv", b"id,memo\n1,caf\xe9\n2,caf\xe9 \x81\x8d\n3,\x80\n")
    result = read(folder, csv={"encoding": "cp1252"})
    assert column(result, "memo") == ["café", "€"]
    assert result.reasons == [(3, "wrong byte: memo: 0x81 is not cp1252, after 'café '")]
    assert result.quarantined[0]["text"] == "2,café \\x81\\x8d"


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_half_of_a_surrogate_pair_costs_its_own_row_and_is_shown(folder, codec):
    text = "id,memo\n1,😀\n2,a\ud83d!\n3,\udc00\n4,y\n"
    write(folder, "rows.csv", text.encode(codec, "surrogatepass"))
    result = read(folder, csv={"encoding": "utf-16"})
    assert column(result, "memo") == ["😀", "y"]
    assert result.reasons == [
        (3, "wrong byte: memo: 0xd83d is not UTF-16, after 'a'"),
        (4, "wrong byte: memo: 0xdc00 is not UTF-16, after ''"),
    ]
    assert [row["text"] for row in result.quarantined] == ["2,a\\ud83d!", "3,\\udc00"]


def test_a_utf_16_file_that_ends_within_a_character_is_no_exception(folder):
    write(folder, "rows.csv", codecs.BOM_UTF16_LE + "id,memo\n1,x\n2,y".encode("utf-16-le") + b"\x41")
    result = read(folder)
    assert column(result, "id") == ["1"]
    assert result.reasons == [(3, "wrong byte: memo: 0xdc41 is not UTF-16, after 'y'")]


def test_a_file_that_is_said_to_be_utf_16_and_is_not_is_refused(folder):
    write(folder, "rows.csv", TEXT)
    assert refusal(folder, csv={"encoding": "utf-16"}) == (
        "rows.csv: the file is not UTF-16. Got: first bytes 69 64 2c 6d. Allowed: UTF-8, UTF-16, Latin-1 or cp1252. "
        "Write in data.csv.encoding what it is: utf-8, latin-1 or cp1252."
    )


@pytest.mark.parametrize(
    ("delimiter", "byte"), [("comma", ","), ("semicolon", ";"), ("tab", "\t"), ("bar", "|")]
)
def test_each_delimiter_is_read_with_quotes_line_breaks_and_ragged_rows(folder, delimiter, byte):
    rows = [["id", "memo"], ["1", f'"a{byte}""b""\nc"'], ["2", 'd,;\t|5"'.replace(byte, "")], ["3"], ["4", '"x'], ["5", "y"]]  # fmt: skip
    write(folder, "rows.csv", "\n".join(byte.join(row) for row in rows))
    result = read(folder, csv={"delimiter": delimiter})
    assert column(result, "memo") == [f'a{byte}"b"\nc', 'd,;\t|5"'.replace(byte, ""), "y"]
    assert [(line, reason.split(":")[0]) for line, reason in result.reasons] == [
        (5, "ragged row"),
        (6, "unclosed quote"),
    ]


def test_commas_where_the_recipe_says_semicolons_are_told(folder):
    write(folder, "rows.csv", TEXT)
    assert refusal(folder, csv={"delimiter": "semicolon"}) == (
        "rows.csv: the file seems to be separated by commas. Got: 'id,memo'. "
        "Allowed: semicolons between columns, as data.csv.delimiter says. "
        "Write data.csv.delimiter: comma into the recipe."
    )


@pytest.mark.parametrize("name", ["rows.csv.gz", "rows.csv.zst"])
def test_packed_files_are_unpacked_whatever_is_in_them(folder, name):
    write(folder, name, codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"))
    assert column(read(folder), "memo") == ["café – £5", "x"]


def test_a_zstd_file_that_is_cut_off_is_refused(folder):
    path = write(folder, "rows.csv.zst", b"id,memo\n" + b"".join(b"%d,x\n" % i for i in range(300_000)))
    path.write_bytes(path.read_bytes()[:-1])
    assert refusal(folder).startswith("rows.csv.zst: the file is cut off or damaged. Got: Truncated")


def test_a_parquet_file_that_is_packed_again_is_refused(folder):
    write_parquet(folder, "table.parquet", {"id": [1]})
    write(folder, "rows.gz", (folder / "table.parquet").read_bytes())
    assert refusal(folder) == (
        "rows.gz: the file is Parquet, packed once more. Allowed: CSV, packed with gzip or zstd too, or Parquet. "
        "Unpack it; Parquet is packed inside."
    )


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_header_may_stand_on_a_later_line_and_lines_stay_physical(folder, end):
    write(folder, "rows.csv", end.join(['Payments "2020;', "", "", "id,memo", "1,x", "2", "3,y"]))
    result = read(folder, csv={"header_line": 4})
    assert column(result, "memo") == ["x", "y"]
    assert column(result, "_source_row") == [0, 2]
    assert result.reasons == [(6, "ragged row: 1 fields, 2 columns")]
    assert result.account.rows_read == 3


def test_a_header_line_that_is_not_there_is_refused(folder):
    write(folder, "rows.csv", "id,memo\n1,x\n")
    assert refusal(folder, csv={"header_line": 9}) == (
        "rows.csv: data.csv.header_line is a line that isn't there. Got: line 9; the file has 3. "
        "Allowed: a line in the file's first 1 MiB. Correct data.csv.header_line in the recipe."
    )


def test_line_ends_may_be_mixed(folder):
    write(folder, "rows.csv", 'id,memo\r1,a\n2,"b\rc\nd\r\ne"\r\n3\r\n4,f\r5,g')
    result = read(folder)
    assert column(result, "memo") == ["a", "b\rc\nd\r\ne", "f", "g"]
    assert result.reasons == [(7, "ragged row: 1 fields, 2 columns")]


def test_a_nul_byte_costs_its_own_row(folder):
    write(folder, "rows.csv", b"id,memo,kind\n1,a\x00b,k\n2,c,k\n\x003,d,k\n")
    result = read(folder)
    assert column(result, "memo") == ["c"]
    assert result.reasons == [
        (2, "NUL byte: memo: in 'a\\x00b'"),
        (4, "NUL byte: id: in '\\x003'"),
    ]


def test_the_list_is_written_in_its_own_way(folder):
    write(folder, "rows.csv", "id;code\n1;é\n".encode("latin-1"))
    write(folder, "list.csv", "List of codes\ncode|name\né|x\n")
    merge = {"file": "list.csv", "key": "code", "columns": ["name"]}
    written = {"encoding": "latin-1", "delimiter": "semicolon"}
    lists = {**merge, "csv": {"delimiter": "bar", "header_line": 2}}
    assert column(read(folder, csv=written, merge=lists), "name") == ["x"]
    with pytest.raises(InputError, match="Write data.merge.csv.delimiter: bar into the recipe"):
        opened(folder, csv=written, merge={**merge, "csv": {"header_line": 2}})
