"""A diffusion model is tuned away from classes: steelyard train esd --diffusion DIR --forget 1."""

from steelyard.diffusion.esd import ESD
from steelyard.diffusion.forgetting_job import ForgettingJob

RECIPE = ForgettingJob(way=ESD())
