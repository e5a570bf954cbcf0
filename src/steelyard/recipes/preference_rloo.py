"""RLOO on the KL-shaped score of the shortening task: on-policy, with a single-use queue.

Its beta falls as that of `preference` does: the target is the same.
"""

from dataclasses import replace

from steelyard.objective import RLOO
from steelyard.recipes import preference
from steelyard.replay import SingleUse

RECIPE = replace(preference.RECIPE, objective=RLOO(beta=1.0), replay=SingleUse(capacity=64))
