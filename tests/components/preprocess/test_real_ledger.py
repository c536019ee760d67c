"""A hospital's real ledger, 20,000 of its lines, and all of them in memory that doesn't hold them."""

import subprocess
import sys

import pytest

from .builders import SPLITS, Made, Place

LINES = 167_107


@pytest.fixture(scope="module")
def text(repository):
    return (repository / "recipes" / "hospital-ledger.yaml").read_text()


@pytest.fixture(scope="module")
def made(shared, text, tmp_path_factory) -> Made:
    place = Place(tmp_path_factory.mktemp("ledger"))
    (place.root / "raw data").rmdir()
    (place.root / "raw data").symlink_to(shared / "data" / "nhs_gstt_spend_2020_21")
    return place.run(text, rows=20_000)


def test_every_line_is_accounted_for(made):
    dropped = made.metrics["dropped"]
    assert made.metrics["rows_read"] == LINES
    assert made.metrics["rows_quarantined"] == 0
    assert dropped["not_sampled"] == LINES - 20_000
    assert len(made.rows()) == 20_000 - dropped["rare_class"] - dropped["label_not_in_training"]
    assert (
        sum(made.metrics["removed_classes"].values())
        == dropped["rare_class"] + dropped["label_not_in_training"]
    )


def test_the_shares_are_the_recipes_although_no_transaction_is_parted(made):
    shares = [made.table(name).rows / len(made.rows()) for name in SPLITS]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.005)
    transactions = [{row["transaction"] for row in made.rows(name)} for name in SPLITS]
    assert sum(map(len, transactions)) == len(set().union(*transactions))


def test_each_class_can_be_learned_and_is_tested(made):
    classes = {name: {row["expense_description"] for row in made.rows(name)} for name in SPLITS}
    assert classes["validation"] <= classes["training"]
    assert classes["test"] <= classes["training"]
    assert len(classes["training"]) == made.metrics["classes"] > 40
    assert len(classes["test"]) > 0.9 * made.metrics["classes"]


def test_the_text_is_as_the_recipe_leaves_it(made):
    row = min(made.rows(), key=lambda row: row["row_id"])
    assert row["combined_text"].endswith(f" {row['area_name']}")
    assert not [row for row in made.rows() if not row["combined_text"].strip()]


@pytest.mark.long
def test_a_larger_ledger_takes_hardly_more_memory(shared, text, tmp_path):
    """Ten copies of the ledger as files of one table: the rows grow tenfold, the memory by the keys of each row."""
    source = shared / "data" / "nhs_gstt_spend_2020_21" / "gstt_spend_2020_21.csv.gz"
    peaks = []
    for copies in (1, 10):
        place = Place(tmp_path / str(copies))
        for number in range(copies):
            (place.data / f"part-{number}.csv.gz").symlink_to(source)
        recipe = text.replace("gstt_spend_2020_21.csv.gz", "part-*.csv.gz")
        script = (
            "import resource, sys\nfrom components.preprocess.component import preprocess\n"
            "from sluice.contract.cli import main\nassert main(preprocess) == 0\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)"
        )
        command = [sys.executable, "-c", script, *place.arguments(recipe)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout.splitlines()[-1]))
    assert peaks[1] - peaks[0] < 250, f"peak memory in MB: {peaks}"
