"""Proximal RLOO on the KL-shaped reward of the arithmetic task: a clipped ratio of whole sequences."""

from dataclasses import replace

from steelyard.objective import ProximalRLOO
from steelyard.recipes import arithmetic
from steelyard.replay import SingleUse

RECIPE = replace(arithmetic.RECIPE, objective=ProximalRLOO(beta=0.1), replay=SingleUse(capacity=64))
