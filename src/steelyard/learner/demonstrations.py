"""Demonstrations: completions that somebody gave, as trajectories to learn from."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from steelyard.core import Prompt, Sampling, Trajectory, require
from steelyard.policy import Policy

_GIVEN = Sampling(max_tokens=1)


@runtime_checkable
class Demonstrator(Protocol):
    """A task that knows a right completion of each of its prompts."""

    def demonstration(self, prompt: Prompt) -> str:
        """The completion, without its end of sequence; a function of the prompt."""
        ...


def demonstration(
    policy: Policy,
    prompt: Prompt,
    completion: str,
    *,
    reward: float = 1.0,
    reward_T: np.ndarray | None = None,
    info: dict[str, Any] | None = None,
) -> Trajectory:
    """A prompt and its given completion, end of sequence included, as a trajectory to imitate.

    It has no reference log-probabilities: a learner that needs them reads them.

    Raises:
        SteelyardError: the model has no end-of-sequence token.
    """
    end, mend = policy.eos_ids, "take a model with an end-of-sequence token"
    require(bool(end), "nothing ends a completion", where="model", mend=mend)
    given = policy.tokenizer.encode(completion, add_special_tokens=False)
    before, after = policy.encode(prompt.text), [*given, end[0]]
    nothing_T = np.zeros(len(before) + len(after), np.float32)
    return Trajectory(
        prompt.id, np.array(before + after, np.int32), np.arange(len(nothing_T)) >= len(before), nothing_T, 0, "",
        _GIVEN, "stop", reward=reward, reward_T=reward_T, info={"demonstration": True, **(info or {})},
    )  # fmt: skip


def demonstrations_of(task: Demonstrator, prompts: Sequence[Prompt], policy: Policy) -> Mapping[str, Trajectory]:
    """Each prompt's demonstration, by the prompt's id.

    Raises:
        SteelyardError: one does not fit the model's context.
    """
    given = {prompt.id: demonstration(policy, prompt, task.demonstration(prompt)) for prompt in prompts}
    longest, most = max((len(t.tokens_T) for t in given.values()), default=0), policy.context_length
    what, mend = f"{longest} tokens exceed the model's context of {most}", "take a model with a longer context"
    require(longest <= most, what, where="demonstrations", mend=mend)
    return given
