"""A registry has an identity of its own, made when it is first asked for and kept."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from sluice.contract import RegistryError, StorageError
from sluice.registry import RegistryHome, current_user
from tests.registry.builders import Chain, registry_in

IDENTIFY = (
    "import sys; from sluice.registry import RegistryHome; print(RegistryHome(sys.argv[1]).digest(None))"
)


def test_a_registry_has_an_identity_of_its_own_before_its_first_version(tmp_path):
    homes = [RegistryHome(str(tmp_path / name)) for name in ("my registry", "another")]
    mine, another = (home.digest(None) for home in homes)
    assert mine != another
    assert [home.digest(None) for home in homes] == [mine, another]


def test_registering_leaves_the_identity_and_losing_the_database_makes_a_new_one(registry, chain):
    home = RegistryHome(registry.uri)
    before = home.digest(None)
    registry.register(chain.candidate(), who="x")
    assert home.digest(None) == before
    (home.folder / "mlflow.db").unlink()
    after = home.digest(None)
    assert after != before
    assert home.digest(None) == after


def test_processes_that_ask_at_once_get_one_identity(tmp_path):
    command = [sys.executable, "-c", IDENTIFY, str(tmp_path / "new" / "registry")]
    asked = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    answers = {process.communicate()[0] for process in asked}
    assert len(answers) == 1
    assert len(answers.pop().strip()) == 32


def test_a_store_has_its_registry_in_a_folder_of_that_name(tmp_path):
    home = RegistryHome.of_store(str(tmp_path))
    assert home.folder == tmp_path / "registry"
    assert home.address == str(tmp_path / "registry")


def test_a_store_on_s3_has_its_registry_on_this_machine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert RegistryHome.of_store("s3://bucket/some prefix").folder == tmp_path / "artifacts" / "registry"


def test_looking_into_a_registry_that_is_not_there_makes_none(tmp_path):
    home = RegistryHome.of_store(str(tmp_path / "nothing"))
    assert home.open().list() == ()
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("uri", ["s3://bucket/registry", "https://mlflow.example.org"])
def test_a_registry_elsewhere_is_refused(uri):
    with pytest.raises(
        RegistryError,
        match=rf"{uri}: no registry can live there\. Allowed: a folder on this machine, or sagemaker://<region>",
    ):
        RegistryHome(uri)


@pytest.mark.parametrize("region", ["", "Ireland", "eu-west-1/", "eu-west"])
def test_a_region_that_is_none_is_refused(region):
    with pytest.raises(
        RegistryError, match=rf"sagemaker://{region}: this names no region of AWS\..*sagemaker://eu-west-1\."
    ):
        RegistryHome(f"sagemaker://{region}")


@pytest.mark.parametrize("region", ["eu-west-1", "us-gov-west-1", "cn-north-1", "ap-southeast-5"])
def test_sagemaker_is_a_home_by_region(region):
    home = RegistryHome(f"sagemaker://{region}")
    assert (home.uri, home.address, home.open().uri) == (f"sagemaker://{region}",) * 3


def test_sagemakers_identity_is_the_region_and_the_endpoint_and_needs_no_network(monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    digests = [RegistryHome(f"sagemaker://{region}").digest(None) for region in ("eu-west-1", "us-east-1")]
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    digests += [RegistryHome("sagemaker://eu-west-1").digest(None) for _ in range(2)]
    assert digests[2] == digests[3]
    assert len(set(digests)) == 3


@pytest.mark.parametrize("name", ["is it", "20%"])
def test_a_path_that_mlflow_would_misread_is_refused_at_once(tmp_path, name):
    name = name.replace("is it", "is it?")
    with pytest.raises(
        RegistryError, match=r"MLflow can't keep a registry under a path with \? or %.*--store"
    ):
        RegistryHome.of_store(str(tmp_path / name))


def test_a_damaged_identity_says_what_to_do(tmp_path):
    (tmp_path / "registry.json").write_text("{}")
    with pytest.raises(
        RegistryError, match=r"registry\.json: the registry's identity is damaged.*Remove this file"
    ):
        RegistryHome(str(tmp_path)).digest(None)


def test_a_damaged_database_is_named_and_left_as_it_is(registry, chain):
    database = registry.folder / "mlflow.db"
    database.write_bytes(b"not a database" * 100)
    for attempt in (registry.list, lambda: registry.register(chain.candidate(), who="x")):
        with pytest.raises(
            RegistryError, match=r"mlflow\.db: the registry's database can't be read.*not a database"
        ):
            attempt()
    assert database.read_bytes() == b"not a database" * 100


@pytest.fixture
def place(embedded):
    return embedded


@pytest.fixture
def open_folder():
    """A folder that another user can enter, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="sluice tests "))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@contextmanager
def as_an_ordinary_user():
    """The system lets root write anywhere: be nobody for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_read_only_registry_can_be_read_and_says_why_it_can_not_be_written(open_folder):
    chain = Chain(open_folder / "steps")
    registry = registry_in(open_folder / "registry")
    version = registry.register(chain.candidate(), who="x")
    for path in (open_folder / "registry", *(open_folder / "registry").iterdir()):
        path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    with as_an_ordinary_user():
        assert registry.list() == (version,)
        with pytest.raises(StorageError, match=r"registry: permission refused.*--store"):
            registry.register(chain.candidate("another"), who="x")
        with pytest.raises(StorageError, match=r"permission refused"):
            RegistryHome(str(open_folder / "steps" / "new")).digest(None)
    (open_folder / "registry").chmod(0o755)


def test_a_user_without_a_name_is_called_by_number(monkeypatch):
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_123)
    assert current_user() == "uid 4000123"
    monkeypatch.setenv("LOGNAME", "ada")
    assert current_user() == "ada"
