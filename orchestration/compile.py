"""Writes the compiled pipeline into a folder: the definition, and the payloads that it refers to. Needs no AWS."""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.environment import (
    IMAGES,
    Environment,
    Image,
    read_environment,
    read_images,
)
from orchestration.pipeline import build
from sluice.contract import InputError, StorageError

if TYPE_CHECKING:
    from orchestration.steps import Compiled

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

DEFINITION = "definition.json"
OBJECTS = "objects"
OURS = {DEFINITION, OBJECTS, "stack.yaml"}
"""What may be written over: what compile writes, and the stack that infra/README.md puts beside it."""
BUCKET = "bucket-of-the-template"
DIGEST = "f" * 64


def add_compile_parser(verbs: Subparsers) -> None:
    """Add `compile`; the parsed options' `run` is `run_compile`."""
    text = "write the SageMaker pipeline definition, without AWS, credentials or network"
    verb = verbs.add_parser("compile", help=text, description=f"{text[0].upper()}{text[1:]}.")
    add_environment(verb)
    verb.add_argument(
        "--output",
        type=Path,
        default=Path("build/pipeline"),
        metavar="FOLDER",
        help="written anew: definition.json, and objects/ as they lie in the bucket (default: build/pipeline)",
    )
    verb.add_argument(
        "--template",
        action="store_true",
        help="bucket, roles and images as ${…}, for a stack that owns the pipeline",
    )
    verb.set_defaults(run=run_compile)


def add_environment(verb: argparse.ArgumentParser) -> None:
    """Add `--environment` and `--images`, which every verb that knows a place to run takes."""
    verb.add_argument(
        "--environment", type=Path, required=True, metavar="FILE", help="the environment file: where it runs"
    )
    verb.add_argument(
        "--images",
        type=Path,
        default=IMAGES,
        metavar="FILE",
        help=f"the record of built images (default: {IMAGES})",
    )


def run_compile(options: argparse.Namespace) -> int:
    """Compile, write the folder and say what is in it.

    Returns:
        0.

    Raises:
        InputError: the environment file or the images' record is missing or wrong, or the folder is not ours.
    """
    from orchestration.steps import compile_pipeline

    environment = read_environment(options.environment)
    if options.template:
        compiled = compile_template(environment)
    else:
        compiled = compile_pipeline(build(), environment, read_images(options.images))
    write(compiled, BUCKET if options.template else environment.bucket, options.output)
    size = len(compiled.definition)
    print(f"{options.output / DEFINITION}: {size:,} characters; {len(compiled.objects)} objects beside it")
    return 0


def compile_template(environment: Environment) -> Compiled:
    """Compile with `${Bucket}`, `${PipelineRole}`, `${TrainRole}`, `${TrainImage}` and so on in the places of names.

    CloudFormation's Fn::Sub fills them in. Everything else is the environment's.
    """
    from orchestration.steps import Compiled, compile_pipeline

    graph = build()
    components = {step.component.name.split(".")[0] for step in graph.steps.values()}
    roles = {name: f"arn:aws:iam::000000000000:role/{name}" for name in components}
    steps = {
        step.name: environment.step(step.name).model_copy(
            update={"role": roles[step.component.name.split(".")[0]]}
        )
        for step in graph.steps.values()
    }
    images = {
        name: Image(uri=f"{name}@sha256:{DIGEST}", tag="f" * 16, python="3.11", contract="1.0")
        for name in components
    }
    placed = environment.model_copy(update={"bucket": BUCKET, "steps": steps})
    compiled = compile_pipeline(graph, placed, images)
    text = compiled.definition.replace(BUCKET, "${Bucket}")
    for name in components:
        title = name.capitalize()
        text = text.replace(roles[name], f"${{{title}Role}}").replace(images[name].uri, f"${{{title}Image}}")
    return Compiled(text, compiled.objects)


def write(compiled: Compiled, bucket: str, folder: Path) -> None:
    """Write a compiled pipeline as a folder that appears whole: an earlier one that stood there is replaced.

    Raises:
        InputError: something else stands there.
        StorageError: the folder can't be written.
    """
    try:
        _require_ours(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as partial:
            made = Path(partial, "pipeline")
            _write_objects(compiled.objects, bucket, made / OBJECTS)
            (made / DEFINITION).write_text(json.dumps(json.loads(compiled.definition), indent=1) + "\n")
            shutil.rmtree(folder, ignore_errors=True)
            made.rename(folder)
    except OSError as error:
        raise StorageError(
            "the folder can't be written",
            where=folder,
            got=str(error),
            next_step="Name another with --output",
        ) from error


def _require_ours(folder: Path) -> None:
    # the folder goes before the new one comes: `--output .` shall not cost anybody a checkout
    others = sorted({one.name for one in folder.iterdir()} - OURS) if folder.exists() else []
    if others:
        raise InputError(
            "the folder holds something else, and would be written anew",
            where=folder,
            got=", ".join(others[:5]),
            allowed="a folder that isn't there, is empty, or was written by an earlier compile",
            next_step="Name another with --output",
        )


def _write_objects(objects: Mapping[str, bytes], bucket: str, folder: Path) -> None:
    for uri, content in objects.items():
        target = folder / uri.removeprefix(f"s3://{bucket}/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
