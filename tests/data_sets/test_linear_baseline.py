"""What TF-IDF and logistic regression reach on the medical transcriptions, split by their texts."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.data_sets import step
from components.evaluate.baselines import Linear
from components.evaluate.rows import labelled_batches
from components.preprocess.component import preprocess
from sluice.contract import Table
from sluice.features import FittedFeatures

from .reading import RECIPES


@pytest.mark.long
def test_15_specialties_are_told_in_three_of_four_rows(shared, tmp_path):
    text = (RECIPES / "medical-transcriptions-15.yaml").read_text()
    made = step(preprocess, tmp_path, text, raw=str(shared / "data" / "mtsamples"))
    tables = [Table.open(made.manifest(split)) for split in ("training", "validation", "test")]
    features = FittedFeatures.load(made.folder / "features")
    linear = Linear(features, tables[0])
    batches = [batch for table in tables[1:] for batch in labelled_batches(table, features, 8_192)]
    right = [linear.logits(rows).argmax(1) == truth for rows, truth in batches]
    assert np.concatenate(right).mean() == pytest.approx(0.735, abs=0.03)
