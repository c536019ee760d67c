"""The fitted features: learned on training rows, saved as readable files, applied by one code path everywhere."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from sluice.contract import ArtifactTampered, Columns, ContractError, InputError, Strict, first_problem
from sluice.contract.artifacts import file_sha256
from sluice.contract.schema import arrow_schema
from sluice.features import stopwords, wordnet
from sluice.features.categories import Vocabulary
from sluice.features.layout import table_columns
from sluice.features.learning import Learning
from sluice.features.numbers import Scale
from sluice.features.text import TextNormaliser, trimmed
from sluice.recipe import names
from sluice.recipe.model import Columns as RecipeColumns
from sluice.recipe.model import FeatureSettings, Text

RECORD = "features.json"
STOPWORDS = "stopwords.txt"
WORDNET = "wordnet"


class Learned(Strict):
    """What `features.json` holds."""

    columns: RecipeColumns
    """The recipe's columns by role."""
    text: Text
    """How the text is normalised."""
    labels: tuple[str, ...]
    """The classes, sorted; their places are the label's indices."""
    vocabularies: tuple[Vocabulary, ...]
    """One per category and per level of a hierarchy, in model order."""
    scales: tuple[Scale, ...]
    """One per numeric column, in model order."""
    files: dict[str, str]
    """The sha256 of each file that the text needs beside this one."""


class FittedFeatures:
    """Turns raw readable rows into table rows: the same way in preprocess, evaluation and serving."""

    def __init__(self, learned: Learned, stopword_list: Path, wordnet_folder: Path | None) -> None:
        self.learned = learned
        self.labels = learned.labels
        self._stopword_list = stopword_list
        self._wordnet_folder = wordnet_folder

    @classmethod
    def fit(cls, learning: Learning, columns: RecipeColumns, text: Text, settings: FeatureSettings) -> Self:
        """Learn labels, categories and numbers.

        Args:
            learning: the counts of the training rows alone.
            columns: the recipe's columns by role.
            text: how the text is to be normalised.
            settings: how to clip numbers, and when a category counts as unknown.

        Raises:
            ResourceMissing: the text needs WordNet or the stop-word list, and it isn't here.
        """
        return cls.of(
            Learned(
                columns=columns,
                text=text,
                labels=learning.labels,
                vocabularies=learning.vocabularies(settings.minimum_count),
                scales=learning.scales(settings.clip_iqr),
                files={},
            )
        )

    @classmethod
    def of(cls, learned: Learned) -> Self:
        """What was learned, with the words and the WordNet of this machine.

        Raises:
            ResourceMissing: the text needs WordNet or the stop-word list, and it isn't here.
        """
        folder = wordnet.wordnet_folder() if learned.text.lemmatize else None
        if learned.text.remove_stopwords:
            stopwords.pinned_stopwords()
        return cls(learned, stopwords.PINNED, folder)

    @property
    def table_columns(self) -> Columns:
        """The columns of the tables, in order."""
        return table_columns(self.learned.columns)

    @property
    def cardinalities(self) -> dict[str, int]:
        """How many indices each encoded column has, unknown included, in model order."""
        return {names.encoded(v.column): v.cardinality for v in self.learned.vocabularies}

    @property
    def category_columns(self) -> tuple[str, ...]:
        """The columns of indices, in model order."""
        return tuple(self.cardinalities)

    @property
    def number_columns(self) -> tuple[str, ...]:
        """The columns of scaled numbers, each followed by its missing flags, in model order."""
        return tuple(
            n for s in self.learned.scales for n in (names.scaled(s.column), names.missing(s.column))
        )

    @property
    def text_column(self) -> str:
        """The column of the joined and normalised text."""
        return names.COMBINED_TEXT

    @property
    def label_column(self) -> str:
        """The column of the label's indices."""
        return names.encoded(self.learned.columns.label)

    def transform(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Raw rows, readable columns by name, to table rows, in order.

        Label, row id, id and group are carried along where `rows` has them.

        Args:
            rows: text, categories and levels as strings, numbers as float64; more columns are ignored.

        Raises:
            InputError: a column that the features are made from is missing, or a label wasn't in training.
        """
        self._require(rows)
        values = {**self._categories(rows), **self._numbers(rows), **self._label(rows), **self._carried(rows)}
        values[names.COMBINED_TEXT] = self._text(rows)
        present = [column for column in self.table_columns if column.name in values]
        return pa.record_batch([values[c.name] for c in present], schema=arrow_schema(present))

    def normalised(self, texts: Any) -> Any:
        """Other texts, an array of strings, normalised as the rows' are: the names of labels, to find them in texts."""
        return self._normaliser.normalise(trimmed(texts))

    def save(self, folder: Path) -> None:
        """Write all that transforming needs into an empty folder: JSON, the stop-word list, WordNet's nouns."""
        if self.learned.text.remove_stopwords:
            shutil.copyfile(self._stopword_list, folder / STOPWORDS)
        if self._wordnet_folder:
            wordnet.copy_wordnet(self._wordnet_folder, folder / WORDNET)
        files = {name: _sha256(folder / name) for name in self._files()}
        record = self.learned.model_copy(update={"files": files})
        (folder / RECORD).write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote, wherever it is now.

        Raises:
            ArtifactTampered: a file is missing or different.
            ContractError: it is malformed.
        """
        learned = _read(folder / RECORD)
        for name, sha256 in learned.files.items():
            found = _sha256(folder / name)
            if found != sha256:
                raise ArtifactTampered(
                    "a file of the features isn't what features.json says",
                    where=folder / name,
                    got=found,
                    allowed=f"sha256 {sha256}",
                    next_step="Run the step that wrote it again",
                )
        return cls(learned, folder / STOPWORDS, folder / WORDNET if learned.text.lemmatize else None)

    def _files(self) -> list[str]:
        words = [STOPWORDS] if self.learned.text.remove_stopwords else []
        lemmas = [f"{WORDNET}/{name}" for name in wordnet.FILES] if self.learned.text.lemmatize else []
        return words + lemmas

    def _require(self, rows: pa.RecordBatch) -> None:
        columns = self.learned.columns
        needed = [*columns.text, *(v.column for v in self.learned.vocabularies), *columns.numeric]
        missing = [name for name in dict.fromkeys(needed) if name not in rows.schema.names]
        if missing:
            raise InputError(
                "the rows lack columns that the features are made from",
                got=f"no {', '.join(missing)}",
                allowed=f"at least {', '.join(dict.fromkeys(needed))}",
            )

    @cached_property
    def _normaliser(self) -> TextNormaliser:
        text = self.learned.text
        words = stopwords.read_stopwords(self._stopword_list) if text.remove_stopwords else frozenset[str]()
        lemmatise: Callable[[str], str] | None = (
            wordnet.load_lemmatiser(self._wordnet_folder) if self._wordnet_folder else None
        )
        return TextNormaliser(text, words, lemmatise)

    def _text(self, rows: pa.RecordBatch) -> Any:
        return self._normaliser.normalise(*(trimmed(rows.column(name)) for name in self.learned.columns.text))

    def _categories(self, rows: pa.RecordBatch) -> dict[str, Any]:
        needed = {name for vocabulary in self.learned.vocabularies for name in vocabulary.columns}
        values = {name: trimmed(rows.column(name)) for name in needed}
        indices = {
            names.encoded(v.column): v.encode([values[name] for name in v.columns])
            for v in self.learned.vocabularies
        }
        return values | indices

    def _numbers(self, rows: pa.RecordBatch) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for scale in self.learned.scales:
            column = rows.column(scale.column).cast(pa.float64())
            scaled, missing = scale.apply(column)
            values |= {
                scale.column: column,
                names.scaled(scale.column): scaled,
                names.missing(scale.column): missing,
            }
        return values

    def _label(self, rows: pa.RecordBatch) -> dict[str, Any]:
        name = self.learned.columns.label
        if name not in rows.schema.names:
            return {}
        labels = rows.column(name)
        index = pc.index_in(labels, value_set=pa.array(self.labels, pa.string()))
        if index.null_count:
            unknown = pc.unique(labels.filter(pc.is_null(index))).to_pylist()
            raise InputError(
                "labels that were not in training",
                where=f"column {name}",
                got=", ".join(map(repr, unknown[:10])),
                allowed=f"the {len(self.labels)} classes of features.json",
            )
        return {name: labels, names.encoded(name): index}

    def _carried(self, rows: pa.RecordBatch) -> dict[str, Any]:
        columns = self.learned.columns
        carried = [name for name in (columns.id, columns.group) if name and name in rows.schema.names]
        values = {name: rows.column(name).cast(pa.string()) for name in carried}
        if columns.time and columns.time in rows.schema.names:
            values[columns.time] = rows.column(columns.time).cast(
                pa.timestamp("ms")
            )  # Parquet knows no seconds
        if names.ROW_ID in rows.schema.names:
            values[names.ROW_ID] = rows.column(names.ROW_ID)
        return values


def _read(path: Path) -> Learned:
    try:
        return Learned.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise ArtifactTampered("no fitted features here", where=path) from None
    except ValidationError as error:
        raise ContractError(
            "the fitted features can't be read",
            where=path,
            got=first_problem(error),
            next_step="Run the step that wrote them again",
        ) from None


def _sha256(path: Path) -> str:
    return file_sha256(path) if path.is_file() else "no file"
