"""A chain of no-op steps in kfp.local's subprocess runner; prints the seconds that the whole chain took.

Runs in an environment of its own (requirements-kfp.lock): kfp pins other versions of protobuf than mlflow does.
"""

import sys
import tempfile
import time

from kfp import dsl, local


@dsl.component
def noop(value: str) -> str:
    return value


@dsl.pipeline
def chain(steps: int = 0) -> str:
    value = noop(value="1").output
    for _ in range(int(sys.argv[1]) - 1):
        value = noop(value=value).output
    return value


with tempfile.TemporaryDirectory() as root:
    # No virtual environment per step and no pip: the same bare subprocess that Sluice starts.
    local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=root)
    began = time.perf_counter()
    result = chain()
    seconds = time.perf_counter() - began
    assert result.output == "1"
print(f"seconds={seconds}")
