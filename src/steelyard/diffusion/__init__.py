"""Diffusion: denoisers, and generation whose every step has a log-probability.

A denoising step is a step like any other: T counts them, and the objectives of `steelyard.objective` learn from them by
`batch_of`. Data are rows of X numbers with a class each, such as the 8 x 8 images of `worlds.shapes`.
"""

from steelyard.diffusion.ddpm import DDPM
from steelyard.diffusion.denoiser import MLPDenoiser
from steelyard.diffusion.esd import ESD
from steelyard.diffusion.generation import Diffusion, NoisePredictor, Path, batch_of
from steelyard.diffusion.schedule import NoiseSchedule
from steelyard.diffusion.sfd import SFD

__all__ = ["DDPM", "ESD", "SFD", "Diffusion", "MLPDenoiser", "NoisePredictor", "NoiseSchedule", "Path", "batch_of"]
