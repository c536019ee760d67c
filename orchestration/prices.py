"""What a run costs at list prices: a dated table, and the sums that follow from it. No number is ever made up."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from sluice.contract import InputError, Strict, first_problem

TABLE = Path(__file__).with_name("prices.yaml")
OLD = datetime.timedelta(days=180)
"""A price that is so much older than the table says its own date."""


class Source(Strict):
    """Where a price was seen."""

    date: datetime.date
    what: str


class Price(Strict):
    """The list price of an hour."""

    usd: Annotated[float, Field(gt=0)]
    source: str


class PriceTable(Strict):
    """List prices by region and instance type."""

    date: datetime.date
    """When the table was last looked over."""
    currency: Annotated[str, Field(pattern="^USD$")]
    sources: dict[str, Source]
    regions: dict[str, dict[str, Price]]

    @model_validator(mode="after")
    def _every_price_has_a_source(self) -> Self:
        named = {price.source for prices in self.regions.values() for price in prices.values()}
        if unknown := sorted(named - set(self.sources)):
            raise ValueError(f"no such source: {', '.join(unknown)}")
        return self

    def hourly(self, region: str, instance_type: str) -> float | None:
        """What an hour costs in US dollars; None if the table doesn't say."""
        price = self.regions.get(region, {}).get(instance_type)
        return price.usd if price else None

    def seen(self, region: str, instance_type: str) -> datetime.date | None:
        """When that price was seen."""
        price = self.regions.get(region, {}).get(instance_type)
        return self.sources[price.source].date if price else None


def read_prices(path: Path = TABLE) -> PriceTable:
    """Read the table.

    Raises:
        InputError: it is wrong.
    """
    try:
        return PriceTable.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise InputError("the price table is wrong", where=path, got=first_problem(error)) from None


@dataclass(frozen=True)
class Cost:
    """What one step of a run costs.

    Attributes:
        step: its name.
        instance_type: what it runs on.
        instances: how many of them.
        hourly: the list price of an hour in US dollars; None if the table doesn't say.
        seen: when that price was seen.
        ceiling: the minutes after which the job is stopped.
        measured: the minutes that it took in earlier runs; None if that is unknown.
        spot: whether it runs on spot instances, which cost less than the list price by as much as the day's market says.
    """

    step: str
    instance_type: str
    instances: int
    hourly: float | None
    seen: datetime.date | None
    ceiling: float
    measured: float | None = None
    spot: bool = False

    @property
    def most(self) -> float | None:
        """US dollars if the job runs until it is stopped."""
        return self._of(self.ceiling)

    @property
    def expected(self) -> float | None:
        """US dollars if it takes as long as it did."""
        return None if self.measured is None else self._of(self.measured)

    def _of(self, minutes: float) -> float | None:
        return None if self.hourly is None else self.hourly * self.instances * minutes / 60


@dataclass(frozen=True)
class RunCost:
    """What a run costs, all of its steps run once.

    Attributes:
        steps: step by step.
        table: the date of the price table.
        region: the region that it looked the prices up for.
    """

    steps: tuple[Cost, ...]
    table: datetime.date
    region: str

    @property
    def most(self) -> float:
        """US dollars of the steps that have a price, if each runs until it is stopped."""
        return sum(cost.most or 0.0 for cost in self.steps)

    @property
    def expected(self) -> float | None:
        """US dollars of the steps that have a price; None unless it is known of each how long it takes."""
        costs = [cost.expected for cost in self.steps if cost.hourly is not None]
        return None if None in costs or not costs else sum(cost or 0.0 for cost in costs)

    @property
    def unpriced(self) -> tuple[str, ...]:
        """The steps without a list price."""
        return tuple(cost.step for cost in self.steps if cost.hourly is None)


def dollars(cost: float) -> str:
    """Dollars as people write them."""
    return f"${cost:,.2f}" if cost >= 0.005 or not cost else "less than $0.01"


def told(cost: Cost, table: datetime.date) -> tuple[str, str, str]:
    """A step's price an hour, its price by what was measured, and its ceiling, in words."""
    if cost.hourly is None:
        return f"no list price in the table of {table}", "–", "–"
    upto = "up to " if cost.spot else ""
    old = cost.seen is not None and table - cost.seen > OLD
    hourly = f"{upto}${cost.hourly:.4g}" + (f" × {cost.instances}" if cost.instances > 1 else "")
    hourly += f" (of {cost.seen})" if old else ""
    expected = (
        "–"
        if cost.expected is None
        else f"{upto}{dollars(cost.expected)} for {round(cost.measured or 0.0, 1):g} min"
    )
    return hourly, expected, f"{upto}{dollars(cost.most or 0.0)} for {cost.ceiling:g} min"


def total(run: RunCost) -> str:
    """What a whole run costs, in one sentence."""
    without = f", and {', '.join(run.unpriced)} without a list price" if run.unpriced else ""
    if not run.steps or len(run.unpriced) == len(run.steps):
        return f"No step has a list price in the table of {run.table}."
    expected = f"{dollars(run.expected)} as measured, " if run.expected is not None else ""
    return f"A run costs {expected}{dollars(run.most)} at most if every job runs to its limit once{without}."
