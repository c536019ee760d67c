"""Sluice: train, check, register and serve text-and-table models, on a laptop and on Amazon SageMaker alike."""
