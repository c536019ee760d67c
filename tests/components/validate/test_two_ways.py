"""All rows at once and chunk by chunk: great-expectations gives one answer, whatever it is asked and however dirty the rows are."""

from __future__ import annotations

import datetime
import math
from pathlib import Path
from typing import Any

import pytest

from components.preprocess.validate.engine import Engine, exceptions_in
from components.preprocess.validate.frames import CHUNKS, WHOLE, Frames
from components.preprocess.validate.spill import spill_beside
from sluice.contract import SluiceError, Table, TableColumn
from sluice.recipe import Expectation
from tests.components.validate.conftest import write_table

TYPES = {
    "number": "int64",
    "count": "int64",
    "small": "int32",
    "weight": "double",
    "price": "double",
    "word": "string",
    "note": "string",
    "yes": "bool",
    "day": "date32[day]",
    "moment": "timestamp[us]",
    "nothing": "string",
    "blank": "double",
}
COLUMNS = tuple(
    TableColumn(name=name, type=kind, nullable=name not in ("number", "small"))
    for name, kind in TYPES.items()
)
NAN, INF = float("nan"), float("inf")
WORDS = [
    "apple",
    "pear",
    "",
    "Äpfel",
    "A\u0308pfel",
    "apple\n",
    "🍎",
    None,
    "pear ",
    "x\0y",
    "ſ",
    "1,000",
    "apple",
]
NOTES = [f"a note {i} of lot {i % 4:03}" if i % 9 else None for i in range(29)]
WEIGHTS = [1.5, -2.0, NAN, None, 0.0, -0.0, 1e300, 3.25, 1.5, 7.0, 0.1, 0.2, 0.30000000000000004]


def row(i: int) -> dict[str, Any]:
    return {
        "number": 1000 - 7 * i,
        "count": None if i % 6 == 5 else i % 4,
        "small": i % 3,
        "weight": WEIGHTS[i % len(WEIGHTS)],
        "price": round(0.37 * i * (-1) ** i, 2),
        "word": WORDS[i % len(WORDS)],
        "note": NOTES[i % len(NOTES)],
        "yes": None if i == 20 else i % 3 == 0,
        "day": datetime.date(2020, 1, 1) + datetime.timedelta(days=i % 5) if i % 7 else None,
        "moment": datetime.datetime(2020, 1, 1, i % 24, 30) if i % 8 else None,
        "nothing": None,
        "blank": NAN if i % 2 else None,
    }


TABLES = {
    "dirty": [row(i) for i in range(31)],
    "sorted by what is null": sorted((row(i) for i in range(24)), key=lambda r: str(r["word"] or "~")),
    "one row": [row(1)],
    "one row of nulls": [row(3) | {name: None for name in TYPES if name not in ("number", "small")}],
    "no rows": [],
    "without nulls": [row(i) | row(4) | {"number": i, "yes": True} for i in range(9)],
    "infinite": [row(i) | {"weight": [INF, -INF, 1.0, None][i % 4]} for i in range(6)],
}

NUMBERS = ("number", "count", "small", "weight", "price", "blank")
BOUNDS = [{"min_value": 0, "max_value": 3}, {"min_value": 1.5, "strict_min": True}, {"max_value": -1000}]


def every(kind: str, columns: Any = tuple(TYPES), **kwargs: Any) -> list[tuple[str, dict[str, Any]]]:
    return [(kind, {"column": column, **kwargs}) for column in columns]


def asked() -> list[Expectation]:
    """Every expectation that the gate can ask of a table of any size, holding and failing, also where it makes no sense."""
    asked = [
        *every("column_to_exist", ["word", "plum"]),
        ("column_to_exist", {"column": "weight", "column_index": 3}),
        ("table_row_count_to_equal", {"value": 31}),
        ("table_row_count_to_be_between", {"min_value": 2}),
        ("table_column_count_to_equal", {"value": len(TYPES)}),
        ("table_column_count_to_be_between", {"max_value": 3}),
        ("table_columns_to_match_set", {"column_set": ["word", "plum"], "exact_match": False}),
        ("table_columns_to_match_ordered_list", {"column_list": list(TYPES)}),
        *every("column_values_to_not_be_null", TYPES),
        *every("column_values_to_not_be_null", ["weight", "word"], mostly=0.8),
        *every("column_values_to_be_null"),
        *every("column_values_to_be_unique", TYPES),
        *every("column_values_to_be_unique", ["word", "weight"], mostly=0.5),
        *[one for given in BOUNDS for one in every("column_values_to_be_between", NUMBERS, **given)],
        *every("column_values_to_be_in_set", value_set=["apple", "pear", 1, 0, 1.5]),
        *every("column_values_to_be_in_set", ["word"], value_set=["apple", "pear", ""], mostly=0.3),
        *every("column_values_to_not_be_in_set", [*NUMBERS, "word", "yes"], value_set=["apple", 2, -2.0]),
        *every("column_values_to_match_regex", regex=r"(?i)^ä?[a-zſ]\w*\s?$"),
        *every("column_values_to_match_regex", ["word", "note"], regex=r"(?<!not)e(?! )", mostly=0.2),
        *every("column_values_to_not_match_regex", regex=r"\d"),
        *every("column_values_to_match_regex_list", ["word", "note"], regex_list=["^a", "r$"]),
        *every("column_values_to_match_regex_list", ["word"], regex_list=["p", "e"], match_on="all"),
        *every("column_values_to_not_match_regex_list", ["word", "note"], regex_list=["^a", "r$"]),
        *every("column_value_lengths_to_be_between", min_value=1, max_value=4),
        *every("column_value_lengths_to_equal", ["word", "weight"], value=4),
        *every("column_values_to_match_strftime_format", ["word"], strftime_format="%Y"),
        *every("column_values_to_be_dateutil_parseable", ["word"]),
        *every("column_values_to_be_json_parseable", ["word"]),
        *every("column_values_to_be_of_type", type_="str"),
        *every("column_values_to_be_of_type", type_="float64"),
        *every("column_values_to_be_in_type_list", type_list=["int64", "bool", "int32"]),
        *[
            one
            for measure in ("min", "max", "mean", "median", "stdev", "sum")
            for one in every(f"column_{measure}_to_be_between", [*NUMBERS, "yes"], min_value=0, max_value=10)
        ],
        *every("column_unique_value_count_to_be_between", min_value=3, max_value=9),
        *every("column_proportion_of_unique_values_to_be_between", min_value=0.3),
        *every("column_proportion_of_non_null_values_to_be_between", min_value=0.9),
        *every("column_distinct_values_to_be_in_set", value_set=["apple", "pear", "", 0, 1, 2]),
        *every("column_distinct_values_to_contain_set", value_set=["apple", "plum", 1]),
        *every("column_distinct_values_to_equal_set", ["small", "yes"], value_set=[0, 1, 2]),
        *every("column_most_common_value_to_be_in_set", value_set=["apple", 0, 1.5], ties_okay=True),
        *every("column_most_common_value_to_be_in_set", ["word"], value_set=["apple"]),
        *[
            (
                "column_quantile_values_to_be_between",
                {
                    "column": column,
                    "allow_relative_error": how,
                    "quantile_ranges": {"quantiles": [0, 0.1, 0.5, 0.77, 1], "value_ranges": [[-9, 9]] * 5},
                },
            )
            for column in NUMBERS
            for how in ("linear", "nearest", "lower", "higher", "midpoint", False)
        ],
        ("compound_columns_to_be_unique", {"column_list": ["word", "small"]}),
        ("compound_columns_to_be_unique", {"column_list": ["number", "word"]}),
        *[
            (
                "compound_columns_to_be_unique",
                {"column_list": ["weight", "count", "yes"], "ignore_row_if": how},
            )
            for how in ("never", "any_value_is_missing", "all_values_are_missing")
        ],
        ("select_column_values_to_be_unique_within_record", {"column_list": ["small", "count"]}),
        ("multicolumn_sum_to_equal", {"column_list": ["small", "count", "weight"], "sum_total": 3}),
        ("multicolumn_values_to_be_equal", {"column_list": ["small", "count"]}),
        *[
            (kind, {"column_A": a, "column_B": b, "ignore_row_if": how, **more})
            for a, b in (("small", "count"), ("weight", "price"), ("word", "note"))
            for how in ("both_values_are_missing", "either_value_is_missing", "neither")
            for kind, more in (
                ("column_pair_values_to_be_equal", {}),
                ("column_pair_values_a_to_be_greater_than_b", {"or_equal": True}),
                ("column_pair_values_to_be_in_set", {"value_pairs_set": [(0, 0), (1, 1), ("apple", None)]}),
            )
        ],
        *[
            (kind, {"row_condition": "small > 0", "condition_parser": "pandas", **more})
            for kind, more in (
                ("table_row_count_to_equal", {"value": 3}),
                ("column_values_to_be_between", {"column": "weight", "min_value": 0}),
                ("column_values_to_be_unique", {"column": "word"}),
                ("column_median_to_be_between", {"column": "price", "min_value": 0}),
                ("column_stdev_to_be_between", {"column": "price", "min_value": 0}),
                ("column_unique_value_count_to_be_between", {"column": "word", "max_value": 3}),
                ("compound_columns_to_be_unique", {"column_list": ["word", "count"]}),
            )
        ],
        (
            "column_values_to_not_be_null",
            {
                "column": "note",
                "row_condition": 'col("word").notnull()',
                "condition_parser": "great_expectations",
            },
        ),
    ]
    return [Expectation(type=f"expect_{kind}", kwargs=kwargs) for kind, kwargs in asked]


def senseless() -> list[Expectation]:
    """What great-expectations can't answer of these columns, or of any table in pandas."""
    asked = [
        *every("column_values_to_not_be_null", ["plum"]),
        *every("column_values_to_be_unique", ["plum"]),
        *every("column_max_to_be_between", ["plum", "word"], min_value=0),
        *every("column_mean_to_be_between", ["word"], min_value=0),
        *every("column_median_to_be_between", ["word"], min_value=0),
        *every("column_stdev_to_be_between", ["moment"], min_value=0),
        *every("column_values_to_be_between", ["day"], min_value=1),
        *every("column_values_to_match_strftime_format", ["number"], strftime_format="%Y"),
        *every("column_values_to_match_like_pattern", ["word"], like_pattern="a%"),
        *every("column_values_to_be_of_type", ["plum"], type_="str"),
    ]
    return [Expectation(type=f"expect_{kind}", kwargs=kwargs) for kind, kwargs in asked]


def answers(
    tmp_path: Path, rows: list[dict[str, Any]], way: str, of: list[Expectation]
) -> list[dict[str, Any]]:
    """great-expectations' results, in the order in which it was asked."""
    folder = tmp_path / way
    table = Table.open(write_table(folder / "table", COLUMNS, rows))
    with spill_beside(folder / "report") as spill:
        engine = Engine(folder / "docs", spill)
        frames = Frames(table, list(TYPES), chunk_rows=8)
        results = engine.ask("training", frames, dict(enumerate(of)), way)["results"]
    return sorted(results, key=lambda one: one["expectation_config"]["meta"]["position"])


def told(answer: dict[str, Any]) -> dict[str, Any]:
    """What is compared: of an error that there is one, since its words give examples of values."""
    raised = bool(exceptions_in(answer))
    return {"success": answer["success"], "result": rounded(answer["result"]), "raised": raised}


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return float(f"{value:.12g}") if isinstance(value, float) and math.isfinite(value) else value


@pytest.mark.parametrize(
    "rows", [name if name == "dirty" else pytest.param(name, marks=pytest.mark.long) for name in TABLES]
)
def test_both_ways_give_one_answer(tmp_path, rows):
    assert differences(tmp_path, rows, asked(), raised=0 if rows == "dirty" else None) == ""


def test_both_ways_have_no_answer_to_what_makes_no_sense(tmp_path):
    assert differences(tmp_path, "dirty", senseless(), raised=len(senseless())) == ""


def differences(tmp_path: Path, rows: str, expectations: list[Expectation], raised: int | None) -> str:
    whole = answers(tmp_path, TABLES[rows], WHOLE, expectations)
    chunks = answers(tmp_path, TABLES[rows], CHUNKS, expectations)
    assert len(whole) == len(chunks) == len(expectations)
    without = [e for e, answer in zip(expectations, whole, strict=True) if told(answer)["raised"]]
    assert raised in (None, len(without)), without
    return "\n".join(
        f"{e.type} {e.kwargs}\n  {told(one)}\n  {told(other)}"
        for e, one, other in zip(expectations, whole, chunks, strict=True)
        if told(one) != told(other)
    )


def test_what_looks_at_other_rows_is_refused_of_a_table_that_does_not_fit(tmp_path):
    of = [
        Expectation(type="expect_column_values_to_be_increasing", kwargs={"column": "number"}),
        Expectation(
            type="expect_column_kl_divergence_to_be_less_than", kwargs={"column": "price", "threshold": 1}
        ),
        Expectation(
            type="expect_column_value_z_scores_to_be_less_than",
            kwargs={"column": "price", "threshold": 9, "double_sided": True},
        ),
        Expectation(
            type="expect_column_values_to_not_be_null",
            kwargs={
                "column": "number",
                "row_condition": "price > price.mean()",
                "condition_parser": "pandas",
            },
        ),
    ]
    found = answers(tmp_path, TABLES["dirty"], CHUNKS, of)
    assert [answer["success"] for answer in found] == [False] * 4
    needs_all = "it needs all rows in memory, and the table is above the limit (SLUICE_GATE_MEMORY_MB)"
    assert [exceptions_in(answer) for answer in found[:3]] == [[needs_all]] * 3
    condition = "its row_condition calls something that may look at other rows"
    assert exceptions_in(found[3]) == [f"{condition}; {needs_all}"]


def test_a_set_of_too_many_values_is_refused_of_a_table_that_does_not_fit(tmp_path, monkeypatch):
    from components.preprocess.validate import outofcore

    monkeypatch.setattr(outofcore, "MOST_VALUES", 5)
    of = [
        Expectation(
            type="expect_column_distinct_values_to_contain_set", kwargs={"column": "note", "value_set": ["x"]}
        )
    ]
    (answer,) = answers(tmp_path, TABLES["dirty"], CHUNKS, of)
    assert not answer["success"]
    assert exceptions_in(answer) == [
        "it holds 25 values in memory, more than 5; "
        "it needs all rows in memory, and the table is above the limit (SLUICE_GATE_MEMORY_MB)"
    ]


def test_the_limit_decides_and_is_megabytes(tmp_path, monkeypatch):
    table = Table.open(write_table(tmp_path / "table", COLUMNS, TABLES["dirty"]))
    assert Frames(table, list(TYPES)).way == WHOLE
    monkeypatch.setenv("SLUICE_GATE_MEMORY_MB", "0")
    assert Frames(table, list(TYPES)).way == CHUNKS
    monkeypatch.setenv("SLUICE_GATE_MEMORY_MB", "much")
    with pytest.raises(
        SluiceError, match=r"SLUICE_GATE_MEMORY_MB: the data gate's memory limit can't be read\. Got: much\."
    ):
        _ = Frames(table, list(TYPES)).way
