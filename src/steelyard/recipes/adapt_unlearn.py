"""A GAN unlearns images that were marked as undesired: steelyard train adapt-unlearn --gan DIR --images marked.npz."""

from steelyard.diffusion.gan_job import AdaptUnlearnJob

RECIPE = AdaptUnlearnJob()
