"""The set-up script: at once when nothing changed, begun again when it was cut short, clear when it can't."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "ci/setup.sh"
NO_PACKAGES = "# a lock of nothing\n"
UNKNOWN_TORCH = f"torch==0.0.0+cpu \\\n    --hash=sha256:{'0' * 64}\n"


class Checkout:
    """A clone whose folder has a space, as small as set-up allows."""

    def __init__(self, folder: Path, lock: str):
        self.folder = folder
        self.environment = folder / ".venv"
        folder.mkdir()
        (folder / ".python-version").write_text("3.11\n")
        self.write_lock(lock)

    def write_lock(self, lock: str) -> None:
        (self.folder / "some.lock").write_text(lock)

    def set_up(self, **variables: str) -> subprocess.CompletedProcess[str]:
        offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PYTHON": sys.executable}
        return subprocess.run(
            ["/bin/sh", SCRIPT, ".venv", "some.lock"],
            cwd=self.folder,
            env=os.environ | offline | variables,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path / "a clone", NO_PACKAGES)


@pytest.mark.long
def test_an_unchanged_environment_is_left_alone_until_its_lock_changes(checkout):
    assert checkout.set_up().returncode == 0
    (checkout.environment / "mark").touch()

    again = checkout.set_up(PYTHON="/no/python/is/needed")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert (checkout.environment / "mark").exists()

    checkout.write_lock(NO_PACKAGES + "# changed\n")
    assert checkout.set_up().returncode == 0
    assert not (checkout.environment / "mark").exists()


@pytest.mark.long
def test_an_environment_that_was_cut_short_is_made_again(checkout):
    (checkout.environment / "bin").mkdir(parents=True)
    (checkout.environment / "bin/python").touch()
    assert checkout.set_up().returncode == 0
    version = [checkout.environment / "bin/python", "-c", "import sys; print(sys.prefix)"]
    assert subprocess.check_output(version, text=True).strip() == str(checkout.environment)


@pytest.mark.long
def test_a_failed_install_leaves_no_environment_and_says_where_torch_comes_from(checkout):
    checkout.write_lock(UNKNOWN_TORCH)
    failed = checkout.set_up()
    assert failed.returncode == 1
    assert "No matching distribution found for torch==0.0.0+cpu" in failed.stderr
    assert (
        "name an index that has the CPU wheels of PyTorch:\n        make setup TORCH_INDEX=" in failed.stderr
    )
    assert failed.stderr.endswith("set-up: .venv was not made\n")
    assert not checkout.environment.exists()


def test_a_machine_without_the_right_python_is_told_which_one_is_needed(checkout):
    (checkout.folder / ".python-version").write_text("3.99\n")
    failed = checkout.set_up(PYTHON="python3.99")
    assert failed.returncode == 1
    assert failed.stderr == (
        "set-up: Python 3.99 was not found (tried python3.99 and python3);\n"
        "        install it, or name it: make setup PYTHON=/path/to/python3.99\n"
    )


def test_a_missing_lock_is_told(checkout):
    (checkout.folder / "some.lock").unlink()
    failed = checkout.set_up()
    assert failed.returncode == 1
    assert failed.stderr == "set-up: some.lock is missing: write it with `make lock`\n"
