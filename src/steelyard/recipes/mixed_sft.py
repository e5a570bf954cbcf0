"""Supervised fine-tuning on your own rows, whose domains a fitted agent mixes as training goes (Data Mixing Agent)."""

from steelyard.pretrain.mixed_tuning import MixedTuning

RECIPE = MixedTuning(epochs=3, batch_size=16, learning_rate=1e-5)
