"""`compile`: the definition and its payloads as a folder, without AWS; and as a template that a stack fills in."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from orchestration.compile import write
from orchestration.environment import read_environment, read_images
from orchestration.steps import Compiled
from sluice.contract import InputError, StorageError

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "orchestration/environments/example.yaml"
BLOCKED = """
import socket, sys
def refuse(*_, **__):
    raise RuntimeError("the network was used")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from orchestration.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    """A record of images that were never built."""
    lines = [
        f'{name}: {{uri: "registry.example/sluice-{name}@sha256:{number * 64}", tag: "{number * 16}",'
        ' python: "3.11", contract: "1.0"}'
        for number, name in enumerate(("preprocess", "train", "evaluate", "register"))
        for number in [str(number)]
    ]
    file = tmp_path_factory.mktemp("record") / "images.yaml"
    file.write_text("\n".join(lines))
    return file


def compiled(folder: Path, *options: str) -> subprocess.CompletedProcess:
    """`compile` in a process that can't reach the network and knows no AWS settings."""
    bare = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", BLOCKED, "compile", "--environment", str(EXAMPLE), *options]
    command += ["--output", str(folder / "made of blanks")]
    return subprocess.run(command, cwd=folder, env=bare, capture_output=True, text=True, check=False)


def test_compiling_needs_no_network_no_credentials_and_no_region(tmp_path, images):
    done = compiled(tmp_path, "--images", str(images))
    assert done.returncode == 0, done.stderr
    made = tmp_path / "made of blanks"
    definition = json.loads((made / "definition.json").read_text())
    assert [step["Name"] for step in definition["Steps"]] == ["preprocess", "audit", "validate", "data-gate"]
    assert re.search(r"definition.json: [\d,]+ characters; 28 objects beside it", done.stdout)
    payloads = sorted(path.name for path in (made / "objects").rglob("*") if path.is_file())
    assert payloads.count("payload.pkl") == 12
    assert "job_driver.sh" in payloads


def test_a_template_names_no_bucket_no_role_and_no_image(tmp_path):
    done = compiled(tmp_path, "--template")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "made of blanks/definition.json").read_text()
    names = {"Preprocess", "Train", "Evaluate", "Register"}
    wanted = {"Bucket"} | {f"{name}Role" for name in names} | {f"{name}Image" for name in names}
    assert set(re.findall(r"\$\{(\w+)\}", text)) == wanted
    assert "arn:aws:iam" not in text
    assert "@sha256:" not in text
    assert "s3://bucket-of" not in text


def test_an_image_that_was_not_pushed_is_refused_before_the_sdk_is_loaded(tmp_path, images):
    record = tmp_path / "images.yaml"
    record.write_text(images.read_text().replace(f"@sha256:{'1' * 64}", ":1111111111111111"))
    done = compiled(tmp_path, "--images", str(record))
    assert done.returncode == 1
    assert "component train: the image is named by a tag, which can come to mean another image" in done.stderr
    assert "make push C=train" in done.stderr
    assert not (tmp_path / "made of blanks").exists()


def test_an_environment_file_with_unknown_keys_is_refused_with_all_of_them(tmp_path, images):
    wrong = tmp_path / "wrong.yaml"
    text = EXAMPLE.read_text().replace("volume_gb: 60", "volume_gigabytes: 60").replace("vpc:", "vcp:")
    wrong.write_text(text)
    command = ["compile", "--environment", str(wrong), "--images", str(images)]
    done = subprocess.run(
        [sys.executable, "-m", "orchestration", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "2 mistakes" in done.stderr
    assert "steps.train.volume_gigabytes: unknown key (did you mean volume_gb?)" in done.stderr
    assert "vcp: unknown key (did you mean vpc?)" in done.stderr
    assert "orchestration/environments/example.yaml shows every key" in done.stderr


def test_what_compile_did_not_write_is_never_replaced(tmp_path):
    made = Compiled("{}", {"s3://mine/sluice/code": b"new"})
    folder = tmp_path / "checkout"
    write(made, "mine", folder)
    (folder / "stack.yaml").touch()
    write(made, "mine", folder)  # what it wrote itself is
    assert sorted(path.name for path in folder.iterdir()) == ["definition.json", "objects"]
    (folder / "README.md").write_text("ours")
    with pytest.raises(
        InputError, match=r"holds something else, .* Got: README\.md\. .* another with --output"
    ):
        write(made, "mine", folder)
    assert (folder / "README.md").read_text() == "ours"
    assert [path.name for path in tmp_path.iterdir()] == ["checkout"]
    with pytest.raises(StorageError, match=r"the folder can't be written\. Got: .*File exists"):
        write(made, "mine", folder / "README.md" / "build")


def test_an_environment_that_was_not_named_is_told_which_there_are(tmp_path):
    (tmp_path / "production.yaml").touch()
    (tmp_path / "images.yaml").touch()
    with pytest.raises(InputError) as caught:
        read_environment(tmp_path / ".yaml")  # what `make plan` without ENV asks for
    assert f"Allowed: files here: {tmp_path}/production.yaml. Name one with ENV" in caught.value.message


def test_a_wrong_record_of_images_names_the_image(tmp_path):
    record = tmp_path / "images.yaml"
    record.write_text("train: {uri: 'sluice-train:latest', tag: latest, python: '3.11', contract: '1.0'}")
    with pytest.raises(InputError, match=r"\n  train\.tag: .*got 'latest'"):
        read_images(record)


def test_the_sdks_import_leaves_the_log_of_this_process_as_it_was(tmp_path, images):
    script = (
        "import logging, sys; from orchestration.cli import main; main(sys.argv[1:]); "
        "print(logging.root.level, logging.root.handlers)"
    )
    command = [
        sys.executable,
        "-c",
        script,
        "compile",
        "--environment",
        str(EXAMPLE),
        "--images",
        str(images),
    ]
    command += ["--output", str(tmp_path / "made")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("30 []\n")
