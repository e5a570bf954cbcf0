"""Texts of a model, chosen to be labelled: train eee-explore --model DIR --oracle my_oracle.py:bad.

The paper's: 80,000 samples of at most 20 tokens, 100 clusters, 200 texts of each.
"""

from steelyard.guard.explore_job import Exploring

RECIPE = Exploring()
