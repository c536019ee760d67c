"""The preprocess component: raw files in; training, validation and test tables out."""
