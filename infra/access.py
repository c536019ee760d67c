"""What each image's jobs read and write in the bucket: follows from the graph and from nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from orchestration.graph import Graph, OutputOf, Step
from sluice.contract import MANIFEST, External, Source
from sluice.registry import RegistryHome


@dataclass(frozen=True)
class Access:
    """What the jobs of one image may do. Steps that share an image share its role.

    Attributes:
        image: the image's component, `preprocess`.
        reads: keys below the environment's prefix that its steps read; `*` stands for anything.
        writes: keys that they write.
        registers: whether they create model packages.
    """

    image: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    registers: bool

    @property
    def lists(self) -> tuple[str, ...]:
        """Folders that are listed: results of steps, raw files, and what SageMaker itself fetches for a job."""
        folders = [key for key in self.reads if key.endswith("/*") and not key.endswith("/results/*")]
        return _once(key for folder in folders for key in (folder.removesuffix("/*"), folder))


def access_of(graph: Graph, pipeline: str) -> tuple[Access, ...]:
    """What every image of a graph reads and writes, in the graph's order.

    Args:
        graph: the graph.
        pipeline: the pipeline's name, a part of the keys of the SageMaker SDK's payloads.
    """
    images = _once(_image(step) for step in graph.steps.values())
    return tuple(_access(graph, image, f"code/*/{pipeline}") for image in images)


def _access(graph: Graph, image: str, code: str) -> Access:
    steps = [step for step in graph.steps.values() if _image(step) == image]
    reads = [key for step in steps for key in _reads(graph, step, code)]
    writes = [key for step in steps for key in _writes(graph, step, code)]
    return Access(
        image=image,
        reads=_once(reads),
        writes=_once(writes),
        registers=any(_takes(step, RegistryHome) for step in steps),
    )


def _reads(graph: Graph, step: Step, code: str) -> list[str]:
    """Its own finished result, its inputs, and what the SDK's driver loads before the step begins."""
    needed = [graph.steps[name] for name in step.needs]
    keys = [f"{code}/sagemaker_remote_function_bootstrap/*", f"{code}/{step.name}/*"]
    keys += [f"{code}/{other.name}/*/results/*" for other in needed]
    keys += [f"steps/{other.component.name}/*" for other in (step, *needed)]
    keys += [f"checkpoints/*/{step.name}/*"]
    keys += [f"executions/*/{other.name}.json" for other in needed if other.component.shareable]
    if step.component.settings:
        keys += ["recipes/*"]
    if _takes(step, Source):
        keys += ["data/*"]
    if _takes(step, RegistryHome):  # a version is registered with its lineage
        further = _ancestors(graph, step.name) - {step.name, *step.needs}
        keys += [f"steps/{graph.steps[name].component.name}/*/{MANIFEST}" for name in sorted(further)]
    return keys


def _writes(graph: Graph, step: Step, code: str) -> list[str]:
    """Its result, what the SDK tells the next step of it, what a spot instance leaves for the one after it, its record."""
    keys = [
        f"steps/{step.component.name}/*",
        f"{code}/{step.name}/*/results/*",
        f"checkpoints/*/{step.name}/*",
        f"executions/*/{step.name}.json",
    ]
    evaluation = step.arguments.get("evaluation")
    if _takes(step, RegistryHome) and isinstance(evaluation, OutputOf):
        # what SageMaker shows of a version lies beside the report that it was taken from
        keys += [f"steps/{graph.steps[evaluation.step].component.name}/*.model-quality.json"]
    return keys


def _ancestors(graph: Graph, step: str) -> set[str]:
    """The step and everything that it was made from, near or far."""
    return {step}.union(*(_ancestors(graph, other) for other in graph.steps[step].needs))


def _image(step: Step) -> str:
    return step.component.name.split(".")[0]


def _takes(step: Step, kind: type[External]) -> bool:
    return kind in step.component.externals.values()


def _once(keys: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(keys))
