"""Greedy completions of prompts that are given as trajectories."""

from collections.abc import Sequence

import numpy as np

from steelyard.core import Request, Sampling, Trajectory
from steelyard.policy import Policy
from steelyard.rollout import engine_for


def greedy(policy: Policy, trajectories: Sequence[Trajectory], max_tokens: int) -> list[np.ndarray]:
    """The model's greedy completion of each trajectory's prompt: tokens, including the end of sequence."""
    asked = [Request(str(i), tuple(t.tokens_T[~t.action_T].tolist()), 0) for i, t in enumerate(trajectories)]
    drawn = engine_for(policy, 0).generate(asked, Sampling(temperature=0.0, max_tokens=max_tokens))
    said = {int(t.prompt_id): t.completion_T for t in drawn}
    return [said[i] for i in range(len(asked))]
