"""What is said of a telephone company's customers is so."""

from __future__ import annotations

import pytest

from sluice.recipe.model import Data

from .reading import raw_rows, read

FILE = "Telco-Customer-Churn.csv.gz"
CUSTOMERS = 7_043


@pytest.fixture(scope="module")
def folder(shared):
    return shared / "data" / "telco_churn"


@pytest.mark.parametrize("unparsed", ["quarantine", "null"])
def test_eleven_new_customers_have_a_blank_total_which_is_missing_and_no_mistake(folder, unparsed):
    data = Data.model_validate(
        {"files": [FILE], "types": {"totalcharges": {"type": "number", "unparsed": unparsed}}}
    )
    customers = read(folder, data)
    assert customers.account.rows_kept == CUSTOMERS
    assert {name: count for name, count in customers.nulls().items() if count} == {"totalcharges": 11}
    pairs = zip(customers.column("tenure"), customers.column("totalcharges"), strict=True)
    assert {months for months, total in pairs if total is None} == {"0"}


def test_the_publisher_wrote_a_blank_there_and_no_nothing(folder):
    assert [row["TotalCharges"] for row in raw_rows(folder / FILE) if not row["TotalCharges"].strip()] == [
        " "
    ] * 11
