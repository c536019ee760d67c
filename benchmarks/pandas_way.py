"""The obvious way from CSV to tables: pandas, NLTK and scikit-learn, everything in memory.

    python -m benchmarks.pandas_way FOLDER TABLES

It does for the benchmark's ledger what its recipe asks of Sluice, without quarantine, account, manifests and digests.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import LabelEncoder, StandardScaler

from benchmarks.preprocess import nltk_lemmatizer
from sluice.features.stopwords import pinned_stopwords

TEXT = ["name", "description", "memo"]
CATEGORIES = ["department_id", "system_id", "division", "department"]


def main(data: Path, tables: Path) -> None:
    """Read, merge, normalise, split, fit, encode, write."""
    rows = pd.read_csv(data / "ledger.csv", dtype=dict.fromkeys([*TEXT, *CATEGORIES], "str"))
    rows = rows.merge(pd.read_csv(data / "categories.csv"), on="category_id")
    rows["combined_text"] = rows[TEXT].fillna("").agg(" ".join, axis=1)
    with tempfile.TemporaryDirectory() as folder:
        lemmatizer, stopwords = nltk_lemmatizer(Path(folder)), set(pinned_stopwords())
        rows["combined_text"] = rows["combined_text"].apply(
            lambda text: " ".join(
                lemmatizer.lemmatize(word)
                for word in re.sub(r"[^a-z\s]", "", text.lower()).split()
                if word not in stopwords
            )
        )
    train, rest = train_test_split(rows, train_size=0.8, stratify=rows["category"], random_state=17)
    validation, test = train_test_split(rest, train_size=0.5, stratify=rest["category"], random_state=17)
    low, high = fences(train["amount"])
    scaler = StandardScaler().fit(train[["amount"]].clip(low, high))
    label = LabelEncoder().fit(train["category"])
    known = {
        name: {value: i for i, value in enumerate(sorted(train[name].unique()), 1)} for name in CATEGORIES
    }
    tables.mkdir()
    for name, part in {"training": train, "validation": validation, "test": test}.items():
        encoded = {
            f"{column}_encoded": part[column].map(known[column]).fillna(0).astype("int32") for column in known
        }
        scaled = scaler.transform(part[["amount"]].clip(low, high))[:, 0].astype(np.float32)
        part = part.assign(**encoded, amount_scaled=scaled, label=label.transform(part["category"]))
        part.to_parquet(tables / f"{name}.parquet", compression="zstd")


def fences(amounts: pd.Series[float]) -> tuple[float, float]:
    """One and a half inter-quartile ranges outside the quartiles."""
    first, third = amounts.quantile([0.25, 0.75])
    return first - 1.5 * (third - first), third + 1.5 * (third - first)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
