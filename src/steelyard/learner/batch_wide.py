"""Labels that only a whole step's batch can give: how prompts that compete are told what they got."""

from collections.abc import Sequence

from steelyard.core import Group, Trajectory, needs_of
from steelyard.learner.collate import collate
from steelyard.objective import BatchWide, Objective


def marked(objective: Objective, groups: list[Group]) -> list[Group]:
    """The groups with the labels of a batch-wide objective on each trajectory; for any other, as they are."""
    if not isinstance(objective, BatchWide) or not groups:
        return groups
    known = [name for name in needs_of(objective).collated if name not in objective.marked]
    given = {name: x.tolist() for name, x in objective.mark(collate(groups, known)).items()}

    def told(group: Sequence[Trajectory], p: int) -> Group:
        return [
            t.replace(labels={**t.labels, **{name: x_PG[p][g] for name, x_PG in given.items()}})
            for g, t in enumerate(group)
        ]

    return [told(group, p) for p, group in enumerate(groups)]
