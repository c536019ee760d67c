"""The contract's surface is frozen: a change here is a change for everybody who reads artifacts."""

from __future__ import annotations

import sluice.contract
from sluice.contract import CONTRACT_VERSION, Manifest, Parent, Producer, Result
from sluice.contract.manifest import PayloadFile
from sluice.contract.schema import Role, TableColumn


def test_the_manifest_s_fields_are_those_of_this_contract_version():
    assert CONTRACT_VERSION == "1.0"
    assert set(Manifest.model_fields) == {
        "contract", "kind", "files", "columns", "rows", "digest", "producer", "parents",
    }  # fmt: skip
    assert set(Producer.model_fields) == {
        "component", "fingerprint", "code", "settings", "parameters", "metrics", "revision", "packages",
        "started", "finished",
    }  # fmt: skip
    assert set(Parent.model_fields) == {"name", "uri", "digest"}
    assert set(PayloadFile.model_fields) == {"path", "bytes", "sha256", "rows"}
    assert set(TableColumn.model_fields) == {
        "name", "type", "nullable", "role", "hierarchy", "level", "encodes",
    }  # fmt: skip
    assert set(Result.model_fields) == {
        "contract", "component", "fingerprint", "outputs", "metrics", "started", "finished",
    }  # fmt: skip


def test_the_roles_are_these():
    assert sorted(Role) == [
        "categorical", "fold", "group", "hierarchical", "id", "label", "numeric", "text", "time", "weight",
    ]  # fmt: skip


def test_every_public_name_is_there_and_listed_once():
    names = sluice.contract.__all__
    assert len(names) == len(set(names))
    assert all(hasattr(sluice.contract, name) for name in names)
