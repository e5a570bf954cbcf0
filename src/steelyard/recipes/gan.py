"""A small GAN of your own images: steelyard train gan --images images.npz."""

from steelyard.diffusion.gan_job import GanJob

RECIPE = GanJob()
