"""The main job: `make run` on the sample that the project makes."""

import pytest

from .jobs import Job

ROWS = 5_000


@pytest.mark.long
def test_the_demo_ends_with_a_model_that_a_person_can_approve_and_a_second_run_reuses_it(
    repository, tmp_path
):
    job = Job(repository, tmp_path / "a store", "recipes/ledger-demo.yaml")
    first = job.make()
    assert first.returncode == 0, first.stdout + first.stderr
    job.check_rows(ROWS, not_sampled=0)
    job.check_baselines()
    job.check_gate(first.returncode, first.stdout)
    assert job.record.outcome == "done"  # the shipped demo's gates open, whatever machine it runs on

    second = job.make()
    assert second.returncode == 0
    job.check_reuse(second.stdout)
