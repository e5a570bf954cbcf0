"""IPO on pairs of your own: steelyard train offline-ipo --model DIR --path pairs.jsonl."""

from dataclasses import replace

from steelyard.objective import IPO
from steelyard.recipes import offline_dpo

RECIPE = replace(offline_dpo.RECIPE, objective=IPO())
