"""The several attempts of ufo, learned by trajectory balance: train ufo-tb --model DIR --path questions.jsonl."""

from dataclasses import replace

from steelyard.objective import VarGradTB
from steelyard.recipes import ufo

RECIPE = replace(ufo.RECIPE, objective=VarGradTB(beta=0.05))
