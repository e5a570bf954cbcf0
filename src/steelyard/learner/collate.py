"""Groups of trajectories to batches, cut into micro-batches between groups and never inside one."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from steelyard.core import Batch, Group, Trajectory, pad, pad_stack
from steelyard.learner.label_columns import collate_label


def micro_batches(groups: Sequence[Group], max_tokens: int, *, shared: bool = False) -> Iterator[list[Group]]:
    """Cut `groups` into runs whose computed tokens stay within `max_tokens`, longest first so that padding is least.

    Computed is the padded rectangle or, with `shared`, each prompt of a group and each of its different rests once.
    A group larger than the budget stands alone: a group is never split.
    """
    ordered = sorted(groups, key=_longest, reverse=True)
    taken: list[Group] = []
    width = size = tokens = 0
    for group in ordered:
        own = _without_padding(group) if shared else 0
        if taken and (tokens + own if shared else (size + len(group)) * width) > max_tokens:
            yield taken
            taken = []
            size = 0
            tokens = 0
        width = width if taken else _longest(group)
        taken.append(group)
        size = size + len(group)
        tokens = tokens + own
    if taken:
        yield taken


def collate(groups: Sequence[Group], labels: Sequence[str] = ()) -> Batch:
    """One batch of P groups x G trajectories x T tokens, without the policy's log-probabilities (zeros).

    Groups shorter than the largest are filled up with rows that are not valid.

    Args:
        groups: the trajectories of each prompt.
        labels: names of the labels that the batch is to hold.

    Raises:
        SteelyardError: a trajectory lacks one of these labels, or holds it wrongly.
    """
    rows = [t for group in groups for t in group]
    size = max(len(g) for g in groups)
    num = len(groups)
    width = max(len(t.tokens_T) for t in rows)
    places = torch.tensor([p * size + g for p, group in enumerate(groups) for g in range(len(group))])
    padded = pad(rows, width)

    def spread(values: torch.Tensor) -> torch.Tensor:
        out = torch.zeros((num * size, *values.shape[1:]), dtype=values.dtype)
        out[places] = values
        return out.reshape(num, size, *values.shape[1:])

    def steps(arrays: Sequence[np.ndarray]) -> torch.Tensor:
        return spread(torch.from_numpy(pad_stack(arrays, width, np.float32)))

    references = [t.logp_ref_T for t in rows if t.logp_ref_T is not None]
    stepwise = any(t.reward_T is not None for t in rows)
    return Batch(
        logp_PGT=torch.zeros(num, size, width),
        tokens_PGT=spread(padded.tokens_NT),
        action_PGT=spread(padded.action_NT),
        valid_PG=spread(torch.tensor([t.valid for t in rows])),
        reward_PG=spread(torch.tensor([t.reward if t.reward is not None else 0.0 for t in rows])),
        logp_ref_PGT=steps(references) if len(references) == len(rows) else None,
        logp_behaviour_PGT=steps([t.logp_behaviour_T for t in rows]),
        version_PG=spread(torch.tensor([t.version for t in rows])),
        ref_version_PG=spread(torch.tensor([t.ref_version for t in rows])),
        reward_PGT=steps([_zeros(t) if t.reward_T is None else t.reward_T for t in rows]) if stepwise else None,
        labels={name: collate_label(name, groups, width) for name in labels},
    )


def _longest(group: Group) -> int:
    return max(len(t.tokens_T) for t in group)


def _without_padding(group: Group) -> int:
    """Tokens that `steelyard.policy.prefix_sharing` feeds in: each prompt and each rest once, and no last action."""
    prompts: dict[bytes, int] = {}
    rests: dict[tuple[int, bytes], int] = {}
    for t in group:
        (steps,) = np.nonzero(t.action_T)
        start, end = (int(steps[0]), int(steps[-1])) if len(steps) else (len(t.tokens_T),) * 2
        prompts[t.tokens_T[:start].tobytes()] = start
        rests[start, t.tokens_T[:end].tobytes()] = end - start
    return sum(prompts.values()) + sum(rests.values())


def _zeros(trajectory: Trajectory) -> np.ndarray:
    return np.zeros(len(trajectory.tokens_T), np.float32)
