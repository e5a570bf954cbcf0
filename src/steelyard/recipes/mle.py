"""Continued pretraining by plain likelihood on your own documents: train mle --model DIR --documents d.jsonl."""

from steelyard.objective import SFT
from steelyard.pretrain.job import Pretraining

RECIPE = Pretraining(objective=SFT(), batch_size=16, learning_rate=1e-4)
