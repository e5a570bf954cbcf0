"""Control from the best of played episodes: steelyard train percentile-bc --trajectories episodes.jsonl."""

from steelyard.control import PercentileBC
from steelyard.control.offline_job import OfflineControlJob

RECIPE = OfflineControlJob(learner=PercentileBC())
