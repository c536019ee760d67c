"""`make build` and `make push`, in a copy of the checkout: what is reused, what is recorded, what failure says."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from ci.images import default_base
from orchestration.environment import read_images
from tests.images.test_images import files_of, save

pytestmark = pytest.mark.images

CHANGED = "\n# changed\n"


@dataclass
class Copy:
    """A checkout of its own, whose images go to repositories of their own."""

    root: Path
    variables: dict[str, str] = field(default_factory=dict)

    def type(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """`make VERB` without the set-up."""
        return subprocess.run(
            [sys.executable, "-m", "ci.images", *words],
            cwd=self.root,
            env={**os.environ, **self.variables, **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    def do(self, *words: str, **variables: str) -> str:
        """The same, which must succeed; what it says last."""
        done = self.type(*words, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()[-1]

    def refused(self, *words: str, **variables: str) -> str:
        """The same, which must fail; its message."""
        done = self.type(*words, **variables)
        assert done.returncode == 1, done.stdout + done.stderr
        return done.stderr

    def append(self, path: str, text: str) -> None:
        """Change a file."""
        with (self.root / path).open("a") as file:
            file.write(text)

    def log(self, component: str) -> str:
        """What the latest build printed."""
        return (self.root / f"build/images/{component}.log").read_text()

    @property
    def record(self):
        """The record of its images."""
        return read_images(self.root / "orchestration/environments/images.yaml")


@pytest.fixture
def copy(engine, repository, tmp_path):
    """A copy of the working tree, in a folder with a blank; its images are removed afterwards."""
    root = tmp_path / "a checkout"
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=repository, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (repository / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(repository / name, root / name)
    shutil.copytree(repository / ".resources", root / ".resources")
    base = local_base(engine)
    prefix = f"{os.environ['REGISTRY']}/tests-{secrets.token_hex(4)}"
    yield Copy(root, {"REGISTRY": prefix, "BASE_IMAGE": base, "IMAGES": "", "PIP_CONFIG_FILE": ""})
    for image in engine.images.list(filters={"reference": f"{prefix}/*"}):
        for tag in image.tags:
            if tag.startswith(prefix):
                engine.images.remove(tag, noprune=True)


def local_base(engine) -> str:
    """The base image that this machine's images were built on."""
    return os.environ.get("BASE_IMAGE") or default_base()


# --- what is reused


def test_an_unchanged_image_is_neither_built_nor_pushed_again(copy, engine):
    assert re.search(r"\(built in \d+ s\)$", copy.do("build", "register"))
    assert copy.do("build", "register").endswith("(unchanged, on the engine)")
    assert not copy.record["register"].pinned

    assert re.search(r"@sha256:[0-9a-f]{64} \(pushed in \d+ s\)$", copy.do("push", "register"))
    assert copy.do("push", "register").endswith("(unchanged, in the registry)")
    pushed = copy.record["register"]
    assert pushed.pinned

    repository = copy.variables["REGISTRY"] + "/sluice-register"
    engine.images.remove(f"{repository}:{pushed.tag}", noprune=True)
    assert copy.do("build", "register").endswith("(unchanged, in the registry)")
    assert copy.do("push", "register").endswith("(unchanged, in the registry)")
    assert copy.record["register"] == pushed
    assert engine.images.get_registry_data(f"{repository}:{pushed.tag}").id == pushed.uri.partition("@")[2]


def test_a_change_of_code_makes_another_tag_and_reuses_every_layer_but_the_codes(copy, engine):
    copy.do("build", "register")
    before = copy.record["register"]
    copy.append("sluice/contract/errors.py", CHANGED)
    copy.do("build", "register")
    after = copy.record["register"]

    assert after.tag != before.tag
    old, new = (engine.images.get(image.uri).attrs["RootFS"]["Layers"] for image in (before, after))
    assert len(old) == len(new)
    assert (
        sum(a != b for a, b in zip(old, new, strict=True)) <= 2
    )  # the code, and the empty folder made after it
    assert old[: len(old) - 2] == new[: len(new) - 2]
    assert not re.search(r"^#\d+ \d+\.\d+ trimmed", copy.log("register"), re.MULTILINE)


def test_a_change_of_one_component_is_a_change_of_its_image_alone(copy):
    copy.do("build")
    before = copy.record
    copy.append("components/evaluate/charts.py", CHANGED)
    said = copy.type("build").stdout
    assert [name for name, image in copy.record.items() if image.tag != before[name].tag] == ["evaluate"]
    assert re.findall(r"^(\w+): .*\(built in", said, re.MULTILINE) == ["evaluate"]


# --- what is kept out


def test_what_a_build_is_given_as_a_secret_is_in_no_layer(copy, engine, tmp_path):
    secret = f"sluice-secret-{secrets.token_hex(8)}"
    settings, certificates = tmp_path / "pip.conf", tmp_path / "certificates.pem"
    settings.write_text(f"# {secret}\n[global]\nretries = 4\n")
    usual = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE") or "/dev/null"
    certificates.write_text(Path(usual).read_text() + f"# {secret}\n")
    copy.append("components/register/requirements.lock", f"# {secrets.token_hex(8)}\n")  # installs anew

    copy.do("build", "register", PIP_CONFIG_FILE=str(settings), PIP_CERT=str(certificates))
    assert "trimmed" in copy.log("register")
    reference = copy.record["register"].uri
    found = [file.path for file in files_of(save(reference, tmp_path)) if secret.encode() in file.content]
    assert found == []
    assert secret not in str(engine.images.get(reference).history())


def test_the_settings_of_pip_reach_the_build(copy, tmp_path):
    settings = tmp_path / "pip.conf"
    settings.write_text("[global]\nindex-url = http://127.0.0.1:9/simple\nretries = 0\n")
    copy.append("components/register/requirements.lock", f"# {secrets.token_hex(8)}\n")
    said = copy.refused("build", "register", PIP_CONFIG_FILE=str(settings))
    assert "the image of register: a package of the lock was not found. Got: " in said
    assert "name an index that has it: TORCH_INDEX for torch, PIP_CONFIG_FILE for the rest." in said


@pytest.mark.long
def test_a_build_from_the_wheelhouse_needs_no_index(copy, tmp_path):
    nowhere = tmp_path / "pip.conf"
    nowhere.write_text("[global]\nindex-url = http://127.0.0.1:9/simple\nretries = 0\n")
    copy.append("components/register/requirements.lock", f"# {secrets.token_hex(8)}\n")
    assert copy.type("wheels", "register").returncode == 0
    copy.do("build", "register", PIP_CONFIG_FILE=str(nowhere))
    assert "trimmed" in copy.log("register")


# --- what failure says


def test_a_package_that_is_not_the_one_of_the_lock_is_not_installed(copy):
    lock = copy.root / "components/register/requirements.lock"
    head, first, rest = lock.read_text().partition("alembic==1.20.1 \\\n")
    line, _, more = rest.partition("\n")
    other = re.sub(r"    --hash=\S+( \\)?\n", "", f"{line}\n" + more, count=2)
    lock.write_text(f"{head}{first}    --hash=sha256:{'0' * 64}\n{other}")
    said = copy.refused("build", "register")
    assert "a package is not the one that the lock names: its sha256 is another. Got: alembic==1.20.1" in said
    assert "Do not use it." in said


def test_a_base_image_that_is_not_there_is_told(copy):
    base = f"{os.environ['REGISTRY']}/python@sha256:{'0' * 64}"
    said = copy.refused("build", "register", BASE_IMAGE=base)
    assert f"the image of register: the base image was not found. Got: {base}" in said
    assert "Check BASE_IMAGE" in said


def test_a_base_image_with_another_python_is_told(copy):
    (copy.root / ".python-version").write_text("3.12\n")
    said = copy.refused("build", "register")
    assert "the base image does not fit. Got: the base image has Python 3.11, not 3.12 (" in said


def test_a_registry_that_does_not_answer_is_told(copy):
    said = copy.refused("push", "register", REGISTRY="127.0.0.1:9/nowhere")
    assert re.match(
        r"push: 127\.0\.0\.1:9/nowhere/sluice-register:\w+: the registry does not answer\. Got: ", said
    )
    assert said.endswith("Check REGISTRY and that the engine reaches it.\n")


def test_what_is_not_built_can_not_be_pushed(copy):
    copy.append("components/register/component.py", CHANGED)
    said = copy.refused("push", "register")
    assert "the image is not built. Run make build C=register." in said


def test_a_code_that_changes_while_it_is_built_is_told(copy, engine):
    copy.append(
        "components/Dockerfile", "\nRUN echo '# later' >> /opt/sluice/components/register/component.py\n"
    )
    said = copy.refused("build", "register")
    assert "the code changed while the image was built. Got: components/register/component.py." in said
    assert engine.images.list(filters={"reference": f"{copy.variables['REGISTRY']}/*"}) == []


# --- the list


def test_the_list_shows_sizes_beside_budgets_and_fails_above(copy):
    copy.do("build", "register")
    assert re.match(r"register +\d+ MB +450 MB +\S+:[0-9a-f]{16}$", copy.do("show", "register"))

    source = copy.root / "ci/images.py"
    source.write_text(source.read_text().replace('"register": 450', '"register": 100'))
    assert re.search(r"show: above budget: register by \d+ MB\. ", copy.refused("show", "register"))


def test_the_record_keeps_what_others_wrote(copy):
    path = copy.root / "orchestration/environments/images.yaml"
    other = {
        "uri": "registry/sluice-train:0123456789abcdef",
        "tag": "0123456789abcdef",
        "python": "3.11",
        "contract": "1.0",
    }
    path.write_text(yaml.safe_dump({"train": other}))
    copy.do("build", "register")
    assert set(copy.record) == {"register", "train"}
    assert copy.record["train"].tag == "0123456789abcdef"
    assert [file.name for file in path.parent.glob(".images-*")] == []
