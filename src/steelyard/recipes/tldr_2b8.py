"""TL;DR on Pythia 2.8B: as `tldr`, which says where it differs from the paper, with the reward model of that size."""

from dataclasses import replace

from steelyard.recipes import tldr

RECIPE = replace(
    tldr.RECIPE,
    task=replace(tldr.TASK, reward_model="mnoukhov/pythia2.8b-rm-tldr6.9b"),
    model="mnoukhov/pythia2.8b-sft-tldr",
)
