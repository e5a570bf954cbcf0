"""Noise from captions that keeps images from being learned: steelyard train t2ue --images a.npz --protect b.npz."""

from steelyard.guard.t2ue_job import Protecting

RECIPE = Protecting()
