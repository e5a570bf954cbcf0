"""Pretraining on those of your own scored documents that are below a threshold."""

from dataclasses import replace

from steelyard.pretrain import Filtering
from steelyard.recipes import mle

RECIPE = replace(mle.RECIPE, preparation=Filtering())
