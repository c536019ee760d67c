"""The chain of manifests from an artifact back to the raw source; what is gone or changed is shown as such."""

from __future__ import annotations

import json
import shutil

import pytest

from orchestration.lineage import render_lineage
from sluice.contract import MANIFEST, ArtifactMissing, Parent
from sluice.contract.lineage import Found, lineage, lineage_of
from tests.registry.builders import Chain


@pytest.fixture
def chain(tmp_path):
    return Chain(tmp_path / "my store")


def found(node):
    """Everything behind a node, with what was found of it."""
    return [(behind.name, behind.found) for behind in node.walk()]


def test_it_reaches_the_raw_source(chain):
    tree = lineage(chain.model.uri)
    assert (tree.name, tree.digest) == ("model", chain.model.digest)
    assert found(tree) == [
        ("model", Found.SAME),
        ("training", Found.SAME),
        ("raw", Found.SOURCE),
        ("features", Found.SAME),
        ("raw", Found.SOURCE),
    ]


def test_a_parent_that_is_gone_is_shown_and_not_walked(chain):
    shutil.rmtree(chain.root / "training")
    assert found(lineage(chain.model.uri))[:3] == [
        ("model", Found.SAME),
        ("training", Found.MISSING),
        ("features", Found.SAME),
    ]


def test_another_artifact_in_a_parents_place_is_shown_as_changed(chain):
    shutil.rmtree(chain.root / "training")
    shutil.copytree(chain.root / "features", chain.root / "training")
    assert ("training", Found.CHANGED) in found(lineage(chain.model.uri))


def test_a_damaged_manifest_of_a_parent_is_shown_as_unreadable(chain):
    (chain.root / "training" / MANIFEST).write_text("{")
    assert ("training", Found.UNREADABLE) in found(lineage(chain.model.uri))


def test_an_artifact_that_is_not_there_is_an_error_only_at_the_root(chain):
    with pytest.raises(ArtifactMissing, match="no artifact here"):
        lineage((chain.root / "nothing" / MANIFEST).as_uri())
    recorded = Parent(name="model", uri=(chain.root / "nothing" / MANIFEST).as_uri(), digest="0")
    assert lineage_of(recorded).found is Found.MISSING


def test_an_artifacts_folder_means_its_manifest(chain):
    folder = chain.model.uri.removesuffix(f"/{MANIFEST}")
    assert lineage(folder) == lineage(chain.model.uri)
    with pytest.raises(ArtifactMissing, match=f"{MANIFEST}: no artifact here"):
        lineage(chain.root.as_uri())


def test_artifacts_that_claim_each_other_as_parents_are_cut_off(chain):
    path = chain.root / "training" / MANIFEST
    manifest = json.loads(path.read_text())
    manifest["parents"] = [{"name": "itself", "uri": chain.model.uri, "digest": chain.model.digest}]
    path.write_text(json.dumps(manifest))
    assert [name for name, _ in found(lineage(chain.model.uri))] == [
        "model",
        "training",
        "itself",
        "features",
        "raw",
    ]


def test_the_tree_as_text_draws_what_several_share_once(chain):
    lines = render_lineage(chain.evaluation.uri).splitlines()
    root = chain.root.as_uri()
    assert lines[0] == f"report  {chain.evaluation.digest[:12]}  by tests  {chain.evaluation.uri}"
    assert lines[1].startswith(f"├── model  {chain.model.digest[:12]}")
    assert lines[3] == f"│   │   └── raw  aaaaaaaaaaaa  {Found.SOURCE}  {root}/raw"
    assert lines[-1] == f"└── test  {chain.features.digest[:12]}  by tests  {chain.features.uri}  (as above)"
    assert len(lines) == 7
