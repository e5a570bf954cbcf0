"""TL;DR on Pythia 1B: as `tldr`, which says where it differs from the paper, with the reward model of that size."""

from dataclasses import replace

from steelyard.recipes import tldr

RECIPE = replace(
    tldr.RECIPE,
    task=replace(tldr.TASK, reward_model="mnoukhov/pythia1b-rm-tldr6.9b"),
    model="mnoukhov/pythia1b-sft-tldr",
)
