"""`python -m infra`: deploy a stack, or write the generated parts of its template."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sluice.contract import InputError, SluiceError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb.

    Returns:
        0; 1 after an error, which is printed; 130 after Ctrl-C.
    """
    options = _parser().parse_args(argv)
    try:
        return int(options.run(options))
    except SluiceError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: CloudFormation goes on by itself; run again to see how it ended", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m infra", description="Sluice's resources in an AWS account."
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    deploy = verbs.add_parser("deploy", help="make or change a stack, and write its environment file")
    deploy.add_argument("name", help="the environment's name, like staging")
    deploy.add_argument("region", help="AWS's name of the region, like eu-west-1")
    deploy.add_argument("parameters", nargs="*", metavar="NAME=VALUE", help="parameters of infra/stack.yaml")
    deploy.set_defaults(run=_deploy)
    template = verbs.add_parser("template", help="write what follows from the graph into infra/stack.yaml")
    template.set_defaults(run=_template)
    pipeline = verbs.add_parser("pipeline", help="print a stack that owns the pipeline")
    pipeline.add_argument("definition", type=Path, help="what compile --template wrote: definition.json")
    pipeline.set_defaults(run=_pipeline)
    return parser


def _deploy(options: argparse.Namespace) -> int:
    from infra.deploy import deploy
    from infra.environment import require_sound, write_environment
    from orchestration.environment import FOLDER

    path = FOLDER / f"{options.name}.yaml"
    require_sound(path)
    outputs = deploy(options.name, options.region, _pairs(options.parameters))
    written = write_environment(path, options.name, options.region, outputs)
    print(f"{path}: {'written' if written else 'as it was'}")
    for name in ("ApproverRole", "CiRole", "PlanRole", "Topic"):
        if name in outputs:
            print(f"{name}: {outputs[name]}")
    return 0


def _pairs(texts: list[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError("a parameter is NAME=VALUE", where="infra deploy", got=text)
        pairs[name] = value
    return pairs


def _template(options: argparse.Namespace) -> int:
    from infra.template import STACK, rendered

    text = STACK.read_text(encoding="utf-8")
    STACK.write_text(rendered(text), encoding="utf-8")
    print(f"{STACK.name}: {'as it was' if rendered(text) == text else 'written'}")
    return 0


def _pipeline(options: argparse.Namespace) -> int:
    from infra.pipeline_stack import pipeline_stack

    print(pipeline_stack(options.definition), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
