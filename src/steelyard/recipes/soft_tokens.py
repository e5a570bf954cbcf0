"""RL on thoughts in noisy mixtures of embeddings: train soft-tokens --model DIR --path questions.jsonl.

Differs: the learning rate is ours, the paper's could not be confirmed; 32 samples of two prompts in a step are the
paper's, and so is a thought of 128 steps, its length for GSM8K.
"""

from steelyard.training.soft_job import SoftTuning

RECIPE = SoftTuning(learning_rate=1e-6)
