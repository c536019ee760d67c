"""What a recipe says: one strict, frozen record per section. The text under a field is what README and --help show."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, PositiveInt, field_validator

from sluice.contract.settings import Strict

Fraction = Annotated[float, Field(ge=0, le=1)]
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
SHA256_PATTERN = r"^[0-9a-f]{64}$"
EXPECTATION_PATTERN = r"^expect_[a-z0-9_]+$"
SAID_PATTERN = r"\S"
CURRENCY_PATTERN = r"^[^\d\s()+-]([^\d()+-]*[^\d\s()+-])?$"
DATE_PATTERN = r"^\d{4}-\d{2}-\d{2}$"
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Column = Annotated[str, Field(min_length=1)]
FileName = Annotated[str, Field(min_length=1)]
Levels = Annotated[tuple[Column, ...], Field(min_length=2)]
Sha256 = Annotated[str, Field(pattern=SHA256_PATTERN)]
ExpectationType = Annotated[str, Field(pattern=EXPECTATION_PATTERN)]
Reason = Annotated[str, Field(pattern=SAID_PATTERN)]
Split = Literal["train", "validation", "test"]
Asked = Literal["train", "validation", "test", "audit"]
Metric = Literal["accuracy", "macro_f1", "weighted_f1", "top_3_accuracy", "top_5_accuracy"]

BEYOND_RE2 = re.compile(r"\(\?(?:<?[=!]|>|\()|\(\?P=|\\[1-9]")
"""What Python's expressions have and RE2's have not: look-around, atomic groups, conditions, back references."""


class Derive(Strict):
    """New columns cut out of an existing one."""

    model_config = ConfigDict(serialize_by_alias=True)

    source: Column = Field(alias="from")
    """The column to cut from."""
    pattern: str
    """A regular expression (RE2) with named groups; each group becomes a column. A value that doesn't match gives nulls."""

    @field_validator("pattern")
    @classmethod
    def _compiles_with_named_groups(cls, value: str) -> str:
        try:
            groups = re.compile(value).groupindex
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        if BEYOND_RE2.search(re.sub(r"\\(?![1-9]).", "", value)):
            raise ValueError(
                "look-around and back references are not part of RE2; write the pattern without them"
            )
        if not groups:
            raise ValueError("has no named group; write (?P<new_column>…)")
        return value

    @property
    def columns(self) -> tuple[str, ...]:
        """The new columns' names, in the order of their groups."""
        return tuple(re.compile(self.pattern).groupindex)


class Csv(Strict):
    """How the CSV files are written; what a file's first bytes say (gzip, zstd, a byte order mark) needs no word."""

    encoding: Literal["utf-8", "utf-16", "latin-1", "cp1252"] = "utf-8"
    """The files' encoding; a byte order mark at a file's start goes before."""
    delimiter: Literal["comma", "semicolon", "tab", "bar"] = "comma"
    """What stands between two cells."""
    header_line: PositiveInt = 1
    """The physical line that the header is on; the lines before it are passed over."""


class Merge(Strict):
    """A list (of categories, say) whose columns are added to the rows by a key."""

    file: FileName
    """The list's file, relative to the data folder: CSV, packed with gzip or zstd too, or Parquet."""
    key: Column
    """The rows' column that holds the key."""
    list_key: Column | None = None
    """The list's column that holds the key; the same name as `key` if not given."""
    columns: tuple[Column, ...] = Field(min_length=1)
    """The list's columns to add."""
    csv: Csv = Csv()
    """How the list is written if it is CSV; `data.csv` is about the rows' files only."""
    unmatched: Literal["keep", "drop"] = "drop"
    """What becomes of a row whose key is not in the list: kept with nulls, or dropped by the rule `unmatched_key`. Counted either way."""
    duplicates: Literal["refuse", "first"] = "refuse"
    """What to do when the list has a key twice: refuse the list, or take the first of them. Counted either way; rows are never multiplied."""


class ColumnType(Strict):
    """What a column's cells are, and how they are written."""

    type: Literal["text", "number", "integer", "date"]
    """What each cell is. An integer is a number without a fraction."""
    format: str | None = None
    """How dates are written, as strptime has it: `%d/%m/%Y`. Dates only, and required there."""
    decimal: Literal[".", ","] = "."
    """The decimal sign of numbers."""
    thousands: Literal[",", ".", " ", "'"] | None = None
    """What groups a number's digits by thousands; none if nothing does."""
    currency: tuple[Annotated[str, Field(pattern=CURRENCY_PATTERN)], ...] = ()
    """Signs or codes that may stand before or after a number and are taken off: `£`, `EUR`."""
    parentheses: bool = False
    """Whether a number in parentheses is negative, as ledgers have it."""
    unparsed: Literal["quarantine", "null"] = "quarantine"
    """What becomes of a cell that isn't what it should be: its row is quarantined, or the cell is null. Counted either way."""


class Recode(Strict):
    """A new column made of another one's values."""

    model_config = ConfigDict(serialize_by_alias=True)

    source: Column = Field(alias="from")
    """The column to take values from."""
    to: Column
    """The new column."""
    values: dict[str, str] = Field(min_length=1)
    """Each value as it is written, and what becomes of it. Any other value gives a null, and is counted."""


class Data(Strict):
    """Where the rows come from."""

    files: tuple[FileName, ...] = Field(min_length=1)
    """File names or globs relative to the data folder: CSV, packed with gzip or zstd too, or Parquet. Together they are one table of the columns that the recipe uses."""
    csv: Csv = Csv()
    rename: dict[Column, Column] = Field(default={})
    """Names for columns that a file calls otherwise: the name there (standardised) and the name to take. Not every file needs to have it."""
    types: dict[Column, ColumnType] = Field(default={})
    """What columns hold, by name. A column that isn't named is text, and a plain number where `columns.numeric` names it."""
    derive: tuple[Derive, ...] = ()
    """New columns cut out of existing ones by regular expressions."""
    recode: tuple[Recode, ...] = ()
    """New columns made of other columns' values, one by one."""
    keep: dict[Column, Annotated[tuple[str, ...], Field(min_length=1)]] = Field(default={})
    """Only rows whose column has one of these values, as they are written, are kept; the others are dropped by the rule `not_kept`."""
    require: tuple[Column, ...] = ()
    """Columns that no row may lack: one in which any of them is blank is dropped by the rule `missing_value`."""
    merge: Merge | None = None
    """A list merged onto the rows by a key."""
    quarantine_limit: Fraction = 0.0
    """The largest share of rows that may be unreadable. They are quarantined to a table; above the limit the data is refused."""


class Columns(Strict):
    """Which columns play which role. Names are the standardised ones: trimmed, lower case, underscores."""

    id: Column | None = None
    """A column that identifies a row; carried along, never a feature."""
    text: tuple[Column, ...] = Field(min_length=1)
    """Columns joined by a blank into `combined_text`, in this order."""
    categorical: tuple[Column, ...] = ()
    """Columns with an embedding each; a value not seen in training has an index of its own."""
    hierarchical: dict[Name, Levels] = Field(default={})
    """Hierarchies by name, each a list of two or more columns from the top level down; a value is told apart by the path of its parents."""
    numeric: tuple[Column, ...] = ()
    """Columns of numbers; clipped, standardised, with a flag where one is missing."""
    label: Column
    """The column to predict."""
    group: Column | None = None
    """Rows that share this column's value are never parted between splits."""
    time: Column | None = None
    """When a row happened, a column of type date; `split.by_time` parts the rows by it."""


class Text(Strict):
    """How `combined_text` is normalised, in this order. All off leaves the text as it is, for a transformer that knows case and punctuation."""

    lowercase: bool = False
    """Turn the text to lower case."""
    letters_only: bool = False
    """Drop everything but letters a to z and blanks."""
    remove_stopwords: bool = False
    """Remove the words of the pinned English stop-word list."""
    lemmatize: bool = False
    """Replace each word by its WordNet noun lemma (NLTK's WordNetLemmatizer)."""


class RareClasses(Strict):
    """Classes with too few rows to learn from are removed, by the rule `rare_class`, and named in the report."""

    minimum_rows: Annotated[int, Field(ge=2)] = 2
    """A class with fewer rows is removed. A class that occurs once always is."""


class TimeSplit(Strict):
    """Rows are parted by `columns.time`: the past to train on, what came after to judge by. A row without a time is dropped by the rule `no_time`."""

    validation_from: Annotated[str, Field(pattern=DATE_PATTERN)]
    """The first day, YYYY-MM-DD, of the validation rows; all that is earlier is training."""
    test_from: Annotated[str, Field(pattern=DATE_PATTERN)]
    """The first day of the test rows."""


class Splitting(Strict):
    """How rows are parted. The split comes first; whatever is learned is learned on the training rows alone."""

    train: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """The share of rows to train on."""
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """The share of rows to pick the best epoch by."""
    test: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """The share of rows that evaluation alone sees."""
    seed: int = 17
    """The seed of the split and of row sampling."""
    stratify: bool = True
    """Keep each class's share the same in every split."""
    by_time: TimeSplit | None = None
    """Part the rows by time instead of by shares; train, validation and test are not heeded then."""
    folds: Annotated[int, Field(ge=2, le=100)] | None = None
    """Give each training and validation row a fold, 0 to this less one, in a column `fold`; folds part rows as splits do."""


class FeatureSettings(Strict):
    """What is learned on the training rows and applied everywhere."""

    clip_iqr: Annotated[float, Field(gt=0)] | None = 1.5
    """Numbers further than this many inter-quartile ranges outside the quartiles are clipped; null leaves them."""
    minimum_count: PositiveInt = 1
    """A category seen in fewer training rows counts as unknown."""


class Expectation(Strict):
    """One great-expectations expectation, in its own name and arguments."""

    type: ExpectationType
    """The expectation's name, such as expect_column_values_to_not_be_null."""
    kwargs: dict[str, Any] = Field(default={})
    """Its arguments."""
    tables: Annotated[tuple[Asked, ...], Field(min_length=1)] = (
        "train",
        "validation",
        "test",
    )
    """The tables it is asked of; `audit`, on its own, is the one row of what the audit measured."""
    severity: Literal["failure", "warning"] = "failure"
    """A failure closes the data gate, a warning is reported."""


class ModelSettings(Strict):
    """The model's shape."""

    kind: Literal["transformer"] = "transformer"
    """A transformer reads the text; embeddings and numbers join its [CLS] output."""
    backbone: str
    """A model of the transformers library: a hub name, a folder, or `package:NAME` for one that an installed Python package carries."""
    weights_sha256: Sha256
    """The sha256 of the backbone's model.safetensors, checked before it is loaded."""
    maximum_tokens: Annotated[int, Field(ge=4, le=8192)] = 128
    """Longer texts are cut off here."""
    embedding_size: PositiveInt = 16
    """The width of each categorical and hierarchical embedding."""
    embedding_sizes: dict[Column, PositiveInt] = Field(default={})
    """Widths of single columns, where they differ from embedding_size."""
    hidden_layers: tuple[PositiveInt, ...] = (256,)
    """The widths of the linear layers between the joined features and the logits."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """The share of activations dropped in training."""


class Training(Strict):
    """How the model is fitted."""

    epochs: PositiveInt = 3
    """The largest number of passes over the training rows."""
    batch_size: Annotated[int, Field(ge=2)] = 32
    """Rows per step; batch normalisation needs two at least."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-5
    """AdamW's learning rate for the backbone."""
    head_learning_rate: Annotated[float, Field(gt=0)] | None = None
    """AdamW's learning rate for everything else; the backbone's if not given."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """AdamW's weight decay."""
    warmup: Fraction = 0.1
    """The share of all steps over which the learning rate rises; it then falls linearly to zero."""
    class_weights: bool = True
    """Weigh each class by the inverse of its share of the training rows."""
    gradient_clip: Annotated[float, Field(gt=0)] = 1.0
    """The largest gradient norm."""
    patience: PositiveInt = 2
    """Stop after this many epochs without a better validation macro F1; the best epoch is kept."""
    seed: int = 17
    """The seed of initial weights, dropout and the order of rows."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Number format of the forward pass; auto takes bfloat16 where the processor computes it natively."""


class LinearBaseline(Strict):
    """The model must beat TF-IDF + logistic regression on the same rows, or the recipe says why not."""

    margin: float = 0.0
    """How much higher the model's macro F1 has to be than the linear baseline's."""
    waived_because: Reason | None = None
    """The reason why this model need not beat the linear baseline; the comparison is still shown."""


class Gates(Strict):
    """What the metric gate asks of the model on the test rows. A missing or NaN metric is a refusal."""

    at_least: dict[Metric, Fraction] = Field(default={})
    """The smallest allowed value of each metric."""
    at_most: dict[Literal["loss"], Annotated[float, Field(gt=0)]] = Field(default={})
    """The largest allowed value of each metric."""
    linear_baseline: LinearBaseline = LinearBaseline()
    """The comparison with the linear baseline."""


class Registry(Strict):
    """Where an accepted model goes."""

    group: Name
    """The model group it becomes a version of."""


class Recipe(Strict):
    """One data set's complete description: data, model and gates."""

    version: Literal[1]
    """The recipe format's version."""
    name: Name
    """The recipe's name, shown wherever a run is shown."""
    data: Data
    columns: Columns
    text: Text = Text()
    rare_classes: RareClasses = RareClasses()
    split: Splitting = Splitting()
    features: FeatureSettings = FeatureSettings()
    expectations: tuple[Expectation, ...] = Field(min_length=1)
    """What the data gate asks of the tables; at least one."""
    model: ModelSettings
    training: Training = Training()
    gates: Gates = Gates()
    registry: Registry
