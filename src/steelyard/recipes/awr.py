"""Pretraining by advantage-weighted regression on the tokens of your own scored documents."""

from dataclasses import replace

from steelyard.pretrain import AWR
from steelyard.recipes import mle

RECIPE = replace(mle.RECIPE, objective=AWR())
