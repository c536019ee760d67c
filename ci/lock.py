"""Write every lock: the development environment first, then each component constrained by it.

Run by `make lock`, in an environment that holds pip-tools. A lock is complete and hashed, so it is
installed with `--no-deps --require-hashes`; that also lets a package come without what it asks for
(the lines of a `requirements-bare.in`). A lock holds no index address and no path.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEV = Path("requirements/dev.in")
# These share no environment with the rest, so no pins either.
APART = [Path("benchmarks/requirements-kfp.in"), Path("requirements/locking.in")]
TRAIN = Path("components/train/requirements.in")
CUDA = Path("requirements/train-cuda.lock")

COMPILE = [
    *("--quiet", "--generate-hashes", "--allow-unsafe", "--strip-extras", "--no-header", "--no-annotate"),
    *("--no-emit-index-url", "--no-emit-trusted-host", "--no-emit-find-links", "--no-emit-options"),
]


def main() -> None:
    """Resolve from nothing, so that the same inputs give the same locks whatever was locked before."""
    dev = compiled(DEV)
    components = sorted(path.relative_to(ROOT) for path in ROOT.glob("components/*/requirements.in"))
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor() as pool:
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text("\n".join(pins(dev)))
        limits = dict.fromkeys(components, constraints) | dict.fromkeys(APART)
        locks = dict(zip(limits, pool.map(compiled, limits, limits.values()), strict=True))

    bare = {path.parent: hashed(path) for path in sorted(ROOT.glob("components/*/requirements-bare.in"))}
    whole = {pin.split("==")[0] for pin in pins(dev)}  # the SageMaker SDK is here with all that it asks for
    alone = dict.fromkeys(line for lines in bare.values() for line in lines)
    write(DEV, dev, [line for line in alone if line.split("==")[0].lower() not in whole])
    for path, body in locks.items():
        write(path, body, bare.get(ROOT / path.parent, []))
    write(TRAIN, with_cuda(locks[TRAIN]), bare.get(ROOT / TRAIN.parent, []), CUDA)


def with_cuda(train: str) -> str:
    """The lock of train with torch's CUDA build, and what that asks for, in the place of its CPU build."""
    whole = [pin for pin in pins(train) if not pin.startswith("torch==")]
    (cpu,) = set(pins(train)) - set(whole)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "train-cuda.in"
        source.write_text("\n".join([*whole, f"{cpu.partition('+')[0]},!={cpu.removeprefix('torch==')}"]))
        return compiled(source)


def compiled(source: Path, constraints: Path | None = None) -> str:
    """What `source` resolves to, as the body of a lock."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "lock"
        limits = ["--constraint", str(constraints)] if constraints else []
        run(["-m", "piptools", "compile", *COMPILE, *limits, "--output-file", str(target), str(source)])
        body = target.read_text()
    return "".join(
        line for line in body.splitlines(keepends=True) if line.strip() and not line.startswith("#")
    )


def hashed(source: Path) -> list[str]:
    """The pinned lines of a `requirements-bare.in` with the digest of the file that pip would install."""
    ask = ["install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps", "--report", "-"]
    report = json.loads(run(["-m", "pip", *ask, "--requirement", str(source)]))
    return [
        f"{item['metadata']['name']}=={item['metadata']['version']} \\\n"
        f"    --hash=sha256:{item['download_info']['archive_info']['hashes']['sha256']}\n"
        for item in report["install"]
    ]


def pins(body: str) -> list[str]:
    """The `name==version` of each line, without its hashes."""
    return re.findall(r"^[^\s#]+==\S+", body, flags=re.MULTILINE)


def write(source: Path, body: str, bare: Sequence[str], target: Path | None = None) -> None:
    target = ROOT / (target or source.with_suffix(".lock"))
    target.write_text(f"# Made from {source.name} by `make lock`; not edited by hand.\n{body}{''.join(bare)}")
    print(f"{target.relative_to(ROOT)}: {len(pins(body)) + len(bare)} packages", flush=True)


def run(arguments: Sequence[str]) -> str:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


if __name__ == "__main__":
    main()
