"""Pretraining with human preferences by conditional training on your own documents, scored segment by segment."""

from dataclasses import replace

from steelyard.pretrain import PHF
from steelyard.recipes import mle

RECIPE = replace(mle.RECIPE, preparation=PHF())
