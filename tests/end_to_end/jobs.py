"""The whole jobs as people type them: `make run`, and what has to be true of whatever comes out of it."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestration.runs import RunRecord, load_runs
from sluice.recipe import Recipe, parse_recipe
from sluice.registry import RegistryHome

MAKE_ERROR = 2
"""What make ends with whatever a command ended with."""


@dataclass(frozen=True)
class Job:
    """A store that `make run` worked on."""

    repository: Path
    store: Path
    recipe_path: str

    def make(self, *variables: str) -> subprocess.CompletedProcess[str]:
        """`make run`; what make itself was told by a caller doesn't reach it."""
        command = ["make", "run", f"RECIPE={self.recipe_path}", f"STORE={self.store}", *variables]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        return subprocess.run(
            command, cwd=self.repository, env=environment, capture_output=True, text=True, check=False
        )

    @property
    def recipe(self) -> Recipe:
        """What the recipe says."""
        return parse_recipe((self.repository / self.recipe_path).read_text(), self.recipe_path)

    @property
    def record(self) -> RunRecord:
        """The latest run's."""
        return load_runs(self.store.as_uri())[-1]

    def metrics(self, step: str) -> dict[str, Any]:
        """What a step of the latest run measured."""
        return self.record.steps[step].metrics

    def check_rows(self, rows_read: int, not_sampled: int) -> None:
        """Each row that was read is in one table, dropped by a named rule, or quarantined."""
        account = self.metrics("preprocess")
        kept = sum(account[f"{name}_rows"] for name in ("training", "validation", "test"))
        assert account["rows_read"] == rows_read
        assert account["dropped"]["not_sampled"] == not_sampled
        assert kept + sum(account["dropped"].values()) + account["rows_quarantined"] == rows_read
        assert self.metrics("validate")["passed"] is True

    def is_good_enough(self) -> bool:
        """Whether the measured model passes the recipe's gates, worked out once more from the numbers."""
        measured, gates = self.metrics("evaluate"), self.recipe.gates
        baseline = gates.linear_baseline
        ahead = measured["macro_f1"] - measured["linear_macro_f1"]
        return (
            all(measured[name] >= value for name, value in gates.at_least.items())
            and all(measured[name] <= value for name, value in gates.at_most.items())
            and (bool(baseline.waived_because) or (ahead > 0 and ahead >= baseline.margin))
        )

    def check_gate(self, status: int, printed: str) -> None:
        """The model is registered and waits for a person if it is good enough, and refused with reasons if not."""
        verdict = self.metrics("evaluate")
        versions = RegistryHome.of_store(str(self.store)).open().list()
        assert verdict["passed"] is self.is_good_enough()
        if verdict["passed"]:
            assert status == 0
            assert self.record.outcome == "done"
            (version,) = versions
            assert (version.group, version.status) == (self.recipe.registry.group, "PendingManualApproval")
            assert f"models approve {version.group} {version.version}" in printed
        else:
            assert status == MAKE_ERROR
            assert self.record.outcome == "refused by metric-gate"
            assert versions == ()
            for reason in verdict["reasons"]:
                assert reason in printed

    def check_baselines(self) -> None:
        """The model was measured beside both baselines, and has learned more than to name the largest class."""
        measured = self.metrics("evaluate")
        assert measured["macro_f1"] > measured["majority_macro_f1"]
        assert measured["accuracy"] > measured["majority_accuracy"]
        assert measured["linear_macro_f1"] > measured["majority_macro_f1"]

    def check_reuse(self, printed: str) -> None:
        """Every step that had a result was reused."""
        states = {str(step.state) for step in self.record.steps.values()}
        assert states <= {"reused", "skipped"}
        assert f"{sum(step.finished for step in self.record.steps.values())} of 6 steps reused" in printed
