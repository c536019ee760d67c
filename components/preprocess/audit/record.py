"""What the audit found, as one record: `audit.json` is this, strictly."""

from __future__ import annotations

from pydantic import NonNegativeInt

from sluice.contract import Strict
from sluice.recipe.model import Fraction

FILE = "audit.json"


class Example(Strict):
    """Rows that have their features in common."""

    text: str
    """The beginning of their text."""
    rows: dict[str, int]
    """How many there are, by split."""
    labels: dict[str, int]
    """How many there are, by label."""


class Duplicates(Strict):
    """Rows whose features, that is all that a model sees, are equal."""

    distinct: NonNegativeInt
    """Rows that differ in a feature."""
    rows: dict[str, int]
    """Rows that equal an earlier one of the same split, by split."""
    across: dict[str, int]
    """Rows of a split whose features stand in another split as well."""
    examples: tuple[Example, ...]
    """The most frequent of them."""


class Alike(Strict):
    """Two different texts that are nearly equal."""

    similarity: Fraction
    """The share of three-word runs that they have in common."""
    texts: tuple[str, str]
    """Their beginnings."""
    splits: tuple[str, str]
    """A split of each."""


class NearDuplicates(Strict):
    """Rows whose features differ, though their texts are equal or nearly so."""

    threshold: Fraction
    """From how much in common on two texts are nearly equal."""
    texts: NonNegativeInt
    """Different texts that were compared: all of them, or a seeded sample."""
    rows_looked_at: NonNegativeInt
    """The rows that have these texts."""
    sampled: bool
    """Whether it was a sample: what is found then is the least there is."""
    within: NonNegativeInt
    """Rows among them with such a row in their own split."""
    across: NonNegativeInt
    """Validation and test rows among them with such a row in training."""
    unseen: NonNegativeInt
    """Validation and test rows among them."""
    examples: tuple[Alike, ...]


class Conflicts(Strict):
    """Rows with equal features and unequal labels: whatever a model answers, it is wrong on some."""

    rows: NonNegativeInt
    """Rows whose features stand in the tables with another label as well."""
    inputs: NonNegativeInt
    """Different features among them."""
    examples: tuple[Example, ...]
    """The most frequent of them."""


class BestAccuracy(Strict):
    """The best accuracy of any model with one label per row: each input's most frequent label. None without rows."""

    tables: float | None
    """On all three tables together."""
    training: float | None
    validation: float | None
    test: float | None


class Leak(Strict):
    """How well one column alone tells the label of rows that it wasn't learned on."""

    column: str
    by: str
    """How it was asked: each value's most frequent label, or the most telling word of each text."""
    accuracy: float | None
    """The share of right answers on validation and test rows; learned on training rows."""
    majority: float | None
    """The same for always answering training's most frequent label."""
    strength: float | None
    """(accuracy - majority) / (1 - majority), not below 0: 0 no better than the largest class, 1 fully."""


class Word(Strict):
    """A word, or two in a row, that tells the label."""

    words: str
    label: str
    rows: NonNegativeInt
    """Validation and test rows that were answered by it."""
    right: NonNegativeInt
    """How many of these answers were right."""


class LabelInText(Strict):
    """Texts that hold their label's name, normalised as they are."""

    rows: NonNegativeInt
    labels: dict[str, int]
    """Such rows by label, the most frequent first; no more than twenty."""
    unnamed: tuple[str, ...]
    """Labels of whose name nothing is left after normalising; they are never found."""


class Leaks(Strict):
    """What tells the label too easily."""

    columns: tuple[Leak, ...]
    """The strongest first."""
    words: tuple[Word, ...]
    """The words that most of the right answers of the text came from."""
    label_in_text: LabelInText


class Violation(Strict):
    """A value that stands below more than one parent."""

    value: str
    rows: NonNegativeInt
    parents: dict[str, int]
    """Its parents and their rows with it."""


class Level(Strict):
    """A level of a hierarchy and the one above it."""

    hierarchy: str
    parent: str
    child: str
    values: NonNegativeInt
    """Different values of the child."""
    violations: NonNegativeInt
    """How many of them stand below more than one parent."""
    without_parent: NonNegativeInt
    """Rows with a value of the child and none of the parent."""
    examples: tuple[Violation, ...]


class Drift(Strict):
    """How far a column's values in one table are from those in another."""

    column: str
    reference: str
    """The table that the bins are made of: `training`, or `previous`."""
    table: str
    psi: float
    """Population stability index over ten quantile bins, or the twenty most frequent values and the rest."""
    psi_by_chance: float
    """What it would be on average if both were drawn from the same rows."""
    ks: float | None
    """Kolmogorov-Smirnov distance; numeric columns only."""


class Column(Strict):
    """A readable feature column."""

    name: str
    role: str
    distinct: NonNegativeInt
    """Different values in training, missing ones left out."""
    missing: dict[str, int]
    """Rows without a value, by split; for the text, empty ones."""
    constant: bool
    """Whether all training rows have the same value, or none."""
    unique: bool
    """Whether each training row has a value of its own. Asked of categories, levels and whole numbers."""
    top: dict[str, int]
    """Training's ten most frequent values and their rows."""
    numbers: dict[str, float]
    """Least, quartiles and largest of a numeric column in training; empty for others."""


class Lengths(Strict):
    """How long the texts are, in tokens of the recipe's tokenizer, its special ones included."""

    backbone: str
    maximum: int
    """model.maximum_tokens."""
    texts: NonNegativeInt
    """Rows that were counted: all, or a seeded sample of all three tables."""
    sampled: bool
    percentiles: dict[str, int]
    """The 5th, 25th, 50th, 75th, 95th and 99th, and the longest."""
    cut_off: NonNegativeInt
    """Counted rows with more tokens than the maximum."""
    histogram: dict[str, int]
    """Counted rows by tokens, in twenty steps; each named by its first number."""


class Classes(Strict):
    """The label's classes."""

    counts: dict[str, dict[str, int]]
    """Rows of each class in each split, the most frequent class first."""
    removed: dict[str, int]
    """Classes that preprocess removed as too rare or absent from training, and their rows."""


class Finding(Strict):
    """Something to look at."""

    severity: str
    """`serious`: a score on these tables would mislead; `look`: it may be as it should; `note`: good to know."""
    what: str
    """What was found, with numbers."""
    advice: str
    """What to do next."""


class Audited(Strict):
    """What was audited."""

    digests: dict[str, str]
    """Each table's."""
    label: str
    """The label's column."""
    text: tuple[str, ...]
    """The columns that the text is made of."""


class Audit(Strict):
    """All that the audit found."""

    of: Audited
    rows: dict[str, int]
    """Rows of each table."""
    findings: tuple[Finding, ...]
    """The most serious first."""
    measures: dict[str, float | None]
    """What the data gate can ask for; null where there is nothing to measure."""
    best_accuracy: BestAccuracy
    duplicates: Duplicates
    near_duplicates: NearDuplicates
    conflicts: Conflicts
    leaks: Leaks
    hierarchies: tuple[Level, ...]
    drift: tuple[Drift, ...]
    """Between training and the other splits."""
    previous: str | None
    """The earlier training table, if one was given."""
    drift_from_previous: tuple[Drift, ...]
    """Between it and this training table."""
    not_in_previous: dict[str, str | None]
    """Columns that it doesn't have, or has with another type, which is named: their drift from it isn't measured."""
    classes: Classes
    columns: tuple[Column, ...]
    lengths: Lengths
