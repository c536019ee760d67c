"""The image that trains a model."""
