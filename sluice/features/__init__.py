"""What is learned on the training rows and applied everywhere: text, categories, numbers and labels."""

from sluice.features.categories import Vocabulary
from sluice.features.fitted import FittedFeatures
from sluice.features.learning import Learning
from sluice.features.numbers import Scale
from sluice.features.text import TextNormaliser

__all__ = ["FittedFeatures", "Learning", "Scale", "TextNormaliser", "Vocabulary"]
