"""Pretraining by unlikelihood of undesirable segments of your own scored documents."""

from dataclasses import replace

from steelyard.pretrain import Unlikelihood
from steelyard.recipes import mle

RECIPE = replace(mle.RECIPE, objective=Unlikelihood())
