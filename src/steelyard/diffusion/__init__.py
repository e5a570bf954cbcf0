"""Diffusion and GANs: models that generate rows of numbers, and ways to make them forget.

A denoising step has a log-probability and is a step like any other: T counts them, and the objectives of
`steelyard.objective` learn from them by `batch_of`. Data are rows of X numbers with a class each, such as the 8 x 8
images of `worlds.shapes`.
"""

from steelyard.diffusion.adapt_unlearn import AdaptUnlearn
from steelyard.diffusion.ddpm import DDPM
from steelyard.diffusion.denoiser import MLPDenoiser
from steelyard.diffusion.esd import ESD
from steelyard.diffusion.generation import Diffusion, NoisePredictor, Path, batch_of
from steelyard.diffusion.schedule import NoiseSchedule
from steelyard.diffusion.sfd import SFD
from steelyard.diffusion.unlearndiffatk import UnlearnDiffAtk

__all__ = [
    "DDPM",
    "ESD",
    "SFD",
    "AdaptUnlearn",
    "Diffusion",
    "MLPDenoiser",
    "NoisePredictor",
    "NoiseSchedule",
    "Path",
    "UnlearnDiffAtk",
    "batch_of",
]
