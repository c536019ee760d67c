"""Jobs under the SDK's real entry point: a step that can't do its work, or can't say that it did, is a failed job."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from sluice.contract import storage

from .builders import Pipeline
from .engine import Job, upload

FIRST_OUTPUT = r"(PUT|POST) \S*/steps/count/\w+/numbers/"
ANSWER = r"PUT \S*/results/payload\.pkl"
"""Where the SDK writes what the step's function returned."""
EVERYTHING_OF_THE_SDK = r"PUT \S*/code/"


@pytest.fixture(scope="module")
def done(pipeline):
    """An execution that went well."""
    return pipeline.run()


def ended(pipeline, rows: int = 3, **given: str) -> Job:
    """How the first step's job ended."""
    return pipeline.run(rows=rows, last="count", **given).jobs["count"]


# --- what goes well


def test_an_execution_runs_to_its_end(done):
    assert done.succeeded, [job.log for job in done.jobs.values()]
    assert [job.status for job in done.jobs.values()] == [0, 0]
    assert [job.failure for job in done.jobs.values()] == ["", ""]
    assert done.gates == {"gate": True}


def test_its_steps_answer_strict_json_that_names_what_stands_in_the_store(done, pipeline):
    answer = done.answer("count")
    assert answer["Exception"] is None
    folder = answer["Result"]["result"]
    assert folder.startswith(f"{pipeline.store}/steps/count/")
    assert answer["Result"]["outputs"] == {"numbers": f"{folder}/numbers/manifest.json"}
    assert answer["Result"]["passed"] is True
    assert storage.exists(answer["Result"]["outputs"]["numbers"])


def test_a_step_takes_the_outputs_of_the_one_before(done, pipeline):
    record = json.loads(storage.read_bytes(f"{pipeline.store}/executions/{done.execution}/total.json"))
    assert json.loads(storage.read_bytes(f"{record['result']}/result.json"))["metrics"] == {"total": 3.0}


@pytest.mark.long
def test_a_refusing_gate_ends_the_execution_with_the_verdicts_reasons(pipeline, done):
    refused = pipeline.run(how="refuse")
    assert refused.gates == {"gate": False}
    assert refused.refusal == "The count was refused: 3 is more than 2; 4 is too"
    assert [job.status for job in refused.jobs.values()] == [0]
    assert not refused.succeeded


@pytest.mark.long
def test_another_execution_finds_what_is_finished(pipeline, done, door):
    again = pipeline.run(AWS_ENDPOINT_URL=door.address)
    assert again.answer("count") == done.answer("count")
    assert [
        request for request in door.seen if "/steps/" in request and not request.startswith(("GET", "HEAD"))
    ] == []


# --- what goes wrong inside the step's function, which fails closed by itself


@pytest.mark.long
def test_what_a_component_refuses_is_the_jobs_reason(pipeline):
    job = ended(pipeline, 4, how="input")
    assert job.status == 1
    assert job.failure == "count: line 3: the number is odd. Got: 7. Allowed: even numbers. Double it."


@pytest.mark.long
def test_an_unexpected_exception_is_named(pipeline):
    job = ended(pipeline, 4, how="defect")
    assert (job.status, job.failure) == (1, "count: unexpected ZeroDivisionError: division by zero")
    assert "Traceback" in job.log


@pytest.mark.long
def test_a_refused_put_of_an_output_fails_the_job(pipeline, door):
    door.deny(FIRST_OUTPUT)
    job = ended(pipeline, 5, AWS_ENDPOINT_URL=door.address)
    assert job.status == 1
    assert f"count: {pipeline.store}/steps/count/" in job.failure
    assert "permission refused. Got: " in job.failure
    assert "ACCESS_DENIED" in job.failure


@pytest.mark.long
def test_an_s3_that_goes_away_while_the_step_works_fails_the_job(pipeline, door):
    door.shut_at(FIRST_OUTPUT)
    job = ended(pipeline, 6, AWS_ENDPOINT_URL=door.address)
    assert job.status == 1
    assert "the store can't be read or written. Got: " in job.failure
    assert "Check the address, AWS_ENDPOINT_URL, the region, the credentials and the network." in job.failure


@pytest.mark.long
def test_the_record_of_an_execution_that_cannot_be_written_fails_the_job(pipeline, door):
    door.deny(r"(PUT|POST) \S*/executions/")
    job = ended(pipeline, 3, AWS_ENDPOINT_URL=door.address)
    assert job.status == 1
    assert "/count.json: permission refused." in job.failure


# --- what goes wrong around it, where the SDK's entry point forgets that it failed


def function_of_count(pipeline: Pipeline) -> str:
    """The URI of the function that the first step's job unpickles."""
    (uri,) = [
        uri for uri in pipeline.compiled.objects if uri.endswith("/function/payload.pkl") and "/count/" in uri
    ]
    return uri


@pytest.fixture
def tampered(pipeline):
    """Somebody wrote another function over the first step's."""
    uri = function_of_count(pipeline)
    upload({uri: pipeline.compiled.objects[uri].replace(b"run_step", b"run_else")})
    yield pipeline
    upload({uri: pipeline.compiled.objects[uri]})


@pytest.fixture
def bare(pipeline):
    """Images without our sitecustomize."""
    return pipeline.with_code(*pipeline.code[1:])


def test_an_s3_that_goes_away_before_the_answer_is_written_fails_the_job(pipeline, door):
    door.shut_at(ANSWER)
    job = ended(pipeline, AWS_ENDPOINT_URL=door.address)
    assert job.status == 1
    assert "results/payload.pkl" in job.failure


@pytest.mark.long
def test_an_s3_that_is_never_there_fails_the_job(pipeline, door):
    door.shut_at("")
    job = ended(pipeline, AWS_ENDPOINT_URL=door.address)
    assert job.status == 1
    assert "function/metadata.json" in job.failure
    assert "Connection was closed" in job.failure


@pytest.mark.long
def test_a_refused_put_of_the_answer_fails_the_job(pipeline, door):
    door.deny(EVERYTHING_OF_THE_SDK)
    job = ended(pipeline, AWS_ENDPOINT_URL=door.address)
    assert job.status == 1
    assert "AccessDenied" in job.failure


@pytest.mark.long
def test_a_refused_put_of_what_gates_read_fails_the_job(pipeline, door):
    door.deny(r"PUT \S*/results/results\.json")
    job = ended(pipeline, AWS_ENDPOINT_URL=door.address)
    assert job.status == 1
    assert "AccessDenied" in job.failure


@pytest.mark.long
def test_a_function_that_somebody_changed_is_not_run(tampered):
    job = ended(tampered)
    assert job.status == 1
    assert "Integrity check for the serialized function or data failed" in job.failure


@pytest.mark.long
def test_an_image_without_our_code_fails_the_job(pipeline):
    job = ended(pipeline.with_code(pipeline.code[0]))
    assert job.status == 1
    assert job.failure.startswith("DeserializationError(")
    assert "No module named" in job.failure


@pytest.mark.long
def test_another_python_than_the_one_that_compiled_fails_the_job(pipeline):
    definition = pipeline.compiled.definition.replace('"3.11"', '"3.12"')
    job = ended(replace(pipeline, compiled=replace(pipeline.compiled, definition=definition)))
    assert job.status == 1
    assert job.failure.startswith("RuntimeEnvironmentError: ")
    assert "3.12" in job.failure


# --- the SDK's fault that components/sitecustomize.py mends; if one of these fails, the SDK has mended it: remove ours


def test_without_our_sitecustomize_an_answer_that_was_never_written_is_a_success(bare, door):
    door.shut_at(ANSWER)
    assert ended(bare, AWS_ENDPOINT_URL=door.address).status == 0


@pytest.mark.long
def test_without_our_sitecustomize_a_refused_put_is_a_success(bare, door):
    door.deny(EVERYTHING_OF_THE_SDK)
    assert ended(bare, AWS_ENDPOINT_URL=door.address).status == 0


@pytest.mark.long
def test_without_our_sitecustomize_a_function_that_was_not_run_is_a_success(tampered, bare, door):
    door.deny(EVERYTHING_OF_THE_SDK)
    assert ended(bare, AWS_ENDPOINT_URL=door.address).status == 0


@pytest.mark.long
def test_even_without_our_sitecustomize_a_failing_component_fails_the_job(bare, door):
    door.deny(EVERYTHING_OF_THE_SDK)
    assert ended(bare, 4, how="defect", AWS_ENDPOINT_URL=door.address).status == 1
