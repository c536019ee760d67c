"""Measures a model on the test table beside two baselines, and computes the metric gate's verdict."""
