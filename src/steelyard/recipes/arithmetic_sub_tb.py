"""Subtrajectory balance with learned flows on the arithmetic task, from the same replay buffer as VarGrad's.

lambda is 2: the flows of short parts take more steps to learn than this recipe has.
"""

from dataclasses import replace

from steelyard.objective import SubTB
from steelyard.recipes import arithmetic

RECIPE = replace(arithmetic.RECIPE, objective=SubTB(beta=0.1, lam=2.0))
