"""NFT on the arithmetic task: fine-tuning on right answers, and away from wrong ones, without a KL penalty."""

from dataclasses import replace

from steelyard.objective import NFT
from steelyard.recipes import arithmetic

RECIPE = replace(arithmetic.RECIPE, objective=NFT())
