"""What train does: fit the recipe's model on the training rows, and export the best epoch."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

from sluice.contract import Features, Metrics, Model, Output, Report, Role, Table, progress, roles
from sluice.recipe.parts import TrainSettings

if TYPE_CHECKING:
    from components.train.fitting import Fit


class TrainMetrics(Metrics):
    """How the training went."""

    best_epoch: int
    """The epoch that was kept: the one with the best validation macro F1."""
    epochs: int
    """How many epochs ran."""
    train_loss: float
    """The mean loss of the training rows while the kept epoch ran."""
    validation_loss: float
    """The loss of the validation rows after the kept epoch."""
    validation_accuracy: float
    """The share of validation rows that the kept epoch gets right."""
    validation_macro_f1: float
    """The kept epoch's F1 on the validation rows, each class counting the same."""
    rows_per_second: float
    """Training rows per second, validation left out."""
    precision: str
    """The number format that the forward pass ran in."""
    onnx_max_difference: float
    """The largest difference between a logit of the exported network and of the trained one."""


def train(
    training: Annotated[Table, roles(Role.TEXT, Role.LABEL)],
    validation: Annotated[Table, roles(Role.TEXT, Role.LABEL)],
    features: Features,
    settings: TrainSettings,
    model: Output[Model],
    report: Output[Report],
) -> TrainMetrics:
    """Fit the recipe's model on the training rows, keep the best epoch, and export it.

    Args:
        training: the rows to learn from.
        validation: the rows to pick the best epoch by.
        features: the fitted transforms that made both tables.
        settings: the model and how it is fitted.
        model: the trained model, its ONNX export, tokenizer and features.
        report: the history of the epochs, as JSON and CSV.
    """
    # Torch's threads spin while they wait, by default: beside any other work that made training ten times slower.
    # Read once, when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from components.train import backbone, export, fitting, history
    from components.train.description import describe
    from components.train.network import Network
    from components.train.rows import encode
    from sluice.features import FittedFeatures
    from sluice.predictor import RowEncoder

    progress.report("reading the backbone", 0.0)
    folder = backbone.find(settings.model.backbone, settings.model.weights_sha256)
    tokenizer, pad_id = backbone.load_tokenizer(folder)
    fitted = FittedFeatures.load(features.folder)
    description = describe(settings.model, fitted, pad_id)
    encoder = RowEncoder(description, tokenizer)
    learned = encode(training, encoder, description, fitted.label_column)
    held_out = encode(validation, encoder, description, fitted.label_column)
    with fitting.seeded(settings.training.seed):
        network = Network(backbone.load(folder, settings.model.maximum_tokens), description)
        fit = fitting.fit(network, learned, held_out, settings.training)
    progress.report("exporting to ONNX", fitting.SHARE_OF_WORK)
    export.save(network, description, tokenizer, features, model.folder)
    progress.report("comparing the export with the trained network", 0.97)
    difference = export.require_agreement(network, model.folder, validation, held_out)
    history.save(fit, report.folder)
    return _metrics(fit, difference)


def _metrics(fit: Fit, difference: float) -> TrainMetrics:
    best = fit.best
    return TrainMetrics(
        best_epoch=best.epoch,
        epochs=len(fit.history),
        train_loss=best.train_loss,
        validation_loss=best.validation_loss,
        validation_accuracy=best.validation_accuracy,
        validation_macro_f1=best.validation_macro_f1,
        rows_per_second=round(fit.rows_per_second, 1),
        precision=fit.precision,
        onnx_max_difference=difference,
    )
