"""Control from played episodes, without luck: steelyard train dichotomy --trajectories episodes.jsonl [--env ID]."""

from steelyard.control.offline_job import OfflineControlJob

RECIPE = OfflineControlJob()
