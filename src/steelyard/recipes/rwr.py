"""Pretraining by reward-weighted regression on the tokens of your own scored documents."""

from dataclasses import replace

from steelyard.pretrain import RWR
from steelyard.recipes import mle

RECIPE = replace(mle.RECIPE, objective=RWR())
