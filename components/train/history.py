"""What the report says about the epochs: `training.json` and `history.csv`."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from components.train.fitting import Epoch, Fit


def save(fit: Fit, folder: Path) -> None:
    """Write both files. They hold no times, so equal trainings make equal reports."""
    document = {
        "best_epoch": fit.best.epoch,
        "precision": fit.precision,
        "history": [epoch._asdict() for epoch in fit.history],
    }
    (folder / "training.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    with (folder / "history.csv").open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(Epoch._fields)
        rows.writerows(fit.history)
