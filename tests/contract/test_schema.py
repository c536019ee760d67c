"""Which changes of a schema a reader accepts."""

from __future__ import annotations

import pytest

from sluice.contract import Role, SchemaMismatch, TableColumn, require_readable

TEXT = TableColumn(name="text", type="string", nullable=False, role=Role.TEXT)
AMOUNT = TableColumn(name="amount", type="double", role=Role.NUMERIC)


def test_the_same_schema_is_readable():
    require_readable([TEXT, AMOUNT], [TEXT, AMOUNT], where="table")


def test_a_new_nullable_column_is_a_minor_change():
    require_readable([TEXT, AMOUNT], [TEXT], where="table")


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ([TEXT], "amount is missing"),
        ([TEXT, AMOUNT.model_copy(update={"type": "int64"})], "amount is int64, not double"),
        ([TEXT, AMOUNT.model_copy(update={"role": None})], "amount has the role None, not numeric"),
        ([TEXT.model_copy(update={"nullable": True}), AMOUNT], "text may be null now"),
        ([TEXT, AMOUNT, TEXT.model_copy(update={"name": "new"})], "new is new and not nullable"),
    ],
)
def test_a_major_change_is_refused_with_both_schemas_side_by_side(written, problem):
    with pytest.raises(SchemaMismatch) as refused:
        require_readable(written, [TEXT, AMOUNT], where="table")
    assert problem in str(refused.value)
    assert "  written " in str(refused.value)
    assert "| text: string not null [text]" in str(refused.value)
