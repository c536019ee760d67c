"""What is particular to great-expectations: how it is imported, asked about a table, and made to write its Data Docs."""

from __future__ import annotations

import json
import logging
import math
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from components.preprocess.validate.frames import WHOLE, Frames
from components.preprocess.validate.spill import Spill
from sluice.contract import Table
from sluice.recipe import Expectation

RESULT_FORMAT = {"result_format": "BASIC", "partial_unexpected_count": 5}
"""COMPLETE would list every unexpected value, row by row."""
SITE = "data_docs"
ABOUT_ALL_COLUMNS = "expect_table_column"
"""How the types begin that ask about the set of columns, so that none may be left out."""


@cache
def great_expectations() -> ModuleType:
    """The package, imported late because it takes 3 to 5 seconds, with telemetry off and every expectation registered."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    with _quietly():
        import great_expectations
        import great_expectations.expectations
    return great_expectations


class Engine:
    """An ephemeral context of great-expectations: it keeps everything in memory and writes only its Data Docs."""

    def __init__(self, docs: Path, spill: Spill) -> None:
        gx = great_expectations()
        from great_expectations.data_context.types.base import ProgressBarsConfig

        self._spill = spill
        with _quietly():
            self._context = gx.get_context(mode="ephemeral")
            self._context.variables.progress_bars = ProgressBarsConfig(globally=False)
            self._context.delete_data_docs_site("local_site")
            self._context.add_data_docs_site(SITE, _site(docs))

    def ask(self, name: str, frames: Frames, asked: Mapping[int, Expectation], way: str) -> dict[str, Any]:
        """Ask a table about expectations.

        Args:
            name: the table's name in the Data Docs.
            frames: the table's columns that the expectations name.
            asked: the expectations by their position in the recipe, which comes back in each result's `meta`.
            way: WHOLE or CHUNKS; the answers are the same.

        Returns:
            great-expectations' result as strict JSON: `success`, `statistics` and `results`; and the `way`.
        """
        gx = great_expectations()
        with _quietly():
            suite = self._context.suites.add(gx.ExpectationSuite(name, expectations=_suite(asked)))
            result = self._judged(suite, frames, way)
            self._keep(name, result)
            return {"way": way, **_as_json(result.to_json_dict())}

    def _judged(self, suite: Any, frames: Frames, way: str) -> Any:
        """great-expectations' result for a suite, from the frame of all rows or from what its metrics are known to be."""
        from great_expectations.core import ExpectationSuiteValidationResult
        from great_expectations.validator.validation_statistics import calc_validation_statistics
        from great_expectations.validator.validator import Validator

        from components.preprocess.validate.outofcore import KnownMetrics, measured, metrics_needed

        asked, runtime = suite.expectation_configurations, {"result_format": RESULT_FORMAT}
        if way == WHOLE:
            engine = KnownMetrics(frames.whole(), {})
        else:
            engine = measured(frames, asked, runtime, self._spill)
        needs = [(one, metrics_needed(one, engine, runtime)) for one in asked]
        results = [_no_answer(one, need) for one, need in needs if isinstance(need, Exception)]
        judge = Validator(engine, data_context=self._context)
        results += judge.graph_validate(
            [one for one, need in needs if not isinstance(need, Exception)], runtime
        )
        engine.load_batch_data("rows", frames.none())  # lets the rows go now, not when garbage is collected
        figures = calc_validation_statistics(results)._asdict()
        success = figures.pop("success")
        return ExpectationSuiteValidationResult(
            success=success, results=results, suite_name=suite.name, statistics=figures, meta={}
        )

    def write_docs(self) -> None:
        """Write great-expectations' own pages about everything that was asked."""
        with _quietly():
            self._context.build_data_docs(site_names=[SITE])

    def _keep(self, name: str, result: Any) -> None:
        """Put a result where the Data Docs look for it.

        A validation definition would do it too, but it can't store the numpy booleans that some expectations answer
        with (expect_column_quantile_values_to_be_between in 1.24.1).
        """
        from great_expectations.core.run_identifier import RunIdentifier
        from great_expectations.data_context.types import resource_identifiers as identifiers

        for answer in (result, *result.results):
            answer.success = bool(answer.success)
        result.meta["run_id"] = RunIdentifier(run_name="preprocess.validate")
        suite = identifiers.ExpectationSuiteIdentifier(name)
        key = identifiers.ValidationResultIdentifier(suite, result.meta["run_id"], batch_identifier=name)
        self._context.validation_results_store.set(key, result)


def columns_read(table: Table, asked: Mapping[int, Expectation]) -> list[str]:
    """The columns that the expectations' arguments mention, conditions and lists included; the rows' ids at the least."""
    every = [column.name for column in table.columns]
    if any(expectation.type.startswith(ABOUT_ALL_COLUMNS) for expectation in asked.values()):
        return every
    arguments = json.dumps([e.kwargs for e in asked.values()], ensure_ascii=False, default=str)
    mentioned = set(re.findall(r"\w+", arguments))
    return [name for name in every if name in mentioned] or every[:1]


def exceptions_in(result: Mapping[str, Any]) -> list[str]:
    """What one expectation's evaluation raised; empty if it was evaluated."""
    info = result["exception_info"]
    every = (
        [info]
        if "raised_exception" in info
        else [value for value in info.values() if isinstance(value, dict)]
    )
    said = [str(one.get("exception_message")) for one in every if one.get("raised_exception")]
    return list(dict.fromkeys(said))


def _suite(asked: Mapping[int, Expectation]) -> list[Any]:
    """Expectations as great-expectations' own objects; unlike a suite read from a file, none can get lost."""
    from great_expectations.expectations.metadata_types import FailureSeverity
    from great_expectations.expectations.registry import get_expectation_impl

    severity = {"failure": FailureSeverity.CRITICAL, "warning": FailureSeverity.WARNING}
    return [
        get_expectation_impl(e.type)(
            **e.kwargs,
            meta={"position": position},
            severity=severity[e.severity],
        )
        for position, e in asked.items()
    ]


def _no_answer(asked: Any, error: Exception) -> Any:
    """A result in the form in which great-expectations tells an expectation's error."""
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.validator.exception_info import ExceptionInfo

    info = ExceptionInfo(exception_traceback="", exception_message=str(error))
    return ExpectationValidationResult(success=False, exception_info=info, expectation_config=asked)


def _site(folder: Path) -> dict[str, Any]:
    return {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
    }


def _as_json(result: dict[str, Any]) -> dict[str, Any]:
    """Strict JSON, without tracebacks (they hold this machine's paths), the moment it was asked and random ids."""
    kept = {key: result[key] for key in ("success", "statistics", "results")}
    for one in kept["results"]:
        one["expectation_config"].pop("id", None)
        infos = one["exception_info"]
        for info in (infos, *infos.values()):
            if isinstance(info, dict):
                info.pop("exception_traceback", None)
    strict: dict[str, Any] = _finite(kept)
    return strict


def _finite(value: Any) -> Any:
    """The same value with every NaN and infinity as text, which is all that JSON can hold of them."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    return value


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep the package's deprecation warnings and log from the user: what it found is in its results."""
    log = logging.getLogger("great_expectations")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
