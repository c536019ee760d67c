"""What a user reads when something is wrong, through the component's own command line."""

import json
import random
import subprocess
import sys

import pytest

from components.preprocess.component import preprocess
from sluice.contract.cli import main

from .builders import csv_text, parcel, parcels, recipe


def failure(place, capsys, text=None, *more):
    """What the command prints when it fails; nothing is left in the store then."""
    assert main(preprocess, place.arguments(text or recipe(), *more)) == 1
    assert not [path for path in place.store.rglob("*") if path.is_file()]
    return capsys.readouterr().err.splitlines()[-1]


def test_a_run_prints_progress_and_its_result(place, repository):
    place.put(parcels(60))
    command = [sys.executable, "-m", "components.preprocess", *place.arguments(recipe(), "--rows", "40")]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["metrics"]["training_rows"] == 24
    assert done.stderr.splitlines() == ["read 60 rows", "100% normalised and wrote 40 of 40 rows"]


def test_the_command_line_imports_nothing_heavy(repository):
    script = "import sys\nimport components.preprocess.component\nprint([m for m in ('nltk', 'pandas', 'pyarrow.compute') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=repository, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_all_columns_that_are_not_in_the_file_are_named_at_once(place, capsys):
    place.put(parcels(60))
    columns = {"text": ["nite", "street"], "label": "kin", "numeric": ["weight"]}
    message = failure(place, capsys, recipe(columns=columns))
    assert "2 columns are missing" in message
    assert "columns.text[0] names 'nite' (did you mean 'note'?)" in message
    assert "columns.label names 'kin' (did you mean 'kind'?)" in message


def test_two_columns_that_become_equal_are_both_named(place, capsys):
    header, *rows = csv_text(parcels(3)).splitlines()
    place.put("\n".join([f"{header}, NOTE ", *(f"{row},x" for row in rows)]))
    assert "'note' and ' NOTE ' both become 'note'" in failure(place, capsys)


def test_an_empty_file_is_refused(place, capsys):
    place.put("")
    assert "parcels.csv" in failure(place, capsys)


def test_a_file_that_is_not_there_is_named(place, capsys):
    message = failure(place, capsys)
    assert "the data folder holds none of the recipe's files" in message
    assert "parcels.csv" in message


def test_a_misspelt_key_of_the_recipe_is_told(place, capsys):
    place.put(parcels(3))
    assert main(preprocess, place.arguments(recipe().replace("label:", "lable:"))) == 1
    assert "did you mean 'label'?" in capsys.readouterr().err


def test_a_category_list_with_a_key_twice_is_refused(place, capsys):
    place.put(parcels(60))
    place.put("key,title\nbag,Bag\nbag,Bags\n", "kinds.csv")
    merge = {"file": "kinds.csv", "key": "kind", "list_key": "key", "columns": ["title"]}
    message = failure(place, capsys, recipe(data={"files": ["parcels.csv"], "merge": merge}))
    assert "kinds.csv column key" in message
    assert "'bag' 2 times" in message


def test_a_missing_wordnet_is_told_with_what_to_do(place, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("SLUICE_WORDNET", str(tmp_path / "nowhere"))
    place.put(parcels(60))
    message = failure(place, capsys, recipe(text={"lemmatize": True}))
    assert "WordNet, which text.lemmatize needs, isn't here" in message
    assert "Run `make resources`" in message


@pytest.mark.parametrize("rows", ["0", "-5"])
def test_no_number_of_rows_is_refused(place, capsys, rows):
    place.put(parcels(60))
    message = failure(place, capsys, None, "--rows", rows)
    assert message == f"error: preprocess --rows: rows is no number of rows. Got: {rows}. Allowed: 1 or more."


def test_a_full_disk_is_told_and_leaves_nothing_behind(place, full_disk, repository):
    noise = random.Random(0)
    place.put([parcel(n, note=noise.randbytes(100).hex()) for n in range(20_000)])
    arguments = place.arguments(recipe())
    arguments[1] = full_disk.path
    command = [*full_disk.wrap, sys.executable, "-m", "components.preprocess", *arguments]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "the disk is full" in done.stderr.splitlines()[-1]
