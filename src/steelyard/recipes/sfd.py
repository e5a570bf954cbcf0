"""A diffusion model forgets classes while it becomes one step: steelyard train sfd --diffusion DIR --forget 1."""

from steelyard.diffusion.forgetting_job import ForgettingJob
from steelyard.diffusion.sfd import SFD

RECIPE = ForgettingJob(way=SFD())
