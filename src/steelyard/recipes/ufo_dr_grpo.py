"""The several attempts of ufo, learned by Dr. GRPO: train ufo-dr-grpo --model DIR --path questions.jsonl."""

from dataclasses import replace

from steelyard.objective import DrGRPO
from steelyard.recipes import ufo
from steelyard.task import UFO

RECIPE = replace(ufo.RECIPE, objective=DrGRPO(max_length=UFO().max_turns * ufo.RECIPE.max_completion_length))
