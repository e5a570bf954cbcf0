"""Given groups with log-probabilities under the reference, which are computed when a group is met first, and kept."""

from collections.abc import Sequence

from steelyard.core import Group
from steelyard.learner.learner import Learner
from steelyard.policy.reference import reference_logp_apart


class Referred:
    """Groups that a learner meets again and again.

    Each group's log-probabilities are computed by themselves: they do not depend on which others a step takes, nor on
    where a run was resumed.

    Args:
        learner: whose reference it is.
        groups: in any order.
    """

    def __init__(self, learner: Learner, groups: Sequence[Group]) -> None:
        self._learner = learner
        self._groups = dict(enumerate(groups))

    def __len__(self) -> int:
        """How many groups there are."""
        return len(self._groups)

    def at(self, chosen: Sequence[int]) -> list[Group]:
        """The groups of these numbers."""
        new = [i for i in dict.fromkeys(chosen) if not self._known(i)]
        if new:
            learner = self._learner
            groups = [self._groups[i] for i in new]
            found = reference_logp_apart(learner.policy, learner.reference, groups, learner.temperature)
            self._groups.update(zip(new, found, strict=True))
        return [self._groups[i] for i in chosen]

    def _known(self, i: int) -> bool:
        version = self._learner.reference.version
        return all(t.ref_version == version and t.logp_ref_T is not None for t in self._groups[i])
