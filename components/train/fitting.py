"""How the network is fitted: AdamW, warm-up and decay, class weights, early stopping, the best epoch kept."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from components.train.network import Network
from components.train.rows import LabelledRows, shuffled_batches
from components.train.scores import accuracy, macro_f1
from sluice.contract import TrainingFailed, report
from sluice.predictor import EncodedRows
from sluice.predictor.rows import Array
from sluice.recipe.model import Training

PREDICT_AT_ONCE = 64
"""Rows that go through the network together when nothing is learned."""
SECONDS_BETWEEN_REPORTS = 2.0
SHARE_OF_WORK = 0.9
"""How much of the component's work the epochs are; the rest is the export."""


class Epoch(NamedTuple):
    """What one epoch came to."""

    epoch: int
    train_loss: float
    validation_loss: float
    validation_accuracy: float
    validation_macro_f1: float


class Fit(NamedTuple):
    """How the fitting went."""

    history: tuple[Epoch, ...]
    best: Epoch
    """The epoch whose weights the network has now."""
    rows_per_second: float
    precision: str


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Make what torch does inside repeatable: the same seed gives the same weights on the same machine."""
    os.environ.setdefault(
        "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
    )  # without it cuBLAS refuses to be deterministic
    before = torch.are_deterministic_algorithms_enabled()
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def fit(network: Network, training: LabelledRows, validation: LabelledRows, settings: Training) -> Fit:
    """Fit the network, and leave it with the weights of its best epoch, on the CPU.

    Raises:
        TrainingFailed: the loss is not finite.
    """
    fitting = _Fitting(network, training, validation, settings)
    history: list[Epoch] = []
    best, weights = None, {}
    for number in range(1, settings.epochs + 1):
        history.append(fitting.epoch(number))
        report(_told(history[-1], settings.epochs), SHARE_OF_WORK * number / settings.epochs)
        if best is None or history[-1].validation_macro_f1 > best.validation_macro_f1:
            best, weights = history[-1], _copy(network)
        if number - best.epoch >= settings.patience:
            break
    assert best is not None  # one epoch at least
    network.cpu().eval().load_state_dict(weights)
    return Fit(tuple(history), best, fitting.progress.rows_per_second, fitting.precision)


def _told(epoch: Epoch, epochs: int) -> str:
    return f"epoch {epoch.epoch}/{epochs}: validation macro F1 {epoch.validation_macro_f1:.4f}"


def logits(network: Network, rows: EncodedRows, precision: str = "float32") -> Array:
    """The network's logits, float32 [rows, classes], without learning anything."""
    network.eval()
    device = next(network.parameters()).device
    by_length = np.argsort(rows.lengths, kind="stable")
    parts = [by_length[start : start + PREDICT_AT_ONCE] for start in range(0, len(rows), PREDICT_AT_ONCE)]
    with torch.inference_mode():
        found = [_forward(network, rows, part, device, precision).cpu().numpy() for part in parts]
    result = np.empty((len(rows), found[0].shape[1]), np.float32)
    result[by_length] = np.concatenate(found)
    return result


def precision_of(wanted: str, device: torch.device) -> str:
    """The number format of the forward pass: `auto` is bfloat16 where the processor computes it natively."""
    if wanted != "auto":
        return wanted
    native = (
        device.type == "cuda" or torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    )
    return "bfloat16" if native else "float32"


class _Fitting:
    """What stays the same, and what moves on, from epoch to epoch."""

    def __init__(
        self, network: Network, training: LabelledRows, validation: LabelledRows, settings: Training
    ) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.precision = precision_of(settings.precision, self.device)
        self.progress = _Progress(settings.epochs, len(training))
        self._network = network.to(self.device)
        self._training = training
        self._validation = validation
        self._settings = settings
        self._random = np.random.default_rng(settings.seed)
        self._loss = nn.CrossEntropyLoss(_class_weights(training, network, settings)).to(self.device)
        self._optimizer = _optimizer(network, settings)
        steps = settings.epochs * len(
            shuffled_batches(training.rows.lengths, settings.batch_size, np.random.default_rng(0))
        )
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimizer, _warm_up_and_decay(steps, settings.warmup)
        )

    def epoch(self, number: int) -> Epoch:
        """Learn from every training row once, then look at the validation rows."""
        self._network.train()
        batches = shuffled_batches(self._training.rows.lengths, self._settings.batch_size, self._random)
        total = 0.0
        done = 0
        for step, batch in enumerate(batches, start=1):
            loss = _finite(self._step(batch), f"epoch {number}, step {step} of {len(batches)}")
            total += loss * len(batch)
            done += len(batch)
            self.progress.learned(len(batch), number, total / done)
        with self.progress.paused():
            return self._validated(number, total / done)

    def _step(self, batch: Array) -> float:
        labels = torch.from_numpy(self._training.labels[batch]).to(self.device)
        loss = self._loss(
            _forward(self._network, self._training.rows, batch, self.device, self.precision), labels
        )
        self._optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self._network.parameters(), self._settings.gradient_clip)
        self._optimizer.step()
        self._schedule.step()
        return float(loss.item())

    def _validated(self, number: int, train_loss: float) -> Epoch:
        found = logits(self._network, self._validation.rows, self.precision)
        labels = self._validation.labels
        loss = self._loss(
            torch.from_numpy(found).to(self.device), torch.from_numpy(labels).to(self.device)
        ).item()
        _finite(loss, f"validation after epoch {number}")
        predicted = found.argmax(axis=1)
        return Epoch(number, train_loss, loss, accuracy(labels, predicted), macro_f1(labels, predicted))


def _forward(
    network: Network, rows: EncodedRows, batch: Array, device: torch.device, precision: str
) -> Tensor:
    """The logits of some rows. The backbone alone runs in the low precision: the head is small, and the loss is exact."""
    inputs = {name: torch.from_numpy(array).to(device) for name, array in rows.feed(batch).items()}
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        text = network.read(inputs["input_ids"], inputs["attention_mask"])
    return network.decide(text.float(), inputs.get("categories"), inputs.get("numbers"))


def _class_weights(training: LabelledRows, network: Network, settings: Training) -> Tensor | None:
    """Weights whose mean over the training rows is one."""
    if not settings.class_weights:
        return None
    counts = np.bincount(training.labels, minlength=network.output.out_features)
    weights = len(training) / (np.maximum(counts, 1) * np.count_nonzero(counts))
    return torch.from_numpy(weights.astype(np.float32))


def _optimizer(network: Network, settings: Training) -> torch.optim.Optimizer:
    rate = settings.learning_rate
    groups = [
        {"params": list(network.backbone.parameters()), "lr": rate},
        {"params": network.head_parameters(), "lr": settings.head_learning_rate or rate},
    ]
    return torch.optim.AdamW(groups, weight_decay=settings.weight_decay, fused=True)


def _warm_up_and_decay(steps: int, warmup: float) -> Callable[[int], float]:
    warm = math.ceil(steps * warmup)

    def factor(step: int) -> float:
        return (step + 1) / warm if step < warm else (steps - step) / max(steps - warm, 1)

    return factor


def _finite(loss: float, where: str) -> float:
    if not math.isfinite(loss):
        raise TrainingFailed(
            "the loss is not finite",
            where=where,
            got=f"a loss of {loss}",
            allowed="a finite number",
            next_step="Lower training.learning_rate or training.head_learning_rate, lengthen training.warmup, "
            "or set training.precision to float32",
        )
    return loss


def _copy(network: Network) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}


class _Progress:
    """Says how far the fitting is, every few seconds."""

    def __init__(self, epochs: int, rows: int) -> None:
        self._epochs = epochs
        self._total = epochs * rows
        self._rows = 0
        self._began = self._reported = time.monotonic()

    @property
    def rows_per_second(self) -> float:
        """Training rows per second so far, pauses left out."""
        return self._rows / max(time.monotonic() - self._began, 1e-9)

    def learned(self, rows: int, epoch: int, loss: float) -> None:
        """Count some rows, and report if the last report is old."""
        self._rows += rows
        now = time.monotonic()
        if now - self._reported < SECONDS_BETWEEN_REPORTS and self._rows < self._total:
            return
        self._reported = now
        share = self._rows / self._total
        left = (self._total - self._rows) / self.rows_per_second
        report(
            f"epoch {epoch}/{self._epochs}: {share * self._epochs - epoch + 1:.0%}, loss {loss:.3f}, "
            f"{self.rows_per_second:.0f} rows/s, {left:.0f} s left",
            fraction=SHARE_OF_WORK * share,
        )

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the time inside out of the rate."""
        began = time.monotonic()
        yield
        self._began += time.monotonic() - began
