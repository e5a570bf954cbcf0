"""M2PO on the arithmetic task: data as old as they come, with a single-use queue."""

from dataclasses import replace

from steelyard.objective import M2PO
from steelyard.recipes import arithmetic
from steelyard.replay import SingleUse

RECIPE = replace(arithmetic.RECIPE, objective=M2PO(), replay=SingleUse(capacity=64))
