"""The price table gives what it was given, says where from, and never makes a number up."""

from __future__ import annotations

import datetime

import pytest
import yaml

from orchestration.prices import TABLE, Cost, RunCost, dollars, read_prices, told, total
from sluice.contract import InputError

DAY = datetime.date(2026, 9, 25)


def a_cost(step="train", hourly=1.2, **changed):
    """A step's cost, an hour at most."""
    given = {"instances": 1, "seen": DAY, "ceiling": 60.0, **changed}
    return Cost(step, "ml.m5.xlarge", given.pop("instances"), hourly, given.pop("seen"), **given)


def test_the_table_knows_prices_with_a_source_and_a_day_each():
    table = read_prices()
    assert len(table.regions["us-east-1"]) >= 10
    assert {"us-east-1", "eu-west-1"} <= set(table.regions)
    for region, prices in table.regions.items():
        for instance_type in prices:
            assert instance_type.startswith("ml.")
            assert 0.05 < table.hourly(region, instance_type) < 100
            assert table.seen(region, instance_type) <= table.date
    assert {
        source for prices in table.regions.values() for source in (p.source for p in prices.values())
    } == set(table.sources), "a source that no price names needs no row"


def test_a_type_or_region_that_the_table_lacks_has_no_price():
    table = read_prices()
    assert table.hourly("us-east-1", "ml.m5.xlarge") == 0.23
    assert table.hourly("us-east-1", "ml.of.tomorrow") is None
    assert table.hourly("mars-north-1", "ml.m5.xlarge") is None
    assert table.seen("mars-north-1", "ml.m5.xlarge") is None


def test_a_step_without_a_list_price_says_so_and_nothing_else():
    assert told(a_cost(hourly=None, seen=None), DAY) == ("no list price in the table of 2026-09-25", "–", "–")


def test_a_step_costs_by_the_hour_by_what_was_measured_and_by_its_limit():
    assert told(a_cost(), DAY) == ("$1.2", "–", "$1.20 for 60 min")
    assert told(a_cost(measured=12.5), DAY) == ("$1.2", "$0.25 for 12.5 min", "$1.20 for 60 min")
    assert told(a_cost(instances=2), DAY) == ("$1.2 × 2", "–", "$2.40 for 60 min")
    assert told(a_cost(measured=0.1), DAY)[1] == "less than $0.01 for 0.1 min"


def test_spot_costs_up_to_the_list_price():
    assert told(a_cost(measured=30, spot=True), DAY) == (
        "up to $1.2",
        "up to $0.60 for 30 min",
        "up to $1.20 for 60 min",
    )


def test_a_price_that_is_much_older_than_the_table_says_its_day():
    assert told(a_cost(seen=datetime.date(2023, 12, 31)), DAY)[0] == "$1.2 (of 2023-12-31)"
    assert told(a_cost(seen=datetime.date(2026, 8, 11)), DAY)[0] == "$1.2"


def test_a_run_is_the_sum_of_its_steps():
    run = RunCost((a_cost(measured=30), a_cost("evaluate", measured=5)), DAY, "us-east-1")
    assert (run.expected, run.most) == (pytest.approx(0.7), pytest.approx(2.4))
    assert total(run) == ("A run costs $0.70 as measured, $2.40 at most if every job runs to its limit once.")


def test_what_is_expected_is_only_said_where_every_step_was_measured():
    run = RunCost((a_cost(measured=30), a_cost("evaluate")), DAY, "us-east-1")
    assert run.expected is None
    assert total(run) == "A run costs $2.40 at most if every job runs to its limit once."


def test_steps_without_a_price_are_named_beside_the_sum():
    run = RunCost((a_cost(), a_cost("evaluate", hourly=None)), DAY, "us-east-1")
    assert total(run) == (
        "A run costs $1.20 at most if every job runs to its limit once, and evaluate without a list price."
    )
    nothing = RunCost((a_cost(hourly=None),), DAY, "us-east-1")
    assert total(nothing) == "No step has a list price in the table of 2026-09-25."


def test_amounts_are_written_as_money():
    assert [dollars(amount) for amount in (1234.5, 0.0, 0.004)] == ["$1,234.50", "$0.00", "less than $0.01"]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            lambda t: t["regions"]["us-east-1"]["ml.m5.large"].update(source="hearsay"),
            "no such source: hearsay",
        ),
        (lambda t: t["regions"]["us-east-1"]["ml.m5.large"].update(usd=0), "Input should be greater than 0"),
        (lambda t: t.update(currency="EUR"), "currency: String should match pattern"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path, edit, message):
    content = yaml.safe_load(TABLE.read_text())
    edit(content)
    path = tmp_path / "prices.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match="the price table is wrong") as refused:
        read_prices(path)
    assert message in str(refused.value)
