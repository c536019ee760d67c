"""Sluice beside its peers, each pair in one run, as ratios."""
