"""P(love) from logged feedback, a reward among others: steelyard train rluf --model MODEL --feedback f.jsonl."""

from steelyard.training.feedback_job import FitFeedback

RECIPE = FitFeedback()
