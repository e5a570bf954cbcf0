"""A diffusion model of your own small images: steelyard train ddpm --images images.npz."""

from steelyard.diffusion.job import DiffusionJob

RECIPE = DiffusionJob()
