"""The audit: what the preprocessed tables are like, and what in them would make a model look better than it is."""
