"""Hybrid post-training: a problem that no sample solved is learned from a worked solution, any other by its samples."""

from dataclasses import replace

from steelyard.objective import HPT
from steelyard.recipes import arithmetic
from steelyard.replay import SingleUse

RECIPE = replace(arithmetic.RECIPE, objective=HPT(max_length=20), replay=SingleUse(capacity=64))
