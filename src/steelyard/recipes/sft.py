"""Supervised fine-tuning on prompts and answers of your own: steelyard train sft --model DIR --path questions.jsonl."""

from steelyard.objective import SFT
from steelyard.pretrain.supervised import SupervisedTuning

RECIPE = SupervisedTuning(objective=SFT(), epochs=3, batch_size=16, learning_rate=1e-5)
