"""Every step of a real run, and the approval after it, asks AWS for what its role may do and for nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from botocore.client import BaseClient

from orchestration.graph import OutputOf, PipelineParameter
from orchestration.pipeline import build
from sluice.contract import Call, run, storage
from sluice.registry import RegistryHome, Status
from tests.builders.backbones import tiny_backbone
from tests.end_to_end.builders import csv_text, parcels, recipe
from tests.infra.conftest import REGION
from tests.infra.policies import actions, may

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("on_aws")]

REQUEST = re.compile(r'"(?:\x1b\[\S*?m)*([A-Z]+) (\S+) HTTP/1\.1(?:\x1b\[0m)?" (\d+)')


class Asked:
    """What was asked of S3 and of SageMaker."""

    def __init__(self) -> None:
        self.s3: list[tuple[str, str, dict[str, str]]] = []
        self.sagemaker: set[str] = set()

    def refused_by(self, policies: list[dict]) -> list[str]:
        """What a role's policies don't allow of it."""
        objects = [
            f"{action} {arn}" for action, arn, given in self.s3 if not may(policies, action, arn, **given)
        ]
        return objects + sorted(self.sagemaker - actions(policies))


def s3_actions(log: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Each request on S3, as IAM sees it: action, resource, condition keys."""
    for method, target, _ in REQUEST.findall(log):
        address = urlsplit(target)
        bucket, _, key = unquote(address.path).lstrip("/").partition("/")
        query = parse_qs(address.query, keep_blank_values=True)
        if not bucket:
            continue  # another service's
        if not key:
            assert method in ("GET", "HEAD"), target
            given = {"s3_prefix": query["prefix"][0]} if "prefix" in query else {}
            yield "s3:ListBucket", f"arn:aws:s3:::{bucket}", given
            continue
        puts = "s3:AbortMultipartUpload" if "uploadId" in query and method == "DELETE" else "s3:PutObject"
        action = {"GET": "s3:GetObject", "HEAD": "s3:GetObject", "DELETE": "s3:DeleteObject"}.get(
            method, puts
        )
        yield puts if "uploadId" in query else action, f"arn:aws:s3:::{bucket}/{key}", {}


@pytest.fixture
def listening(account, monkeypatch):
    """Gives what is asked while a block runs."""

    @contextmanager
    def listen() -> Iterator[Asked]:
        asked, before = Asked(), account.log.stat().st_size

        def call(client: BaseClient, operation: str, request: dict) -> object:
            if client.meta.service_model.service_name == "sagemaker":
                asked.sagemaker.add(f"sagemaker:{operation}")
            return calls(client, operation, request)

        calls = BaseClient._make_api_call
        with monkeypatch.context() as patch:
            patch.setattr(BaseClient, "_make_api_call", call)
            yield asked
        with account.log.open() as log:
            log.seek(before)
            asked.s3 += s3_actions(log.read())

    return listen


def test_a_run_and_an_approval_stay_within_the_roles(account, listening, tmp_path, monkeypatch):
    monkeypatch.setenv("SLUICE_CACHE", str(tmp_path / "cache"))
    store = f"s3://{account.outputs['Bucket']}/sluice"
    text = recipe(tiny_backbone(tmp_path / "bert"))
    storage.write_bytes(f"{store}/data/parcels/parcels.csv", csv_text(parcels()).encode())
    given = {"data": f"{store}/data/parcels", "registry": f"sagemaker://{REGION}"}
    calls: dict[str, Call] = {}

    def value(argument: object) -> object:
        if isinstance(argument, OutputOf):
            return calls[argument.step].output_uri(argument.output)
        return (
            given.get(argument.name, argument.default)
            if isinstance(argument, PipelineParameter)
            else argument
        )

    for step in build().steps.values():
        arguments = {name: value(argument) for name, argument in step.arguments.items()}
        with listening() as asked:
            calls[step.name] = Call(step.component, store, arguments, text)
            run(calls[step.name])
        role = f"{step.component.name.split('.')[0].capitalize()}Role"
        assert len(asked.s3) > 5, step.name
        assert asked.refused_by(account.policies(role)) == [], step.name

    assert "sagemaker:CreateModelPackage" in asked.sagemaker
    with listening() as asked:
        RegistryHome(given["registry"]).open().decide("parcels", 1, Status.APPROVED, who="Ada", why="good")
    assert "sagemaker:UpdateModelPackage" in asked.sagemaker
    assert asked.refused_by(account.policies("ApproverRole")) == []
