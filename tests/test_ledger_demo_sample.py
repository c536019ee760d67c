"""The ledger sample is the same for the same seed, and as uneven and dirty as it says."""

from __future__ import annotations

import collections
import hashlib
import pathlib
import time

import pytest

from recipes.ledger_demo_sample import main, read_trades, write_sample
from sluice.ingest import open_raw
from sluice.recipe.model import Data

FILES = ("ledger.csv", "categories.csv")
MERGE = {
    "file": "categories.csv",
    "key": "matched_category_id",
    "list_key": "category_id",
    "columns": ["category_name"],
}


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("sample")
    write_sample(folder)
    return folder


def digest(folder: pathlib.Path) -> str:
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in FILES)).hexdigest()


def rows_of(folder: pathlib.Path) -> list[dict]:
    types = {"amount": {"type": "number"}}
    data = Data.model_validate({"files": ["ledger.csv"], "types": types, "merge": MERGE})
    return [row for batch in open_raw(folder, data).batches() for row in batch.to_pylist()]


def test_the_same_seed_gives_the_same_bytes(sample, tmp_path):
    write_sample(tmp_path, rows=5000, seed=17)
    assert digest(tmp_path) == digest(sample)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)


def test_another_seed_gives_other_bytes(sample, tmp_path):
    main([str(tmp_path), "--seed", "18"])
    assert digest(tmp_path) != digest(sample)


def test_names_are_padded_and_of_mixed_case_and_standardise_to_the_recipes(sample):
    table = open_raw(sample, Data(files=("ledger.csv",)))
    assert table.columns == (
        *(
            "transaction_id",
            "name",
            "gl_description",
            "memo",
            "department_id",
            "department_name",
            "division_name",
        ),
        *("hospital_system_id", "amount", "matched_category_id"),
    )
    header = (sample / "ledger.csv").read_text().splitlines()[0]
    assert header.startswith(" Transaction ID ,Name,GL Description")


def test_there_are_40_uneven_categories_and_two_have_one_row(sample):
    rows = rows_of(sample)
    sizes = collections.Counter(row["category_name"] for row in rows)
    assert (len(rows), len(sizes)) == (5000, 40)
    assert sorted(sizes.values())[:3] == [1, 1, 31]
    assert max(sizes.values()) > 1000


def test_cells_are_missing_and_amounts_are_far_out_and_negative(sample):
    rows = rows_of(sample)
    assert 300 < sum(row["memo"] is None for row in rows) < 1000
    assert 100 < sum(row["department_id"] is None for row in rows) < 400
    amounts = [row["amount"] for row in rows]
    assert 50 < sum(amount < 0 for amount in amounts) < 400
    assert max(amounts) > 1000 * sorted(amounts)[2500] > 0


def test_departments_stand_under_divisions_and_a_name_may_stand_under_several(sample):
    rows = [row for row in rows_of(sample) if row["department_id"]]
    places = {row["department_id"]: (row["division_name"], row["department_name"]) for row in rows}
    assert all(places[row["department_id"]] == (row["division_name"], row["department_name"]) for row in rows)
    assert sum(name == "Administration" for _, name in places.values()) == 3


def test_categories_share_ledger_descriptions_and_vendors_but_no_name():
    categories = read_trades()
    assert (
        len({category.name for category in categories}) == len({category.id for category in categories}) == 40
    )
    assert len({category.ledger for category in categories}) == 20
    assert all(len(category.vendors) == 5 and len(category.phrases) == 7 for category in categories)


def test_too_few_rows_are_refused(tmp_path):
    with pytest.raises(ValueError, match="at least 200 rows, not 199"):
        write_sample(tmp_path, rows=199)
    write_sample(tmp_path, rows=200)
    assert len(rows_of(tmp_path)) == 200


def test_it_takes_less_than_a_second_of_work(tmp_path):
    start = time.process_time()
    write_sample(tmp_path)
    assert time.process_time() - start < 1
