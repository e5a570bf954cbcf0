"""Unlearning by gradient ascent on your own files; beside retained answers this is GradDiff."""

from dataclasses import replace

from steelyard.recipes import npo
from steelyard.unlearn import GradientAscent

RECIPE = replace(npo.RECIPE, objective=GradientAscent())
