"""KTO on pairs of your own: steelyard train offline-kto --model DIR --path pairs.jsonl."""

from dataclasses import replace

from steelyard.objective import KTO
from steelyard.recipes import offline_dpo

RECIPE = replace(offline_dpo.RECIPE, objective=KTO())
