"""A learner whose every step is made under attack: the adversary moves first, and the model learns from where it is."""

from collections.abc import Sequence

from steelyard.core import Group, Loss, needs_of, rng
from steelyard.learner import Learner
from steelyard.learner.collate import collate
from steelyard.objective import Objective
from steelyard.unlearn.lat import LAT
from steelyard.unlearn.latent_attack import find, perturbed


class LatentLearner(Learner):
    """A `Learner` by `LAT`. Each micro-batch is attacked by itself."""

    def _backward(self, objective: Objective, groups: Sequence[Group]) -> Loss:
        """Add the gradient of weight * value of one micro-batch, read under the perturbation that is found for it."""
        assert isinstance(objective, LAT)
        batch = collate(groups, needs_of(objective).collated)
        draws = rng(0, "latent-attack", self.steps, groups[0][0].prompt_id)
        found = find(self.policy, objective.adversary, batch, ~batch.label("retain"), objective.harm, draws)
        with perturbed(self.policy, found):
            return super()._backward(objective, groups)
