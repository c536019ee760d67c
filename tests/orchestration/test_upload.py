"""`upload`: data comes whole into the bucket, digests checked, and what is there is not sent again."""

from __future__ import annotations

import base64
import hashlib
import os
import signal
import subprocess
import sys
import time

import pytest

from orchestration.cli import main
from orchestration.upload import MIB, PARTS, part_size, upload
from sluice.aws import client
from sluice.contract import AwsError, InputError, Source
from tests.job.proxy import door_to

from .service import a_console, account_at


@pytest.fixture
def account(moto_server, tmp_path):
    """An AWS account with an empty bucket."""
    with account_at(moto_server, tmp_path) as made:
        yield made


@pytest.fixture
def data(tmp_path):
    """A folder of raw files: one has a blank in its name, one is empty, one stands deeper."""
    folder = tmp_path / "raw files"
    (folder / "older").mkdir(parents=True)
    (folder / "rows 1.csv").write_text("a,b\n1,2\n")
    (folder / "empty.csv").write_bytes(b"")
    (folder / "older/rows.csv").write_text("a,b\n3,4\n")
    return folder


def sent(data, account, **how) -> tuple[str, str]:
    """The URI, and what was said."""
    console = a_console()
    uri = upload(data, account.environment, console, **how)
    return uri, console.export_text()


def metadata(account, key: str, **how) -> dict:
    return client("s3").head_object(Bucket=account.environment.bucket, Key=key, **how)


def test_a_folder_is_uploaded_and_its_uri_is_what_a_component_reads(account, data, capsys, monkeypatch):
    command = ["upload", str(data), "--environment", str(account.folder / "test.yaml")]
    assert main(command) == 0
    said = capsys.readouterr().out
    uri = said.split()[-1]
    assert "3 of 3 files sent, 16 bytes; 0 bytes were there already" in said
    assert said.endswith(f"start with: --data {uri}\n")
    assert uri.startswith("s3://sluice-test-111122223333/sluice/data/raw-files-")
    monkeypatch.setenv("AWS_REGION", account.environment.region)
    assert Source(uri).digest(None) == Source(str(data)).digest(None)
    head = metadata(account, f"{uri.split('/', 3)[3]}/rows 1.csv")
    assert head["Metadata"]["sluice-sha256"] == hashlib.sha256(b"a,b\n1,2\n").hexdigest()
    assert head["SSEKMSKeyId"] == account.environment.kms_key


def test_what_is_there_is_not_sent_again_and_other_data_goes_elsewhere(account, data):
    uri, _ = sent(data, account)
    assert sent(data, account) == (uri, "0 of 3 files sent, 0 bytes; 16 bytes were there already\n")
    (data / "empty.csv").write_text("x")
    other, said = sent(data, account)
    assert other != uri
    assert "3 of 3 files sent" in said
    assert len(account.objects()) == 6


def test_a_file_that_was_damaged_in_the_bucket_is_sent_again(account, data):
    uri, _ = sent(data, account)
    key = f"{uri.split('/', 3)[3]}/rows 1.csv"
    client("s3").put_object(Bucket=account.environment.bucket, Key=key, Body=b"a,b\n1,9\n")
    assert sent(data, account)[1].startswith("1 of 3 files sent")


def test_a_single_file_lies_in_a_folder_of_its_name(account, data):
    uri, _ = sent(data / "rows 1.csv", account)
    assert "/data/rows-1-" in uri
    assert account.objects() == [f"{uri.split('/', 3)[3]}/rows 1.csv"]


def test_only_the_files_that_were_asked_for_are_sent(account, data):
    uri, _ = sent(data, account, patterns=("rows*.csv",))
    assert account.objects() == [f"{uri.split('/', 3)[3]}/rows 1.csv"]


def test_s3_is_given_each_digest_to_check_and_a_refusal_names_the_file(account, data, monkeypatch):
    with door_to(os.environ["AWS_ENDPOINT_URL"]) as door:
        monkeypatch.setenv("AWS_ENDPOINT_URL", door.address)
        uri, _ = sent(data, account)
        head = metadata(account, f"{uri.split('/', 3)[3]}/rows 1.csv", ChecksumMode="ENABLED")
        assert base64.b64decode(head["ChecksumSHA256"]) == hashlib.sha256(b"a,b\n1,2\n").digest()
        door.deny("^PUT ")
        (data / "rows 1.csv").write_text("new")
        with pytest.raises(AwsError, match=r"data/raw-files-\w+/.*csv: AWS does not allow this.*PutObject"):
            sent(data, account)


@pytest.mark.long
def test_a_large_file_goes_in_parts_and_a_killed_upload_goes_on_where_it_was(account, tmp_path, repository):
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(6 * 8 * MIB))
    s3, bucket = client("s3"), account.environment.bucket
    command = ["-m", "orchestration", "upload", str(large), "--environment", str(tmp_path / "test.yaml")]
    process = subprocess.Popen([sys.executable, *command], cwd=repository, stdout=subprocess.PIPE, text=True)
    try:
        while not (there := parts_there(s3, bucket)):
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert account.objects() == []  # nobody sees a part of it
    there = parts_there(s3, bucket)
    uri, said = sent(large, account)
    assert said == f"1 of 1 files sent, {megabytes(6 - there)}; {megabytes(there)} were there already\n"
    (key,) = account.objects()
    assert uri.endswith(key.removesuffix("/large.bin").rpartition("/")[2])
    body = s3.get_object(Bucket=bucket, Key=key)
    assert body["Body"].read() == large.read_bytes()
    assert body["Metadata"]["sluice-sha256"] == hashlib.sha256(large.read_bytes()).hexdigest()


def parts_there(s3, bucket: str) -> int:
    """How many parts of unfinished files S3 holds."""
    uploads = s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    pages = [s3.list_parts(Bucket=bucket, Key=u["Key"], UploadId=u["UploadId"]) for u in uploads]
    return sum(len(page.get("Parts", [])) for page in pages)


def megabytes(parts: int) -> str:
    from rich.filesize import decimal

    return decimal(parts * 8 * MIB)


@pytest.mark.parametrize(
    ("size", "part"),
    [(1, 8 * MIB), (6 << 30, 8 * MIB), (100 << 30, 11 * MIB), (5 << 40, 525 * MIB)],
    ids=["a byte", "6 GiB", "100 GiB", "5 TiB"],
)
def test_no_file_takes_more_parts_than_s3_allows(size, part):
    assert part_size(size) == part
    assert size / part <= PARTS
    assert part <= 5 << 30


@pytest.mark.parametrize("what", ["absent", "empty", "link", "pipe", "no match"])
def test_what_cannot_be_uploaded_is_told_before_anything_is_sent(account, data, what):
    told = {
        "absent": ("nowhere", r"there is nothing to upload\. Got: nothing\. Allowed: a file or a folder"),
        "empty": ("raw files/nothing", r"the folder holds no file to upload\. Got: an empty folder"),
        "link": ("raw files", r"z\.csv: this is no plain file\. Got: a symbolic link\. .*Put a copy"),
        "pipe": ("raw files", r"z\.csv: this is no plain file\. Got: a device, pipe or socket"),
        "no match": (
            "raw files",
            r"the folder holds no file to upload\. Got: .*rows 1\.csv.*Allowed: \*\.parquet",
        ),
    }
    (data / "nothing").mkdir()
    if what == "link":
        (data / "z.csv").symlink_to(data / "rows 1.csv")
    if what == "pipe":
        os.mkfifo(data / "z.csv")
    place, message = told[what]
    patterns = ("*.parquet",) if what == "no match" else ("*",)
    with pytest.raises(InputError, match=message):
        sent(data.parent / place, account, patterns=patterns)
    assert account.objects() == []


def test_no_name_is_not_the_folder_that_one_stands_in(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["upload", "", "--environment", "unread.yaml"])
    assert "no data is named: make upload ENV=staging DATA=<file or folder>" in capsys.readouterr().err


def test_a_file_that_changes_while_it_is_sent_is_refused(account, tmp_path):
    from orchestration.upload import _part, _read

    path = tmp_path / "growing.csv"
    path.write_text("a")
    file = _read(path, path.name, lambda _: None)
    path.write_text("b")
    with pytest.raises(
        InputError, match=r"growing\.csv: the file changed while it was being uploaded\. Run it again"
    ):
        _part(file, 0)


def test_the_digest_of_a_part_decides_not_its_number(account, tmp_path):
    """S3 says each part's sha256; a part of another file under the same name is sent again."""
    from orchestration.upload import _read, _same

    path = tmp_path / "file"
    path.write_text("a")
    file = _read(path, path.name, lambda _: None)
    right = base64.b64encode(hashlib.sha256(b"a").digest()).decode()
    assert _same({"ChecksumSHA256": right, "ETag": '"x"'}, file, 0)
    assert not _same({"ChecksumSHA256": "wrong", "ETag": '"0cc175b9c0f1b6a831c399e269772661"'}, file, 0)
    assert _same({"ETag": '"0cc175b9c0f1b6a831c399e269772661"'}, file, 0)
