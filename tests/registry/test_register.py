"""A model is registered once, with all that a person needs to decide; a refused one never is."""

from __future__ import annotations

import pytest

from sluice.contract import ArtifactTampered, Model, RegistryError, Report, storage
from sluice.registry import Candidate, Status
from tests.registry.builders import METRICS, REFUSED, make, parent


def test_a_registered_model_waits_for_a_person(registry, chain):
    version = registry.register(chain.candidate(), who="nightly job")
    assert (version.group, version.version, version.status) == ("invoices", 1, Status.PENDING)
    assert version.model == parent("model", chain.model)
    assert version.evaluation == parent("evaluation", chain.evaluation)
    assert version.data_report == parent("data_report", chain.data_report)
    [registered] = version.history
    assert (registered.who, registered.before) == ("nightly job", None)
    assert registered.why == "registered by recipe invoices-demo: every gate passed"


def test_all_single_numbers_of_the_evaluation_are_kept(registry, chain):
    version = registry.register(chain.candidate(), who="x")
    baselines = {"baselines.majority.macro_f1": 0.02, "baselines.linear.macro_f1": 0.7}
    assert version.metrics == {**METRICS, **baselines, "rows": 500}


def test_the_same_model_and_evaluation_are_registered_once(registry, chain):
    first = registry.register(chain.candidate(), who="x")
    assert registry.register(chain.candidate(), who="y") == first
    assert registry.list() == (first,)


def test_another_evaluation_or_group_makes_another_version(registry, chain, another):
    registry.register(chain.candidate(), who="x")
    again = another("again", metrics={"macro_f1": 0.79})
    assert again.model.digest == chain.model.digest
    assert registry.register(again.candidate(), who="x").version == 2
    assert registry.register(chain.candidate("parcels"), who="x").version == 1
    assert [(v.group, v.version) for v in registry.list()] == [
        ("invoices", 2),
        ("invoices", 1),
        ("parcels", 1),
    ]


def test_unknown_groups_and_versions_are_answered_with_those_that_exist(registry, chain):
    with pytest.raises(
        RegistryError, match=r"no such model group\. Got: parcels\. Allowed: none, nothing is registered yet"
    ):
        registry.list("parcels")
    registry.register(chain.candidate(), who="x")
    with pytest.raises(
        RegistryError, match=r"Got: invoice \(did you mean invoices\?\)\. Allowed: invoices\."
    ):
        registry.get("invoice", 1)
    with pytest.raises(RegistryError, match=r"group invoices: no such version\. Got: 3\. Allowed: 1\."):
        registry.get("invoices", 3)


REASON = "macro_f1 is 0.41, at least 0.6 is asked"
REFUSALS = [
    pytest.param(
        {"evaluated": REFUSED}, rf"evaluation\.json: the verdict is not passed.*Got: {REASON}", id="refused"
    ),
    pytest.param({"evaluated": {"passed": 1}}, "the verdict is not passed", id="truthy"),
    pytest.param({"evaluated": {}}, r"the verdict is not passed.*Got: verdict \{\}", id="empty"),
    pytest.param({"evaluated": None}, r"the verdict is not passed.*Got: verdict None", id="none"),
    pytest.param({"validated": REFUSED}, r"validation\.json: the verdict is not passed", id="refused data"),
    pytest.param(
        {"metrics": {"macro_f1": float("nan")}},
        "can't be read, which counts as a refusal.*NaN is no number",
        id="NaN",
    ),
]


@pytest.mark.parametrize(("different", "message"), REFUSALS)
def test_a_model_without_passed_verdicts_is_never_registered(registry, another, different, message):
    with pytest.raises(RegistryError, match=message):
        registry.register(another("refused", **different).candidate(), who="x")
    assert registry.list() == ()


def test_a_report_without_a_verdict_is_a_refusal(registry, chain):
    empty = make(Report, chain.at("empty"), {"report.html": ""}, [parent("model", chain.model)])
    with pytest.raises(
        RegistryError, match=r"evaluation\.json: the verdict can't be read, which counts as a refusal"
    ):
        registry.register(Candidate("g", "r", chain.model, empty, chain.data_report), who="x")


def test_an_evaluation_of_another_model_is_refused(registry, chain, another):
    other = another("other", weights="other weights")
    message = rf"the evaluation is of another model. Got: model {other.model.digest}. Allowed: model {chain.model.digest}"
    with pytest.raises(RegistryError, match=message):
        registry.register(Candidate("g", "r", chain.model, other.evaluation, chain.data_report), who="x")


def test_a_data_report_about_other_rows_is_refused(registry, chain):
    model = make(
        Model,
        chain.at("other"),
        {"model.onnx": "some weights", "model.json": "{}"},
        [parent("training", chain.features)],
    )
    with pytest.raises(
        RegistryError, match="the data report is about other rows than the model was trained on"
    ):
        registry.register(Candidate("g", "r", model, chain.evaluation, chain.data_report), who="x")


def test_a_tampered_model_is_refused(registry, chain):
    storage.write_bytes(chain.at("model/model.onnx"), b"evil weights")
    with pytest.raises(ArtifactTampered, match=r"model\.onnx: a payload file's sha256 is not the manifest's"):
        registry.register(chain.candidate(), who="x")
    assert registry.list() == ()
