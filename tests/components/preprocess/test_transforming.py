"""Several processes give the rows that one gives, in the same order; they end with what started them."""

import os
import signal
import subprocess
import sys
import time
from itertools import accumulate
from pathlib import Path

import pyarrow as pa
import pytest

from components.preprocess import spool
from components.preprocess.plan import decide
from components.preprocess.shard import Shard
from sluice.contract import InputError
from sluice.features import FittedFeatures
from sluice.recipe.parts import PreprocessSettings

from .builders import Place, parcels, recipe

FULL_TEXT = {"lowercase": True, "letters_only": True, "remove_stopwords": True, "lemmatize": True}
ROOT = Path(__file__).parents[3]


def learned(place: Place, folder: Path, text: str):
    settings = PreprocessSettings.from_recipe(text, "recipe")
    folder.mkdir()
    shard = Shard(place.data, settings, folder)
    census, account = shard.learn()
    plan, _ = decide(census)
    fitted = FittedFeatures.fit(census.learning, settings.columns, settings.text, settings.features)
    return shard, plan, list(accumulate(account.rows_by_file.values(), initial=0)), fitted.learned


def test_two_processes_give_the_rows_of_one_in_the_same_order(place, tmp_path, monkeypatch):
    monkeypatch.setattr(spool, "ROWS", 50)
    place.put(parcels(300)[:170], "a.csv")
    place.put(parcels(300)[170:], "b.csv")
    text = recipe(data={"files": ["a.csv", "b.csv"]}, text=FULL_TEXT, split={"folds": 3})
    shard, plan, starts, features = learned(place, tmp_path / "spool", text)
    one, two = (
        [
            pa.Table.from_batches(batches)
            for batches in zip(*shard.tables(plan, starts, features, workers), strict=True)
        ]
        for workers in (1, 2)
    )
    assert [table.num_rows for table in one] == [180, 60, 60]
    assert [table.equals(other) for table, other in zip(one, two, strict=True)] == [True] * 3
    assert sorted(path.name for path in (tmp_path / "spool").iterdir()) == ["quarantine.arrow", "rows.arrow"]


def test_what_goes_wrong_in_a_process_is_told_as_it_would_be_here(place, tmp_path, monkeypatch):
    place.put(parcels(60))
    shard, plan, starts, features = learned(place, tmp_path / "spool", recipe())
    forgetful = features.model_copy(update={"labels": features.labels[:1]})
    with pytest.raises(InputError) as caught:
        list(shard.tables(plan, starts, forgetful, 2))
    assert "labels that were not in training" in caught.value.message


WAIT = """
import sys
from pathlib import Path
from tests.components.preprocess.test_transforming import learned
from tests.components.preprocess.builders import Place, parcels, recipe
from components.preprocess import transforming

if __name__ == "__main__":
    root = Path(sys.argv[1])
    place = Place(root / "place")
    place.put(parcels(60))
    shard, plan, starts, features = learned(place, root / "spool", recipe())
    pool = transforming.ProcessPoolExecutor(
        1, transforming.get_context("spawn"), transforming._begin, (transforming.Transformer(plan, (), features),)
    )
    import os, time
    print(pool.submit(os.getpid).result(), flush=True)
    time.sleep(600)
"""


def test_a_process_ends_when_what_started_it_is_killed(tmp_path):
    script = tmp_path / "wait.py"
    script.write_text(WAIT)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)], env=environment, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        process = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    for _ in range(200):
        if not Path(f"/proc/{process}").exists():
            return
        time.sleep(0.1)
    os.kill(process, signal.SIGKILL)
    pytest.fail("the process is still there")
