"""Control from played episodes, told a return: steelyard train return-conditioned --trajectories episodes.jsonl."""

from steelyard.control import ReturnConditioned
from steelyard.control.offline_job import OfflineControlJob

RECIPE = OfflineControlJob(learner=ReturnConditioned())
