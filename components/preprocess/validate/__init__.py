"""The data gate: whether the preprocessed tables are fit to train on."""
