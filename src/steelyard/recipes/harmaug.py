"""A small guard that learns from generated texts: train harmaug --texts t.jsonl --teacher RUN --generator MODEL."""

from steelyard.training.augmented_job import Augmented

RECIPE = Augmented()
