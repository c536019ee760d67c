"""How well any model can do on the tables, as the audit found it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sluice.contract import ContractError, Report, first_problem

FILE = "audit.json"


class Ceiling(BaseModel):
    """The best accuracy of any model with one class per row, where equal rows have unequal labels."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)

    tables: float | None = Field(ge=0, le=1)
    """On all rows of the three tables."""
    test: float | None = Field(ge=0, le=1)
    """On the test rows."""


class Audited(BaseModel):
    """The part of `audit.json` that evaluation shows; the rest of it is for people."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    best_accuracy: Ceiling


def read_ceiling(report: Report) -> Ceiling:
    """Read the ceiling off the audit's report.

    Raises:
        ContractError: the report isn't the audit's, or is malformed.
    """
    try:
        return Audited.model_validate_json((report.folder / FILE).read_bytes()).best_accuracy
    except FileNotFoundError:
        raise ContractError("the report holds no audit", where=report.uri, allowed=FILE) from None
    except ValidationError as error:
        raise ContractError("the audit is malformed", where=report.uri, got=first_problem(error)) from None
