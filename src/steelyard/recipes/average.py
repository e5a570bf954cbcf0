"""The mean of several models' weights: steelyard train average --models DIR DIR."""

from steelyard.training.weight_average import WeightAverage

RECIPE = WeightAverage()
