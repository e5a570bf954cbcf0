"""Unlearning by fine-tuning on refusals (IDK) on your own files: the baseline that only imitates."""

from dataclasses import replace

from steelyard.objective import SFT
from steelyard.recipes import npo

RECIPE = replace(npo.RECIPE, objective=SFT(), completions="refusal")
