"""Fitting is repeatable, stops early, keeps the best epoch, and says when the loss runs away."""

import numpy as np
import pytest
import torch

from components.train import backbone, fitting
from components.train.description import describe
from components.train.network import Network
from components.train.rows import LabelledRows, encode
from components.train.scores import macro_f1
from sluice.contract import TrainingFailed
from sluice.features import FittedFeatures
from sluice.predictor import RowEncoder
from tests.builders.parcels import settings


@pytest.fixture
def prepared(given, bert):
    """A function that builds a network and its rows, ready to fit."""

    def prepare(seed=17, **model):
        features = FittedFeatures.load(given.features.folder)
        tokenizer, pad_id = backbone.load_tokenizer(bert.folder)
        description = describe(settings(bert, model).model, features, pad_id)
        encoder = RowEncoder(description, tokenizer)
        rows = [
            encode(t, encoder, description, features.label_column) for t in (given.training, given.validation)
        ]
        with fitting.seeded(seed):
            network = Network(backbone.load(bert.folder, 16), description)
        return network, *rows

    return prepare


@pytest.fixture
def fitted(prepared, bert):
    """A function that fits: the network, the fit and the validation rows."""

    def run(**training):
        wanted = settings(bert, **training).training
        network, learned, held_out = prepared(wanted.seed)
        with fitting.seeded(wanted.seed):
            return network, fitting.fit(network, learned, held_out, wanted), held_out

    return run


def weights_of(network):
    return np.concatenate([tensor.double().numpy().ravel() for tensor in network.state_dict().values()])


def test_the_network_learns_what_the_text_says(fitted):
    _, fit, _ = fitted(epochs=12, learning_rate=1e-2, patience=12)
    assert fit.best.validation_accuracy > 0.9
    assert fit.history[-1].train_loss < fit.history[0].train_loss / 2


def test_the_same_seed_gives_the_same_weights_and_another_gives_others(fitted):
    first, again, other = (weights_of(fitted(seed=seed)[0]) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_first_weights_are_the_seeds_too(prepared):
    first, again, other = (weights_of(prepared(seed)[0]) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_network_is_left_with_its_best_epoch(fitted):
    network, fit, held_out = fitted(epochs=8, learning_rate=3e-2, patience=8)
    assert fit.best.validation_macro_f1 == max(epoch.validation_macro_f1 for epoch in fit.history)
    assert fit.best.epoch < len(fit.history), "the test needs an epoch after the best one"
    predicted = fitting.logits(network, held_out.rows).argmax(axis=1)
    assert macro_f1(held_out.labels, predicted) == fit.best.validation_macro_f1


def test_fitting_stops_when_no_epoch_is_better_any_more(fitted):
    _, fit, _ = fitted(epochs=9, learning_rate=1e-12, patience=2)
    assert fit.best.epoch == 1
    assert len(fit.history) == 3


def test_a_loss_that_runs_away_names_epoch_and_step_and_what_to_try(fitted):
    with pytest.raises(TrainingFailed) as error:
        fitted(learning_rate=1e30, warmup=0.0)
    assert error.value.where == "epoch 1, step 2 of 6"
    assert error.value.message.startswith("epoch 1, step 2 of 6: the loss is not finite. Got: a loss of nan.")
    assert "Lower training.learning_rate or training.head_learning_rate" in error.value.message


def test_a_loss_that_runs_away_in_the_last_step_is_seen_in_validation(fitted):
    with pytest.raises(TrainingFailed, match="validation after epoch 1: the loss is not finite"):
        fitted(learning_rate=1e30, warmup=0.0, batch_size=48)


def test_the_rates_rise_then_fall_to_zero():
    factor = fitting._warm_up_and_decay(10, 0.2)
    assert [factor(step) for step in (0, 1, 2, 6, 10)] == [0.5, 1.0, 1.0, 0.5, 0.0]
    assert fitting._warm_up_and_decay(4, 1.0)(4) == 0.0


def test_class_weights_average_to_one_and_favour_the_rare(prepared, bert):
    network, learned, _ = prepared()
    rare = LabelledRows(learned.rows, np.array([0] * 40 + [1] * 4 + [2] * 4))
    weights = fitting._class_weights(rare, network, settings(bert).training).numpy()
    assert weights[1] == pytest.approx(10 * weights[0])
    assert weights[rare.labels].mean() == pytest.approx(1)
    assert fitting._class_weights(rare, network, settings(bert, class_weights=False).training) is None


def test_backbone_and_head_have_rates_of_their_own(prepared, bert):
    network, _, _ = prepared()
    wanted = settings(bert, learning_rate=1e-5, head_learning_rate=1e-2).training
    body, head = fitting._optimizer(network, wanted).param_groups
    assert (body["lr"], head["lr"]) == (1e-5, 1e-2)
    assert len(body["params"]) + len(head["params"]) == len(list(network.parameters()))


def test_bfloat16_gives_nearly_the_logits_of_float32(prepared):
    network, learned, _ = prepared()
    exact, low = (fitting.logits(network, learned.rows, name) for name in ("float32", "bfloat16"))
    assert 0 < np.abs(exact - low).max() < 0.05


def test_precision_is_what_is_asked_for_and_auto_asks_the_processor(monkeypatch):
    cpu = torch.device("cpu")
    assert fitting.precision_of("float32", cpu) == "float32"
    assert fitting.precision_of("bfloat16", cpu) == "bfloat16"
    for native, precision in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda native=native: native)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
        assert fitting.precision_of("auto", cpu) == precision


def test_progress_says_epoch_loss_rate_and_time_left(fitted, capsys):
    fitted(epochs=1)
    *_, last, end = capsys.readouterr().err.splitlines()
    assert last.startswith(" 90% epoch 1/1: 100%, loss ")
    assert last.endswith(" rows/s, 0 s left")
    assert end.startswith(" 90% epoch 1/1: validation macro F1 0.")
