"""Online IPO on the arithmetic task: pairs of the policy's own answers, right against wrong."""

from dataclasses import replace

from steelyard.objective import IPO
from steelyard.recipes import arithmetic_dpo

RECIPE = replace(arithmetic_dpo.RECIPE, objective=IPO())
