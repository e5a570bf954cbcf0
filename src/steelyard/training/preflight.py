"""What a run names is tried before it begins, so that what cannot be used leaves no run behind.

The models that the task reads (reward model, victim, judge, embedder) are looked at, their weights not read. A reward
function scores two empty completions in a worker of its own, as it will score real ones. That it fails on them is not
held against it: a failure is a failure of a completion. What would end every run does: it cannot be imported, it does
not take the columns, it returns something other than one number or None for each completion.
"""

from collections.abc import Mapping

import numpy as np

from steelyard.core import Episode, Prompt, Sampling, Trajectory
from steelyard.policy.auxiliary_model import Companion
from steelyard.reward import FunctionReward
from steelyard.runtime import Run


def rehearse(run: Run) -> None:
    """Try the reward function that the run names, if it names one, and check the models that its task reads.

    Raises:
        SteelyardError: the function cannot be loaded or called, or breaks the contract of reward functions; a model
            cannot be loaded as what it is used as.
    """
    for what, model in companions(run).items():
        model.check(what)
    try_reward(run)


def companions(run: Run) -> Mapping[str, Companion]:
    """The models besides the policy that the task reads, by what they are: reward models, victims, judges."""
    return getattr(run.task, "models", {})


def try_reward(run: Run) -> None:
    """Try the reward function that the run names, if it names one.

    Raises:
        SteelyardError: it cannot be loaded or called, or breaks the contract of reward functions.
    """
    if run.reward is not None:
        prompts = run.task.prompts("train")[:2]
        with FunctionReward(run.reward) as reward:
            reward([_empty(prompt) for prompt in prompts])


def _empty(prompt: Prompt) -> Episode:
    """Nothing, said after a prompt."""
    none_T = np.zeros(0, np.float32)
    trajectory = Trajectory(
        prompt.id, none_T.astype(np.int32), none_T.astype(bool), none_T, 0, "", Sampling(), "length"
    )
    return Episode(prompt, "", trajectory)
