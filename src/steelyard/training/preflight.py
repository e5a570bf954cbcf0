"""Checks before a run starts, so that a run that cannot work leaves no directory behind.

Auxiliary models of the task (reward model, victim, judge, embedder) are checked by their config and tensor shapes; no
weights are read. A reward function scores two empty completions in a worker process, as it will score real ones. It
may fail on them, because a failure only loses that completion. Errors that would end every run are refused: the
function cannot be imported, does not accept the data's columns, or returns something other than one number or None for
each completion.
"""

from collections.abc import Mapping

import numpy as np

from steelyard.core import Episode, Prompt, Sampling, Trajectory
from steelyard.policy.auxiliary_model import AuxiliaryModel
from steelyard.reward import Closable
from steelyard.runtime import Run
from steelyard.runtime.factories import make_reward


def preflight(run: Run) -> None:
    """Check the auxiliary models of the task, and call the reward function once if the run names one.

    Raises:
        SteelyardError: the reward function cannot be loaded or called, or breaks the contract of reward functions; a
            model cannot be loaded for its role.
    """
    for role, model in auxiliary_models(run).items():
        model.check(role)
    try_reward(run)


def auxiliary_models(run: Run) -> Mapping[str, AuxiliaryModel]:
    """Role -> model that the task loads besides the policy: reward model, victim, judge, embedder."""
    return getattr(run.task, "models", {})


def try_reward(run: Run) -> None:
    """Call the reward function that the run names, if it names one, on two empty completions.

    Raises:
        SteelyardError: it cannot be loaded or called, or breaks the contract of reward functions.
    """
    reward = make_reward(run)
    if reward is None:
        return
    try:
        reward([_empty(prompt) for prompt in run.task.prompts("train")[:2]])
    finally:
        if isinstance(reward, Closable):
            reward.close()


def _empty(prompt: Prompt) -> Episode:
    """An episode with an empty completion."""
    none_T = np.zeros(0, np.float32)
    trajectory = Trajectory(
        prompt.id, none_T.astype(np.int32), none_T.astype(bool), none_T, 0, "", Sampling(), "length"
    )
    return Episode.of(prompt, "", trajectory)
