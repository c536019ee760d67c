"""What TF-IDF and logistic regression reach on the medical transcriptions, and what a careless split makes of it."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

from benchmarks.data_sets import step
from components.evaluate.baselines import Linear
from components.evaluate.rows import labelled_batches
from components.preprocess.component import preprocess
from sluice.contract import Table
from sluice.features import FittedFeatures

from .reading import RECIPES

pytestmark = pytest.mark.long


@pytest.fixture
def accuracy(shared, tmp_path):
    """Gives the linear baseline's accuracy on the validation and test rows, with some of the recipe's columns changed."""

    def measured(name, **columns):
        said = yaml.safe_load((RECIPES / f"{name}.yaml").read_text())
        said["columns"] |= columns
        made = step(preprocess, tmp_path, yaml.safe_dump(said), raw=str(shared / "data" / "mtsamples"))
        tables = [Table.open(made.manifest(split)) for split in ("training", "validation", "test")]
        features = FittedFeatures.load(made.folder / "features")
        linear = Linear(features, tables[0])
        batches = [batch for table in tables[1:] for batch in labelled_batches(table, features, 8_192)]
        return np.concatenate([linear.logits(rows).argmax(1) == truth for rows, truth in batches]).mean()

    return measured


def test_15_specialties_are_told_in_three_of_four_rows(accuracy):
    assert accuracy("medical-transcriptions-15") == pytest.approx(0.735, abs=0.03)


def test_of_40_specialties_two_of_five_are_told_and_far_fewer_where_texts_are_parted(accuracy):
    assert accuracy("medical-transcriptions") == pytest.approx(0.43, abs=0.03)
    assert accuracy("medical-transcriptions", group=None) < 0.21
