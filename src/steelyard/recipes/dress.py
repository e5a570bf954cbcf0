"""Responses under what was said of them, from feedback of your own: train dress --model DIR --path critiqued.jsonl."""

from steelyard.pretrain.feedback_tuning import FeedbackTuning

RECIPE = FeedbackTuning(epochs=3, batch_size=16, learning_rate=1e-5)
