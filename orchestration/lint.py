"""Lint: what SageMaker would refuse of a compiled pipeline, all of it at once and before anything is uploaded."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.compile import add_environment
from orchestration.definition import read_definition
from orchestration.environment import Environment, Image, read_environment, read_images
from orchestration.lint_rules import RULES, Case, Finding
from sluice.contract import InputError

if TYPE_CHECKING:
    from orchestration.steps import Compiled

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def lint(
    definition: str,
    environment: Environment,
    images: Mapping[str, Image],
    values: Mapping[str, str] | None = None,
) -> list[Finding]:
    """Everything that SageMaker would refuse, or that would go wrong in a run.

    Args:
        definition: a compiled pipeline definition, JSON text.
        environment: where it is to run.
        images: the images by component.
        values: what the parameters are given at the start, by name; without them the defaults are looked at.

    Raises:
        InputError: the text is no pipeline definition.
    """
    case = Case(definition, read_definition(definition), environment, images, values or {})
    return list(dict.fromkeys(finding for rule in RULES for finding in rule(case)))


def refuse(findings: list[Finding], where: str) -> None:
    """Stop what would be refused.

    Raises:
        InputError: there are findings; each is told.
    """
    if findings:
        raise InputError(
            f"lint refuses the pipeline: {verdict(findings)}\n"
            + "".join(f"  {line}\n" for line in messages(findings)),
            where=where,
        )


def messages(findings: Iterable[Finding]) -> list[str]:
    """The findings as a user reads them, in their order; what is the same of several steps is told once."""
    steps: dict[Finding, list[str]] = {}
    for finding in findings:
        steps.setdefault(replace(finding, step=None), []).extend([finding.step] if finding.step else [])
    return [finding.told(named) for finding, named in steps.items()]


def verdict(findings: list[Finding]) -> str:
    """How many findings there are, in words."""
    return f"{len(findings)} finding{'s' * (len(findings) > 1)}" if findings else "nothing to correct"


def add_lint_parser(verbs: Subparsers) -> None:
    """Add `lint [RECIPE…]`; the parsed options' `run` is `run_lint`."""
    text = "check the compiled pipeline against what SageMaker takes, without reaching AWS"
    verb = verbs.add_parser("lint", help=text, description=f"{text[0].upper()}{text[1:]}.")
    verb.add_argument("recipes", nargs="*", type=Path, metavar="RECIPE", help="recipes to check with it")
    add_environment(verb)
    verb.set_defaults(run=run_lint)


def run_lint(options: argparse.Namespace) -> int:
    """Compile, lint, and print every finding.

    Returns:
        0; 1 if there are findings.

    Raises:
        SluiceError: the environment file, the record of images or a recipe is wrong.
    """
    compiled, environment, images = compile_for(options)
    findings = lint(compiled.definition, environment, images)
    for recipe in options.recipes:
        given = lint(compiled.definition, environment, images, {"recipe": _recipe_uri(recipe, environment)})
        findings += [finding for finding in given if finding not in findings]
    print("\n".join(_told(findings, environment, len(compiled.definition))))
    return 1 if findings else 0


def compile_for(options: argparse.Namespace) -> tuple[Compiled, Environment, dict[str, Image]]:
    """The pipeline compiled for the environment and images that were named on the command line.

    An image that was built and not pushed is compiled by its tag, so that a pull request can be looked at; it is a
    finding of lint.

    Raises:
        InputError: a file is wrong, or an image was never built.
    """
    from orchestration.pipeline import build
    from orchestration.steps import compile_pipeline

    environment, images = read_environment(options.environment), read_images(options.images)
    return compile_pipeline(build(), environment, images, tags=True), environment, images


def _recipe_uri(path: Path, environment: Environment) -> str:
    """The URI that a start would put a recipe at, once it is found to be in order."""
    from orchestration.start import read_recipe

    text, _ = read_recipe(path)
    return f"{environment.store}/recipes/{hashlib.sha256(text.encode()).hexdigest()}.yaml"


def _told(findings: list[Finding], environment: Environment, size: int) -> Iterator[str]:
    yield from messages(findings)
    yield f"lint of {environment.pipeline} ({size} bytes): {verdict(findings)}"
