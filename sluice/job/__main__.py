"""What a processing job runs on each of its hosts: `python -m sluice.job COMPONENT RECIPE NAME VALUE …`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from sluice.job.cluster import leading, lend, read_hosts
from sluice.job.status import telling
from sluice.job.step import RECORDS, failing_closed, work


def main(words: Sequence[str]) -> None:
    """Run a component as `run_step` does, on all hosts of this job; the record goes where SageMaker takes it from."""
    component, recipe, *given = words
    with failing_closed(component):
        hosts = read_hosts()
        if not hosts.leads:
            lend(hosts)
            return
        with telling(os.environ), leading(hosts):
            _, record = work(component, recipe, *given)
            RECORDS.mkdir(parents=True, exist_ok=True)
            (RECORDS / f"{os.environ['SLUICE_STEP']}.json").write_bytes(record)


if __name__ == "__main__":
    main(sys.argv[1:])
