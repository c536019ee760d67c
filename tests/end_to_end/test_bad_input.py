"""What a person reads who runs the pipeline on something wrong: what, where, what was got, and what to do."""

from __future__ import annotations

import json
import shutil

import pytest

from .builders import STEPS, csv_text, parcels


def failure(place, *words, **environment) -> str:
    """The one line that the command ends with."""
    done = place.run(*words, **environment)
    assert done.status == 1, done.out + done.err
    assert "Traceback" not in done.out + done.err
    return done.err.strip()


def nothing_was_made(place) -> bool:
    """Whether the store holds no result at all."""
    return not list(place.store.glob("steps/*/*"))


def test_a_misspelt_key_is_told_with_its_line_before_anything_starts(place):
    text = place.recipe_path.read_text()
    place.recipe_path.write_text(text.replace("learning_rate:", "lerning_rate:"))
    line = next(n for n, words in enumerate(text.splitlines(), 1) if "learning_rate:" in words)
    message = failure(place)
    assert message.startswith(f"error: {place.recipe_path}: 1 mistake in the recipe\n")
    assert f"line {line}: " in message
    assert "did you mean 'learning_rate'?" in message
    assert not place.store.exists()


@pytest.mark.parametrize(
    ("sections", "content", "messages"),
    [
        (
            {"columns": {"text": ["noot"]}},
            csv_text(parcels()),
            ["columns.text[0] names 'noot' (did you mean 'note'?)"],
        ),
        (
            {},
            csv_text(parcels(Kind=None)),
            ["column kind: the label is null in every row. Got: 90 rows without a label."],
        ),
        (
            {"columns": {"categorical": []}},
            csv_text(parcels()).replace("Colour", "NOTE"),
            ["' Note ' and 'NOTE' both become 'note'"],
        ),
        ({}, "", ["parcels.csv: the file is empty"]),
        (
            {},
            csv_text(parcels(Kind="box")),
            ["column kind: the label has a single class. Got: only 'box'.", "Allowed: two classes or more"],
        ),
    ],
    ids=["column not in the file", "no label", "equal names", "empty file", "one class"],
)
def test_data_that_can_not_be_used_ends_the_first_step_with_the_reason(place, sections, content, messages):
    place.write_recipe(**sections)
    place.put(content)
    message = failure(place)
    assert message.startswith("error: step preprocess: ")
    for part in messages:
        assert part in message
    assert nothing_was_made(place)
    assert place.record.outcome == "failed"


def test_a_category_list_with_a_key_twice_is_told_with_the_key(place):
    place.write_recipe(
        data={
            "files": ["parcels.csv"],
            "merge": {"file": "kinds.csv", "key": "kind", "list_key": "key", "columns": ["title"]},
        }
    )
    place.put(parcels())
    place.put("key,title\nbag,Bag\nbox,Box\nbag,Bags\n", "kinds.csv")
    message = failure(place)
    assert "kinds.csv column key" in message
    assert "'bag' 2 times" in message


def test_a_missing_wordnet_is_told_with_what_to_do(place):
    place.write_recipe(text={"lowercase": True, "lemmatize": True})
    nowhere = place.root / "nowhere"
    message = failure(place, SLUICE_WORDNET=str(nowhere))
    assert message.startswith(
        f"error: step preprocess: {nowhere}: WordNet, which text.lemmatize needs, isn't here."
    )
    assert "Run `make resources`, or set SLUICE_WORDNET" in message
    assert nothing_was_made(place)


def test_a_backbone_that_is_not_there_is_told_and_what_was_finished_is_kept(again):
    gone = again.root / "no such backbone"
    again.write_recipe(model={"backbone": str(gone)})
    message = failure(again)
    assert message.startswith(f"error: step audit: model.backbone {gone}: there is no such folder.")
    assert "Name a folder that holds config.json, model.safetensors and a tokenizer" in message
    assert again.states == {
        "preprocess": "reused",
        "audit": "failed",
        "validate": "skipped",
        "train": "skipped",
        "evaluate": "skipped",
        "register": "skipped",
    }


def test_a_part_that_was_changed_between_two_steps_is_named_and_made_again_once_it_is_removed(again):
    trained = again.store / "steps" / "train"
    trained.rename(again.root / "trained")
    part = again.folder("preprocess") / "training" / "part-00000.parquet"
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    message = failure(again)
    assert message.startswith(
        f"error: step train: {part.as_uri()}: a payload file's sha256 is not the manifest's. Got: "
    )
    assert message.endswith("remove the step's folder and run again.")
    assert list((again.store / "steps" / "train").iterdir()) == []

    shutil.rmtree(again.folder("preprocess"))
    trained.rmdir()
    (again.root / "trained").rename(trained)
    assert again.run().status == 0
    assert again.states == dict.fromkeys(STEPS, "reused") | {"preprocess": "done"}


def test_a_manifest_of_a_newer_contract_is_refused_with_both_versions(again):
    again.forget("train")
    manifest = again.folder("preprocess") / "features" / "manifest.json"
    document = json.loads(manifest.read_text())
    written = document["contract"]
    manifest.write_text(json.dumps({**document, "contract": "99.0"}))
    message = failure(again)
    assert message.startswith(
        f"error: step audit: {manifest.as_uri()}: "
        "the artifact was written by a newer contract than this Sluice reads. Got: contract 99.0. "
    )
    assert f"Allowed: contract {written} or older." in message


def test_a_recipe_and_data_that_are_not_there_are_told(place):
    done = place.type("run", "no/such/recipe.yaml", "--store", place.store)
    assert (done.status, done.err.split(".yaml: ")[1].split(".")[0]) == (1, "there is no recipe")
    done = place.type("run", place.recipe_path, "--store", place.store)
    assert "this recipe needs data" in done.err
    done = place.type("run", place.recipe_path, "--data", place.root / "nowhere", "--store", place.store)
    assert "nowhere: the data folder isn't there. Got: nothing" in done.err
    assert nothing_was_made(place)
