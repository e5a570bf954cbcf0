"""A model that draws as described processes do, from draws of your own: train spectrum --model DIR --draws draws.jsonl.

The paper's: --batch-size 1024 --learning-rate 3e-6, on more than 90 tasks.
"""

from steelyard.pretrain.spectrum_tuning import SpectrumTuning

RECIPE = SpectrumTuning(epochs=1, batch_size=32, learning_rate=1e-5)
