"""Preference tuning where prompts recur: gold win rate against KL, also for trajectory balance with importance weights.

Of 320 prompts each comes five times in a run, so the buffer has samples of several versions for each. Learning rates
1e-4, 3e-4 and 1e-3 were tried with each method at lag 15 on seed 900; the one with the highest frontier (mean over KL 1
to 4) is taken: 3e-4.
"""

from dataclasses import replace

from steelyard.experiments.studies._preference.comparison import Comparison, Study
from steelyard.experiments.studies.preference import METHODS as USUAL
from steelyard.objective import WeightedTB
from steelyard.recipes.preference import RECIPE
from steelyard.task import Shortening

__all__ = ["Study", "measure", "section"]

TASK = Shortening(proxy="steelyard/shortening-proxy", posts=400)
"""Of which one in five is held out."""
WEIGHTED = replace(RECIPE, objective=WeightedTB(beta=1.0))
METHODS = {name: replace(run, task=TASK) for name, run in ({"weighted TBA": WEIGHTED} | USUAL).items()}
COMPARISON = Comparison(
    "preference-recurring",
    "Preference tuning where prompts recur",
    "As above, with a tenth of the prompts: searchers visit each five times in a run, and the buffer has samples of "
    "several versions of it. Weighted TBA is trajectory balance with importance weights (`weighted-tb`) from the same "
    "buffer.",
    METHODS,
)
measure = COMPARISON.measure
section = COMPARISON.section
