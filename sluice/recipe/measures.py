"""What the audit measures of a data set, by name: the columns of its one-row table, which expectations can be asked of."""

from __future__ import annotations

MEASURES = {
    "rows": "rows of the three tables together",
    "duplicate_rows": "share of rows whose features equal those of an earlier row of the same split",
    "duplicates_across_splits": "share of validation and test rows whose features equal those of a row of another split",
    "near_duplicate_rows": "share of rows whose text is nearly that of another row of the same split",
    "near_duplicates_across_splits": "share of validation and test rows whose text is nearly that of a training row",
    "label_conflict_rows": "share of rows whose features stand in the table with another label as well",
    "best_accuracy": "the best accuracy that any model with one label per row can reach on these tables",
    "strongest_feature": "how far one column alone determines the label of rows it wasn't learned on: 0 no better than the largest class, 1 fully",
    "label_in_text": "share of rows whose text holds the name of their label",
    "constant_columns": "feature columns with a single value in training",
    "unique_columns": "readable feature columns with a value of its own in every training row",
    "hierarchy_violations": "values of a level that stand below more than one parent",
    "psi_between_splits": "the largest population stability index of a column between training and another split",
    "ks_between_splits": "the largest Kolmogorov-Smirnov distance of a numeric column between training and another split",
    "psi_to_previous": "the largest population stability index of a column between the previous training table and this one; null without one",
    "ks_to_previous": "the largest Kolmogorov-Smirnov distance between the previous training table and this one; null without one",
    "cut_off_rows": "share of rows with more tokens than model.maximum_tokens",
    "missing_values": "the largest share of missing values of a feature column in training",
}
"""Each measure and what it says. Shares go from 0 to 1."""
