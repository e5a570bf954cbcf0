"""Unlearning by DPO towards a refusal on your own files."""

from dataclasses import replace

from steelyard.recipes import npo
from steelyard.unlearn import RefusalDPO

RECIPE = replace(npo.RECIPE, objective=RefusalDPO(), completions="pair")
