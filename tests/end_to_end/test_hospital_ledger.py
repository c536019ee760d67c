"""The real job: lines of a hospital's ledger, as its recipe says. (`.ci/run` takes them through the images as well.)"""

import pytest

from .jobs import Job

LINES = 167_107
ROWS = 5_000


@pytest.mark.long
def test_the_real_ledger_is_judged_as_its_recipe_says_and_a_second_run_reuses_everything(
    shared, repository, tmp_path
):
    job = Job(repository, tmp_path / "a store", "recipes/hospital-ledger.yaml")
    variables = (f"DATA={shared / 'data' / 'nhs_gstt_spend_2020_21'}", f"ROWS={ROWS}")
    first = job.make(*variables)
    assert job.record.outcome in ("done", "refused by metric-gate"), first.stdout + first.stderr
    job.check_rows(LINES, not_sampled=LINES - ROWS)
    job.check_baselines()
    job.check_gate(first.returncode, first.stdout)

    second = job.make(*variables)
    assert second.returncode == first.returncode
    job.check_reuse(second.stdout)
