"""Every model with every preset that can hold it."""

from itertools import product

from chromiq.models import MODELS
from chromiq.toolkit_configs.render.presets import PRESETS

TOO_SMALL = {("flux2", "24gb"), ("flux2", "32gb")}
MODEL_PRESETS = [pair for pair in product(MODELS, PRESETS) if pair not in TOO_SMALL]
