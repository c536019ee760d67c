"""What preprocess says became of every raw row."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from sluice.contract import ContractError, Report, first_problem

FILE = "account.json"


class Account(BaseModel):
    """The part of `account.json` that the gate balances; the rest of it is for people."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    rows_read: NonNegativeInt
    rows_quarantined: NonNegativeInt
    quarantine_reasons: dict[str, NonNegativeInt] = {}
    """Quarantined rows by what is wrong with them."""
    dropped: dict[str, NonNegativeInt]
    """Rows by the rule that dropped them."""
    training_rows: NonNegativeInt
    validation_rows: NonNegativeInt
    test_rows: NonNegativeInt


def read_account(report: Report) -> Account:
    """Read the account.

    Raises:
        ContractError: it isn't there or isn't an account.
    """
    try:
        return Account.model_validate_json((report.folder / FILE).read_bytes())
    except FileNotFoundError:
        raise ContractError("the report holds no row account", where=report.uri, allowed=FILE) from None
    except ValidationError as error:
        raise ContractError(
            "the row account is malformed", where=report.uri, got=first_problem(error)
        ) from None
