"""Two small components, the pipeline made of them, and what an execution of it starts with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import dedent

from orchestration.environment import Environment, Image
from orchestration.graph import Graph
from orchestration.steps import Compiled, compile_pipeline
from tests.job.engine import Engine, image, split

COMPONENTS = {
    "count": """
        from __future__ import annotations
        from typing import Annotated
        import numpy as np
        import pyarrow as pa
        from sluice.contract import InputError, Metrics, Output, Role, Table, TableColumn, Verdict, report, roles

        class CountMetrics(Verdict):
            rows: int
            mean: float

        def count(numbers: Annotated[Output[Table], roles(Role.NUMERIC)], rows: int, how: str = "well") -> CountMetrics:
            '''Write some numbers.'''
            if how == "input":
                raise InputError("the number is odd", where="line 3", got="7", allowed="even numbers", next_step="Double it")
            if how == "defect":
                raise ZeroDivisionError("division by zero")
            with numbers.writer([TableColumn(name="x", type="double", role=Role.NUMERIC)]) as writer:
                writer.write(pa.record_batch([pa.array([float(n) for n in range(rows)])], schema=writer.schema))
            report("counted", fraction=0.5)
            reasons = ("3 is more than 2", "4 is too") if how == "refuse" else ()
            mean = {"nan": float("nan"), "numpy": np.float32(0.5)}.get(how, 1.0)
            return CountMetrics(rows=np.int64(rows), mean=mean, passed=not reasons, reasons=reasons)
        """,
    "total": """
        from __future__ import annotations
        from typing import Annotated
        from sluice.contract import Metrics, Output, Report, Role, Table, roles

        class TotalMetrics(Metrics):
            total: float

        def total(numbers: Annotated[Table, roles(Role.NUMERIC)], told: Output[Report]) -> TotalMetrics:
            '''Add the numbers up.'''
            total = sum(sum(batch.column(0).to_pylist()) for batch in numbers.batches())
            (told.folder / "total.txt").write_text(str(total))
            return TotalMetrics(total=total)
        """,
}


def write_components(checkout: Path) -> Path:
    """Write the components into a folder that Python can find them in; gives the folder."""
    for name, code in COMPONENTS.items():
        folder = checkout / "components" / name
        folder.mkdir(parents=True)
        (folder / "component.py").write_text(dedent(code))
    return checkout


def graph() -> Graph:
    """Numbers are counted, and added up if the count's verdict is good."""
    small = Graph("small")
    rows, how = (
        small.parameter("rows", "how many numbers"),
        small.parameter("how", "how it goes", str, "well"),
    )
    counted = small.step("count", rows=rows, how=how)
    with small.gate("gate", counted, refusal="The count was refused"):
        small.step("total", numbers=counted["numbers"])
    return small


def shared_graph() -> Graph:
    """The same without a gate, so that several instances may share the count."""
    small = Graph("small")
    rows, how = (
        small.parameter("rows", "how many numbers"),
        small.parameter("how", "how it goes", str, "well"),
    )
    counted = small.step("count", rows=rows, how=how)
    small.step("total", numbers=counted["numbers"])
    return small


def environment(store: str, **more: object) -> Environment:
    """An environment whose store is this one on S3."""
    bucket, prefix = split(store)
    role = "arn:aws:iam::111122223333:role/jobs"
    given = {"name": "test", "region": "eu-west-1", "bucket": bucket, "prefix": prefix, "pipeline": "small"}
    return Environment.model_validate({**given, "pipeline_role": role, "role": role, **more})


def images(*components: str) -> dict[str, Image]:
    """Made-up records of pushed images."""
    registry = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
    return {
        name: Image(
            uri=f"{registry}/sluice-{name}@sha256:{digit * 64}", tag=digit * 16, python="3.11", contract="1.0"
        )
        for name, digit in zip(components, "abcdef", strict=False)
    }


@dataclass(frozen=True)
class Pipeline:
    """The compiled pipeline, uploaded to S3, and what its jobs find in their image.

    Attributes:
        compiled: the definition and its payloads.
        store: where results go.
        folder: where jobs work.
        code: the folders that an image's Python finds modules in.
    """

    compiled: Compiled
    store: str
    folder: Path
    code: tuple[Path, ...]

    def run(self, *, how: str = "well", rows: int = 3, last: str = "", **variables: str) -> Engine:
        """Execute it.

        Args:
            how: how `count` goes.
            rows: another number of rows is another result: what an earlier execution made is not found again.
            last: the step to stop after; none if not given.
            variables: more of the jobs' environment.
        """
        parameters = {"recipe": f"{self.store}/none.yaml", "rows": str(rows), "how": how}
        given = image(*self.code, **variables)
        return Engine(self.compiled.definition, parameters, self.folder, given, last).run()

    def with_code(self, *code: Path) -> Pipeline:
        """The same in images that hold other code."""
        return replace(self, code=code)


def compile_small(store: str, **more: object) -> Compiled:
    """Compile the small pipeline for a store."""
    return compile_pipeline(graph(), environment(store, **more), images("count", "total"))
