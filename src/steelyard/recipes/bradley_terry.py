"""A reward model from pairs of your own: steelyard train bradley-terry --model DIR --path pairs.jsonl."""

from steelyard.training.reward_fit import RewardFit

RECIPE = RewardFit()
