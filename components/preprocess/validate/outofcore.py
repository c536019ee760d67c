"""great-expectations judges a table that doesn't fit in memory: by its own metrics, which it computes on chunks of the table.

It asks for metrics by name (`column_values.between.unexpected_count`), computes them on a frame and judges by them. Here
each metric is computed by great-expectations itself on small frames, and put together:

- what looks at one row at a time, sums and extremes: on every chunk of rows, then added up;
- what depends on which values there are: on the distinct values, which DuckDB groups on disk;
- how often values repeat: counted by DuckDB; medians and quantiles: from the one or two rows that DuckDB orders there.

A metric that is none of these has no answer, and an expectation without one closes the gate.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from great_expectations.exceptions import MetricResolutionError
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.validator.metric_configuration import MetricConfiguration
from great_expectations.validator.metrics_calculator import MetricsCalculator
from great_expectations.validator.validation_graph import ValidationGraph

from components.preprocess.validate.frames import LIMIT, Frames
from components.preprocess.validate.spill import Spill

MOST_VALUES = 100_000
"""Distinct values that an expectation about the set of them may hold in memory."""

NEEDS_ALL = f"it needs all rows in memory, and the table is above the limit ({LIMIT})"
CONDITION_NEEDS_ALL = f"its row_condition calls something that may look at other rows; {NEEDS_ALL}"

ROW_BY_ROW = tuple(
    f"{name}."
    for name in (
        *(f"column_values.{name}" for name in ("null", "nonnull", "between", "in_set", "not_in_set")),
        *(f"column_values.{name}" for name in ("match_regex", "not_match_regex", "of_type", "in_type_list")),
        *(f"column_values.{name}" for name in ("match_regex_list", "not_match_regex_list", "value_length")),
        *(f"column_values.{name}" for name in ("match_strftime_format", "dateutil_parseable")),
        *(f"column_values.{name}" for name in ("json_parseable", "match_json_schema")),
        *(f"column_pair_values.{name}" for name in ("equal", "a_greater_than_b", "in_set")),
        *("multicolumn_sum.equal", "multicolumn_values.equal", "select_column_values.unique.within_record"),
    )
)
"""How the metrics begin that judge a row by itself, whatever the others hold."""
OF_COLUMNS = ("table.columns", "table.column_count", "table.column_types")
"""Metrics that need no row."""
OF_METRICS = ("column.unique_proportion", "column.non_null_proportion")
"""Metrics that great-expectations makes of others."""

Runtime = dict[str, Any]
Id = Any
Metrics = Sequence[MetricConfiguration]


class Failure(Exception):
    """Why a metric has no value."""


Known = dict[Id, Any]
"""Each metric's value, or its Failure, by the metric's id."""


class KnownMetrics(PandasExecutionEngine):
    """great-expectations' engine for pandas, told metrics' values beforehand; what it isn't told it computes on its frame."""

    def __init__(self, frame: pd.DataFrame, known: Known, only: bool = False) -> None:
        """
        Args:
            frame: the rows; if all metrics are known, no rows, but all columns with their types.
            known: the values.
            only: whether a metric that isn't known has no value, unless no row is needed for it.
        """
        super().__init__(batch_data_dict={"rows": frame})
        self._columns = set(frame.columns)
        self._known = known
        self.only = only

    def resolve_metrics(
        self,
        metrics_to_resolve: Iterable[MetricConfiguration],
        metrics: dict[Id, Any] | None = None,
        runtime_configuration: Runtime | None = None,
    ) -> dict[Id, Any]:
        """The metrics' values; great-expectations calls this.

        Raises:
            MetricResolutionError: one has none, and why; great-expectations tells it of all expectations that need it.
        """
        told = {metric.id: self._told(metric) for metric in metrics_to_resolve if not self._computes(metric)}
        computed = [metric for metric in metrics_to_resolve if metric.id not in told]
        return told | (super().resolve_metrics(computed, metrics, runtime_configuration) if computed else {})

    def get_compute_domain(
        self, domain_kwargs: dict[str, Any], domain_type: Any, accessor_keys: Iterable[str] | None = None
    ) -> tuple[pd.DataFrame, dict[str, Any], dict[str, Any]]:
        """The rows that a metric looks at; great-expectations calls this.

        It copies them for every metric, with all their columns: here they have only the column that is looked at.
        """
        rows, compute, accessor = super().get_compute_domain(domain_kwargs, domain_type, accessor_keys)
        if "column" not in accessor:
            return rows, compute, accessor
        return rows[[accessor["column"]]], {**compute, "column": accessor["column"]}, accessor

    def get_domain_records(self, domain_kwargs: dict[str, Any]) -> pd.DataFrame:
        """The rows that a metric looks at, of one column if it has one; great-expectations calls this."""
        rows = super().get_domain_records(domain_kwargs)
        column = domain_kwargs.get("column")
        return rows[[column]] if column in rows else rows

    def _computes(self, metric: MetricConfiguration) -> bool:
        if metric.id in self._known:
            return False
        needs_no_row = metric.metric_name in (*OF_COLUMNS, *OF_METRICS) or not self._has(metric)
        return needs_no_row or not self.only

    def _has(self, metric: MetricConfiguration) -> bool:
        """Whether the metric's columns are there; great-expectations has an error of its own for those that aren't."""
        return set(columns_of(metric)) <= self._columns

    def _told(self, metric: MetricConfiguration) -> Any:
        if metric.id not in self._known and metric.metric_name.endswith((".condition", ".map")):
            return None  # one value for each row; what is made of them is known
        value = self._known.get(metric.id, Failure(NEEDS_ALL))
        if isinstance(value, Failure):
            raise MetricResolutionError(str(value), (metric,))
        return value


def columns_of(metric: MetricConfiguration) -> list[str]:
    """The columns that a metric is about."""
    domain = metric.metric_domain_kwargs
    single = [domain[key] for key in ("column", "column_A", "column_B") if domain.get(key)]
    return [*single, *(domain.get("column_list") or [])]


def measured(
    frames: Frames, asked: Sequence[ExpectationConfiguration], runtime: Runtime, spill: Spill
) -> KnownMetrics:
    """An engine that knows what expectations need to know of a table.

    Args:
        frames: the table's columns.
        asked: the expectations.
        runtime: what great-expectations is told when it judges: the format of results.
        spill: where rows are grouped.
    """
    none = frames.none()
    needed = _needed(asked, KnownMetrics(none, {}, only=True), runtime)
    needed = [metric for metric in needed if set(columns_of(metric)) <= set(none.columns)]
    known: Known = {metric.id: Failure(CONDITION_NEEDS_ALL) for metric in needed if _looks_around(metric)}
    needed = [metric for metric in needed if metric.id not in known]
    grouped = [metric for metric in needed if metric.metric_name in BY_GROUPS]
    by_row = [metric for metric in needed if _row_by_row(metric) or metric.metric_name in SUMS]
    known |= _over_chunks(frames, by_row, grouped, runtime, spill)
    for metric in grouped:
        known[metric.id] = _or_failure(BY_GROUPS[metric.metric_name], Groups(frames, spill, metric))
    spill.drop({_rows_of(metric) for metric in grouped})
    return KnownMetrics(none, known, only=True)


def metrics_needed(
    asked: ExpectationConfiguration, engine: KnownMetrics, runtime: Runtime
) -> Metrics | Exception:
    """Every metric that great-expectations needs for an expectation; or why it can't say, which it finds out by raising."""
    try:
        own = asked.to_domain_obj().get_validation_dependencies(engine, runtime)
        graph = _graph(engine, own.get_metric_configurations(), runtime)
    except Exception as error:  # noqa: BLE001 of whatever kind, the expectation has no answer
        # A metric that it needed beforehand and didn't get (the bins of a distribution) is a KeyError here.
        return Failure(NEEDS_ALL) if engine.only and isinstance(error, KeyError) else error
    return [metric for edge in graph.edges for metric in (edge.left, edge.right) if metric is not None]


def _needed(
    asked: Sequence[ExpectationConfiguration], engine: KnownMetrics, runtime: Runtime
) -> list[MetricConfiguration]:
    """Every metric that great-expectations will ask for, each once."""
    needs = [metrics_needed(one, engine, runtime) for one in asked]
    every = chain.from_iterable(need for need in needs if not isinstance(need, Exception))
    return list({metric.id: metric for metric in every}.values())


def _graph(engine: PandasExecutionEngine, metrics: Metrics, runtime: Runtime) -> ValidationGraph:
    return MetricsCalculator(engine).build_metric_dependency_graph(list(metrics), runtime)


def _looks_around(metric: MetricConfiguration) -> bool:
    """Whether a row condition calls something, which might look at other rows."""
    condition = metric.metric_domain_kwargs.get("row_condition") or {}
    return "(" in str(condition.get("pass_through_filter", ""))


def _row_by_row(metric: MetricConfiguration) -> bool:
    per_row = metric.metric_name.endswith((".condition", ".map"))
    return metric.metric_name.startswith(ROW_BY_ROW) and not per_row


def _over_chunks(frames: Frames, metrics: Metrics, grouped: Metrics, runtime: Runtime, spill: Spill) -> Known:
    """Compute metrics on every chunk and put them together; on the way, hand rows over that are to be grouped."""
    weighed = [_beside(metric, name) for metric in metrics for name in BESIDE.get(metric.metric_name, ())]
    parts: dict[Id, list[Any]] = defaultdict(list)
    failed: Known = {}
    engine = KnownMetrics(frames.none(), failed)
    graph = _graph(engine, [*metrics, *weighed], runtime)
    for batch, frame in frames.chunks():
        engine.load_batch_data(
            "rows", frame
        )  # one engine for all: each would keep its frame until garbage is collected
        values = _values(graph, runtime, failed)
        for metric_id in {metric.id for metric in (*metrics, *weighed)} & values.keys():
            parts[metric_id].append(values[metric_id])
        for name, metric in {_rows_of(metric): metric for metric in grouped}.items():
            spill.add(name, _own_rows(engine, batch, metric))
    whole = {m.id: _or_failure(_together, m, parts) for m in metrics if m.id not in failed}
    return whole | failed


def _values(graph: ValidationGraph, runtime: Runtime, failed: Known) -> Known:
    """The metrics' values on the frame of the graph's engine; what fails is added to what failed before."""
    values, aborted = graph.resolve(runtime, show_progress_bars=False)
    failed |= {one: Failure(why["exception_info"].exception_message) for one, why in aborted.items()}
    return values


def _or_failure(make: Callable[..., Any], *given: Any) -> Any:
    try:
        return make(*given)
    except Exception as error:  # noqa: BLE001 whatever it was, the expectation has no answer, and says so
        return Failure(str(error))


# --- put together from chunks


def _together(metric: MetricConfiguration, parts: dict[Id, list[Any]]) -> Any:
    name = metric.metric_name
    if name.endswith(".unexpected_values"):
        most = metric.metric_value_kwargs["result_format"]["partial_unexpected_count"]
        return list(chain.from_iterable(parts[metric.id]))[:most]
    if name in BESIDE:
        beside = (parts[_beside(metric, other).id] for other in BESIDE[name])
        return SUMS[name](parts[metric.id], *beside)
    return SUMS.get(name, sum)(parts[metric.id])


def _beside(metric: MetricConfiguration, name: str) -> MetricConfiguration:
    """Another metric of the same rows."""
    return MetricConfiguration(name, metric.metric_domain_kwargs)


def _mean(means: list[Any], counts: list[int]) -> Any:
    parts = [mean * count for mean, count in zip(means, counts, strict=True) if count]
    return sum(parts) / sum(counts) if parts else np.nan


def _deviation(deviations: list[float], means: list[float], counts: list[int]) -> float:
    """The standard deviation of all, from that of each part (nan for a single value) and how far its mean is from that of all."""
    mean, count = _mean(means, counts), sum(counts)
    parts = [part for part in zip(deviations, means, counts, strict=True) if part[2]]
    within = sum((n - 1) * deviation**2 for deviation, _, n in parts if n > 1)
    between = sum(n * (one - mean) ** 2 for _, one, n in parts)
    return float(np.sqrt((within + between) / (count - 1))) if count > 1 else np.nan


def _extreme(pick: Callable[[list[Any]], Any]) -> Callable[[list[Any]], Any]:
    """The least or the greatest of what isn't null; a chunk without a value has a null."""
    return lambda values: pick([one for one in values if not pd.isna(one)] or values[:1])


BESIDE: dict[str, tuple[str, ...]] = {
    "column.mean": ("column.non_null_count",),
    "column.standard_deviation": ("column.mean", "column.non_null_count"),
}
"""Metrics that chunks are weighed by."""
SUMS: dict[str, Callable[..., Any]] = {
    "table.row_count": sum,
    "compound_columns.unique.filtered_row_count": sum,
    "column.non_null_count": sum,
    "column.sum": sum,
    "column.min": _extreme(min),
    "column.max": _extreme(max),
    "column.mean": _mean,
    "column.standard_deviation": _deviation,
}
"""How a metric of all rows is made of that of each chunk."""


# --- by groups and order


def _rows_of(metric: MetricConfiguration) -> str:
    """The name in the spill of the rows that a metric looks at: its columns, row condition and nulls to ignore."""
    return f"rows_{metric.metric_domain_kwargs_id}"


def _own_rows(
    engine: PandasExecutionEngine, batch: pa.RecordBatch, metric: MetricConfiguration
) -> pa.RecordBatch:
    """Of a chunk's rows those that a metric looks at, as great-expectations picks them; NaN is null, as for pandas."""
    columns = columns_of(metric)
    picked = engine.get_domain_records(metric.metric_domain_kwargs)
    if "column" in metric.metric_domain_kwargs:
        picked = picked[picked[columns[0]].notnull()]
    rows = batch.select(columns)
    rows = rows if len(picked) == len(rows) else rows.take(pa.array(picked.index))
    floats = [pa.types.is_floating(field.type) for field in rows.schema]
    arrays = [pc.if_else(pc.is_nan(a), None, a) if f else a for a, f in zip(rows, floats, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=columns)


class Groups:
    """The rows that a metric looks at, grouped and ordered on disk."""

    def __init__(self, frames: Frames, spill: Spill, metric: MetricConfiguration) -> None:
        self.frames = frames
        self.spill = spill
        self.metric = metric
        self.rows = _rows_of(metric)
        self.columns = ", ".join(f"c{i}" for i in range(len(columns_of(metric))))

    @property
    def groups(self) -> str:
        """The name of the groups of equal rows."""
        return self.spill.group(self.rows)

    def frame(self, question: str) -> pd.DataFrame:
        """The answer to a question about the rows, as a frame."""
        return self.frames.as_frame(self.spill.rows(self.rows, question))

    def on(self, frame: pd.DataFrame) -> Any:
        """The metric as great-expectations computes it on a frame instead of the rows."""
        column = {"column": columns_of(self.metric)[0]}
        metric = MetricConfiguration(self.metric.metric_name, column, self.metric.metric_value_kwargs)
        failed: Known = {}
        engine = PandasExecutionEngine(batch_data_dict={"rows": frame})
        values = _values(_graph(engine, [metric], {}), {}, failed)
        if failed:
            raise next(iter(failed.values()))
        return values[metric.id]


def _repeated_count(groups: Groups) -> int:
    return groups.spill.number(f'SELECT sum("rows") FROM {groups.groups} WHERE "rows" > 1')


def _repeated_values(groups: Groups) -> list[Any]:
    """The first rows that aren't the only ones of their value; they are among those of the groups that begin first."""
    most = groups.metric.metric_value_kwargs["result_format"]["partial_unexpected_count"]
    by = groups.columns
    first = f'SELECT {by} FROM {groups.groups} WHERE "rows" > 1 ORDER BY "first" LIMIT {most}'
    same = " AND ".join(f"r.{c} IS NOT DISTINCT FROM f.{c}" for c in by.split(", "))
    rows = f"SELECT r.* FROM {groups.rows} r SEMI JOIN ({first}) f ON {same} ORDER BY r.rowid LIMIT {most}"
    frame = groups.frame(rows)
    return (
        list(frame.iloc[:, 0]) if "column" in groups.metric.metric_domain_kwargs else frame.to_dict("records")
    )


def _distinct_count(groups: Groups) -> int:
    return groups.spill.number(f"SELECT count(*) FROM {groups.groups}")


def _of_distinct(groups: Groups) -> Any:
    return groups.on(_few(groups, f"SELECT c0 FROM {groups.groups}"))


def _of_most_common(groups: Groups) -> Any:
    most = f'SELECT max("rows") FROM {groups.groups}'
    return groups.on(_few(groups, f'SELECT c0 FROM {groups.groups} WHERE "rows" = ({most})'))


def _few(groups: Groups, question: str) -> pd.DataFrame:
    found = groups.spill.number(f"SELECT count(*) FROM ({question})")
    if found > MOST_VALUES:
        raise Failure(f"it holds {found:,} values in memory, more than {MOST_VALUES:,}; {NEEDS_ALL}")
    return groups.frame(question)


def _median(groups: Groups) -> Any:
    """great-expectations' median of the one or two values in the middle."""
    count = groups.spill.number(f"SELECT count(*) FROM {groups.rows}")
    return groups.on(_at(groups, [(count - 1) // 2, count // 2] if count else []))


def _quantiles(groups: Groups) -> list[Any]:
    """pandas' quantiles, each from the one or two values between which it lies."""
    given = groups.metric.metric_value_kwargs
    between = given.get("allow_relative_error") or "nearest"
    count = groups.spill.number(f"SELECT count(*) FROM {groups.rows}")
    found = []
    for quantile in given["quantiles"]:
        place = (count - 1) * (np.float64(quantile) * 100 / 100)  # as numpy's percentile rounds it
        place = np.around(place) if between == "nearest" else place
        low, part = int(np.floor(place)), place - np.floor(place)
        values = _at(groups, [low, min(low + 1, count - 1)] if count else []).iloc[:, 0]
        found += values.quantile([part], interpolation=between).tolist()
    return found


def _at(groups: Groups, places: list[int]) -> pd.DataFrame:
    """The values at places of the order, smallest first."""
    ordered = groups.spill.ordered(groups.rows)
    parts = [groups.frame(f"SELECT c0 FROM {ordered} WHERE rowid = {place}") for place in places]
    return pd.concat(parts, ignore_index=True) if parts else groups.frame(f"SELECT c0 FROM {ordered} LIMIT 0")


BY_GROUPS: dict[str, Callable[[Groups], Any]] = {
    "column_values.unique.unexpected_count": _repeated_count,
    "column_values.unique.unexpected_values": _repeated_values,
    "compound_columns.unique.unexpected_count": _repeated_count,
    "compound_columns.unique.unexpected_values": _repeated_values,
    "column.distinct_values.count": _distinct_count,
    "column.distinct_values.not_in_set": _of_distinct,
    "column.distinct_values.not_in_set.count": _of_distinct,
    "column.distinct_values.missing_from_column": _of_distinct,
    "column.distinct_values.missing_from_column.count": _of_distinct,
    "column.most_common_value": _of_most_common,
    "column.median": _median,
    "column.quantile_values": _quantiles,
}
"""Metrics of how values repeat, of which there are, and of their order."""
