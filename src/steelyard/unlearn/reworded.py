"""Reworded prompts: what a model forgot is asked for in other words.

    p = mean over wordings x' of exp(mean over y's tokens of log pi(y|x')),    accuracy = share of greedy answers = y

Near the numbers of the prompts as they were trained on, the answer was forgotten; above them, only the wording was. The
wordings are the user's. T tokens of y, its end of sequence included.
Source: the paraphrased questions of Maini et al. 2024, arXiv:2401.06121; that paper rewords answers too, this does not.
"""

from dataclasses import dataclass

from steelyard.core import method
from steelyard.core.table import Table
from steelyard.policy import Policy
from steelyard.unlearn.material import RECALLED, ForgettingAudit, Material, recalled
from steelyard.unlearn.two_sided_audit import question


@method("reworded", paper="arXiv:2401.06121", claim="tells a forgotten answer from a forgotten wording")
@dataclass(frozen=True)
class Reworded(ForgettingAudit):
    """Ask in other words."""

    def lacks(self, material: Material) -> str:
        """Other wordings."""
        return "" if material.reworded else "prompts in other words (a column reworded, or --reworded FILE)"

    def measure(self, policy: Policy, material: Material) -> Table:
        """One row, for all wordings."""
        asked = [question(policy, row) for row in material.reworded]
        return Table(RECALLED, (("reworded", recalled(policy, asked, self.max_completion_length)),))
