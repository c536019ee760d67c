"""What the metric gate asks, and how it answers. It fails closed: what can't be measured is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite, isnan
from typing import Literal, get_args

from sluice.contract import InputError
from sluice.recipe import Gates
from sluice.recipe.mistakes import closest

SMALLEST: tuple[str, ...] = get_args(get_args(Gates.model_fields["at_least"].annotation)[0])
"""The metrics that have a smallest allowed value."""
LARGEST: tuple[str, ...] = get_args(get_args(Gates.model_fields["at_most"].annotation)[0])
"""The metrics that have a largest allowed value."""

Relation = Literal["at least", "at most", "above"]
Source = Literal["recipe", "pipeline parameter"]


@dataclass(frozen=True)
class Threshold:
    """What is asked of one metric, and who asks it."""

    relation: Relation
    value: float
    source: Source = "recipe"


@dataclass(frozen=True)
class Rule:
    """One thing that was asked of the model, and the answer."""

    name: str
    """The metric, or what else was asked for."""
    passed: bool
    sentence: str
    """The answer for people: value, threshold and difference."""
    value: float | None = None
    """What was measured; none if there is no finite number."""
    threshold: float | None = None
    source: Source = "recipe"


def thresholds_of(gates: Gates, overrides: str) -> dict[str, Threshold]:
    """The recipe's thresholds by metric, with those of the pipeline parameter in their place.

    Raises:
        InputError: the parameter can't be read.
    """
    asked: dict[str, Threshold] = {
        name: Threshold("at least", value) for name, value in gates.at_least.items()
    }
    asked |= {name: Threshold("at most", value) for name, value in gates.at_most.items()}
    return {**asked, **parse_thresholds(overrides)}


def parse_thresholds(text: str) -> dict[str, Threshold]:
    """Read the pipeline parameter: `macro_f1=0.7,accuracy=0.6`; empty asks nothing.

    Raises:
        InputError: not of this form, an unknown metric, a metric twice, or not a number in the metric's range.
    """
    asked: dict[str, Threshold] = {}
    for item in filter(None, map(str.strip, text.split(","))):
        name, equals, number = (part.strip() for part in item.partition("="))
        if not equals:
            raise _wrong("a threshold is metric=number", item, "such as macro_f1=0.7,accuracy=0.6")
        if name in asked:
            raise _wrong(f"{name} is given twice", text, "each metric once")
        asked[name] = _threshold(name, number, item)
    return asked


def _threshold(name: str, number: str, item: str) -> Threshold:
    if name not in SMALLEST + LARGEST:
        meant = closest(name, SMALLEST + LARGEST)
        hint = f" (did you mean {meant}?)" if meant else ""
        raise _wrong(f"no such metric{hint}", name, ", ".join(SMALLEST + LARGEST))
    try:
        value = float(number)
    except ValueError:
        raise _wrong(f"the threshold of {name} is not a number", item, f"such as {name}=0.7") from None
    if name in SMALLEST and not 0 <= value <= 1:
        raise _wrong(f"the threshold of {name} is out of range", item, "0 to 1")
    if name in LARGEST and not 0 < value < inf:
        raise _wrong(f"the threshold of {name} is out of range", item, "a number above 0")
    return Threshold("at least" if name in SMALLEST else "at most", value, "pipeline parameter")


def _wrong(what: str, got: str, allowed: str) -> InputError:
    return InputError(what, where="evaluate --thresholds", got=repr(got), allowed=allowed)


@dataclass(frozen=True)
class Evidence:
    """What the gate judges by."""

    rows: int
    """The test rows."""
    unscored: int
    """How many of them the model gave no finite scores."""
    metrics: Mapping[str, float]
    """What was measured of the model; a metric may be missing, NaN or infinite."""
    linear_macro_f1: float | None
    """The linear baseline's macro F1; none if there is no such baseline."""


def judge(gates: Gates, asked: Mapping[str, Threshold], evidence: Evidence) -> tuple[Rule, ...]:
    """Answer everything that is asked of the model. It passes the gate if every rule passed; there is always one.

    Args:
        gates: the recipe's section.
        asked: the thresholds by metric.
        evidence: what to judge by.
    """
    rows, unscored, metrics = evidence.rows, evidence.unscored, evidence.metrics
    if rows == 0:
        return (Rule("rows", False, "The test table has no rows: nothing was measured.", 0, 1),)
    if unscored:
        sentence = f"The model gave no finite scores for {unscored} of {rows} test rows: nothing else counts."
        return (Rule("unscored_rows", False, sentence, unscored, 0),)
    rules = [_answer(name, metrics.get(name), threshold) for name, threshold in asked.items()]
    rules += [
        _unmeasured(name, value)
        for name, value in metrics.items()
        if name not in asked and not isfinite(value)
    ]
    return (*rules, _beside_linear(gates, metrics.get("macro_f1"), evidence.linear_macro_f1))


def _answer(name: str, value: float | None, threshold: Threshold) -> Rule:
    asks = f"the {threshold.source} asks for {threshold.relation} {threshold.value:g}"
    if value is None or not isfinite(value):
        return Rule(
            name, False, f"{name} {_odd(value)}, and {asks}.", None, threshold.value, threshold.source
        )
    difference = value - threshold.value if threshold.relation == "at least" else threshold.value - value
    told = f"{name} is {value:.4f}; {asks}: {_told(difference, threshold.relation)}."
    return Rule(name, difference >= 0, told, value, threshold.value, threshold.source)


def _told(difference: float, relation: Relation) -> str:
    """How far a value is on the right (not negative) or the wrong side of its threshold."""
    if difference == 0:
        return "exactly that"
    wrong = "high" if relation == "at most" else "low"
    return f"{_distance(difference)} to spare" if difference > 0 else f"{_distance(difference)} too {wrong}"


def _unmeasured(name: str, value: float) -> Rule:
    return Rule(name, False, f"{name} {_odd(value)}: a metric that can't be measured refuses.")


def _odd(value: float | None) -> str:
    if value is None:
        return "is missing"
    return "is not a number" if isnan(value) else "is infinite"


def _beside_linear(gates: Gates, value: float | None, linear: float | None) -> Rule:
    asked = gates.linear_baseline
    threshold = None if linear is None or not isfinite(linear) else linear + asked.margin
    compared = _compared(value, linear, asked.margin)
    if asked.waived_because is not None:
        sentence = f"{compared} The recipe waives this comparison: {asked.waived_because.rstrip('.')}."
        return Rule("linear_baseline", True, sentence, _finite(value), threshold)
    passed = value is not None and isfinite(value) and threshold is not None and value > threshold
    return Rule("linear_baseline", passed, compared, _finite(value), threshold)


def _compared(value: float | None, linear: float | None, margin: float) -> str:
    if value is None or not isfinite(value):
        return f"macro_f1 {_odd(value)}: it can't be compared with the linear baseline's."
    if linear is None or not isfinite(linear):
        return f"macro_f1 is {value:.4f}, but the linear baseline's {_odd(linear)}: there is nothing to compare with."
    more = f"more than {margin:g} above it" if margin else "more than that"
    difference = value - linear
    side = (
        "equal to it"
        if difference == 0
        else f"{_distance(difference)} {'above' if difference > 0 else 'below'} it"
    )
    return f"macro_f1 is {value:.4f}, the linear baseline's is {linear:.4f}, and the recipe asks for {more}: the model is {side}."


def _distance(difference: float) -> str:
    """A difference in four digits, or however many it takes to be more than nothing."""
    size = abs(difference)
    return f"{size:.4f}" if size >= 0.00005 else f"{size:.1g}"


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None
