"""A model's own responses, revised from critiques: steelyard train fence --rows F --generator DIR --judge CRITIC."""

from steelyard.data import FenCE
from steelyard.data.fence_job import Revising

RECIPE = Revising(builder=FenCE(), batch_size=8)
