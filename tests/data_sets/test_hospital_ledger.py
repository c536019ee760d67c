"""What is said of a hospital trust's payments, line by line, is so."""

from __future__ import annotations

import re
from collections import Counter
from statistics import median

import pytest

from .reading import at_least, raw_rows, read_by

LINES = 167_107
DOUBLE_BLANK = "  "


@pytest.fixture(scope="module")
def folder(shared):
    return shared / "data" / "nhs_gstt_spend_2020_21"


@pytest.fixture(scope="module")
def published(folder):
    return raw_rows(folder / "gstt_spend_2020_21.csv.gz")


@pytest.fixture(scope="module")
def ledger(folder):
    return read_by("hospital-ledger", folder)


def test_every_line_is_read_and_no_value_is_missing(published, ledger):
    assert [row for row in published if "" in row.values()] == []
    assert (ledger.account.rows_read, ledger.account.rows_kept) == (LINES, LINES)
    assert sum(ledger.nulls().values()) == 0
    assert [count.unmatched for count in ledger.account.derived] == [0, 0, 0]


def test_six_of_seven_transaction_numbers_have_trailing_blanks_and_none_after_reading(published, ledger):
    trailing = sum(row["transaction_number"] != row["transaction_number"].rstrip() for row in published)
    assert trailing / LINES == pytest.approx(0.86, abs=0.005)
    for name in ("transaction_number", "transaction"):
        assert not [value for value in ledger.column(name) if value != value.strip()]


def test_suppliers_have_double_blanks_and_company_numbers(ledger):
    suppliers = ledger.column("supplier")
    assert sum(DOUBLE_BLANK in supplier for supplier in suppliers) == 1_668
    assert len({supplier for supplier in suppliers if DOUBLE_BLANK in supplier}) == 20
    assert len({supplier for supplier in suppliers if re.search(r":\d{6,8}", supplier)}) == 28
    assert "KINGS COLLEGE LONDON:03529700" in suppliers


def test_one_supplier_is_more_than_a_quarter_of_all_lines(ledger):
    (_, lines), *_ = Counter(ledger.column("supplier")).most_common(1)
    assert lines / LINES == pytest.approx(0.27, abs=0.005)


def test_amounts_go_from_minus_fifteen_to_nine_million_around_some_hundreds(ledger):
    amounts = ledger.column("amount")
    assert (min(amounts), max(amounts), round(median(amounts))) == (-15_530_000, 9_318_000, 763)
    assert sum(amount < 0 for amount in amounts) == 2_377


def test_there_are_82_descriptions_and_twenty_have_fewer_than_ten_lines(ledger):
    descriptions = Counter(ledger.column("expense_description"))
    assert (len(descriptions), at_least(descriptions, 10)) == (82, 62)
    codes = Counter(ledger.column("expense_code"))
    assert (len(codes), at_least(codes, 10)) == (248, 195)


def test_a_code_names_its_description_so_it_is_the_answer(ledger):
    pairs = set(zip(ledger.column("expense_code"), ledger.column("expense_description"), strict=True))
    assert len(pairs) == len({code for code, _ in pairs})


def test_areas_have_a_name_above_their_ids(ledger):
    assert len(set(ledger.column("area_name"))) == 80
    assert len(set(zip(ledger.column("area_name"), ledger.column("area_id"), strict=True))) == 2_016


def test_a_fifth_of_the_lines_repeat_an_earlier_one(published):
    columns = ("payment_date", "expense_type", "expense_area", "supplier", "amount")
    assert LINES - len({tuple(row[name] for name in columns) for row in published}) == 33_378


def test_forty_percent_of_the_lines_belong_to_a_transaction_that_has_several(ledger):
    lines = Counter(ledger.column("transaction"))
    several = sum(count for count in lines.values() if count > 1)
    assert several / LINES == pytest.approx(0.40, abs=0.01)


def test_143_areas_have_two_names_and_never_two_in_one_month(published, ledger):
    """The trust renames areas; whoever looks only at a year sees values below two parents."""
    months = [row["source_file"] for row in published]
    areas = list(zip(ledger.column("area_id"), ledger.column("area_name"), strict=True))
    assert at_least(Counter(area for area, _ in set(areas)), 2) == 143
    named = Counter((area, month) for (area, _), month in set(zip(areas, months, strict=True)))
    assert set(named.values()) == {1}
