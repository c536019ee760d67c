"""The verbs: run, check, why, lineage, models, docs. Each is a few lines here and a module of its own."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from orchestration.runners import RUNNERS
from sluice.contract import InputError, SluiceError
from sluice.contract.home import ensure_home

REFUSED = 3
"""The exit status of a run that a gate refused."""
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb.

    Returns:
        0; 1 after an error, which is printed; 3 if a gate refused; 130 after Ctrl-C.
    """
    ensure_home()
    options = _parser().parse_args(argv)
    try:
        status = int(options.run(options))
        sys.stdout.flush()  # here, where a reader that left early can still be told apart from a failure
        return status
    except SluiceError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: finished steps are kept, and the next run goes on from there", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Python's own flush at exit shall not complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    from orchestration.compile import add_compile_parser
    from orchestration.deploy import add_upsert_parser
    from orchestration.executions import add_logs_parser, add_status_parser, add_stop_parser
    from orchestration.launch import add_start_parser
    from orchestration.lint import add_lint_parser
    from orchestration.models import add_models_parser
    from orchestration.plan import add_plan_parser
    from orchestration.upload import add_upload_parser

    parser = argparse.ArgumentParser(prog="python -m orchestration", description="Sluice's command line.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    _add_run(verbs)
    _add_check(verbs)
    _add_why(verbs)
    _add_lineage(verbs)
    add_models_parser(verbs)
    add_compile_parser(verbs)
    add_lint_parser(verbs)
    add_plan_parser(verbs)
    add_upsert_parser(verbs)
    add_upload_parser(verbs)
    add_start_parser(verbs)
    add_status_parser(verbs)
    add_logs_parser(verbs)
    add_stop_parser(verbs)
    _add_docs(verbs)
    return parser


def _add_run(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = verbs.add_parser(
        "run", help="run the pipeline for a recipe", description="Run the pipeline for a recipe."
    )
    _add_recipe_and_data(verb)
    _add_store(verb)
    verb.add_argument(
        "--rows", type=_positive, metavar="N", help="take N rows by seeded sampling; all if not given"
    )
    verb.add_argument(
        "--previous",
        metavar="URI",
        help="an earlier run's training table to compare with: the path or URI of its manifest",
    )
    verb.add_argument(
        "--thresholds",
        default="",
        metavar="NAME=VALUE,…",
        help="the metric gate's thresholds instead of the recipe's",
    )
    verb.add_argument(
        "--runner",
        choices=RUNNERS,
        default=RUNNERS[0],
        help="where steps run: as processes or as containers here, in SageMaker's local mode, in SageMaker",
    )
    verb.add_argument(
        "--images",
        type=Path,
        metavar="FILE",
        help="the record of built images (default: orchestration/environments/images.yaml)",
    )
    verb.add_argument(
        "--environment", type=Path, metavar="FILE", help="the environment file, for a runner on SageMaker"
    )
    verb.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from importlib import import_module

    from rich.console import Console

    from orchestration.environment import IMAGES
    from orchestration.start import Request, start

    if options.environment and not options.runner.startswith("sagemaker"):
        raise InputError(
            "an environment file says where on AWS, and this runner stays here",
            where=f"--environment {options.environment}",
            got=f"--runner {options.runner}",
            allowed="--runner sagemaker or sagemaker-local",
        )
    request = Request(
        recipe=options.recipe,
        store=options.store,
        data=options.data,
        rows=options.rows,
        previous=options.previous,
        thresholds=options.thresholds,
        runner=options.runner,
        images=options.images or IMAGES,
        environment=options.environment,
    )
    console = Console(highlight=False)
    if request.runner.startswith("sagemaker"):
        runner = import_module(f"orchestration.runners.{request.runner.replace('-', '_')}")
        return int(runner.run(request, console))
    record = start(request, console)
    return REFUSED if record.outcome.startswith("refused") else 0


def _add_check(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "check a recipe, and its data if it is there, without running anything"
    verb = verbs.add_parser("check", help=text, description=f"{text.capitalize()}.")
    _add_recipe_and_data(verb)
    verb.set_defaults(run=_check)


def _check(options: argparse.Namespace) -> int:
    from orchestration.check import check

    for line in check(options.recipe, options.data):
        print(line)
    return 0


def _add_why(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "say why each step of a run was run again or reused"
    verb = verbs.add_parser("why", help=text, description=f"{text.capitalize()}.")
    verb.add_argument("step", nargs="?", help="one step; all if not given")
    verb.add_argument("--run", dest="run_id", metavar="ID", help="a run's id; the latest if not given")
    _add_store(verb)
    verb.set_defaults(run=_why)


def _why(options: argparse.Namespace) -> int:
    from orchestration.why import explain
    from sluice.contract import storage

    print("\n".join(explain(storage.to_uri(options.store), options.run_id, options.step)))
    return 0


def _add_lineage(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "show what an artifact was made from, back to the raw files"
    verb = verbs.add_parser("lineage", help=text, description=f"{text.capitalize()}.")
    verb.add_argument("uri", help="the artifact's manifest: a path or URI")
    verb.set_defaults(run=_lineage)


def _lineage(options: argparse.Namespace) -> int:
    from orchestration.lineage import render_lineage
    from sluice.contract import storage

    print(render_lineage(storage.to_uri(options.uri)))
    return 0


def _add_docs(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "write the generated parts of the READMEs again"
    verb = verbs.add_parser("docs", help=text, description=f"{text.capitalize()}.")
    verb.add_argument("--check", action="store_true", help="only say whether they are up to date")
    verb.set_defaults(run=_docs)


def _docs(options: argparse.Namespace) -> int:
    from orchestration.documentation import outdated, write

    root = Path(__file__).parents[1]
    stale = outdated(root)
    if not options.check:
        write(root)
    for path in stale:
        print(f"{'out of date' if options.check else 'written'}: {path.relative_to(root)}")
    return 1 if options.check and stale else 0


def _add_recipe_and_data(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("recipe", type=Path, help="the recipe's path")
    verb.add_argument("--data", metavar="FOLDER", help="the folder of raw files, a path or s3://…")


def _add_store(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--store", default="artifacts", metavar="URI", help="where results are kept (default: artifacts)"
    )


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive whole number")
    return int(text)
