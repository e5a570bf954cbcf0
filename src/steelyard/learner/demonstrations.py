"""Demonstrations: completions that somebody gave, as trajectories to learn from."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from steelyard.core import Prompt, Sampling, Trajectory, Weights
from steelyard.policy import Policy
from steelyard.policy.reference import reference_logp

_GIVEN = Sampling(max_tokens=1)
_AT_ONCE = 256


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
    """A prompt and its given completion, end of sequence included, as a trajectory to imitate."""
    before, after = policy.encode(prompt.text), [*policy.encode(completion), policy.eos_ids[0]]
    nothing_T = np.zeros(len(before) + len(after), np.float32)
    return Trajectory(
        prompt.id, np.array(before + after, np.int32), np.arange(len(nothing_T)) >= len(before), nothing_T, 0, "",
        _GIVEN, "stop", logp_ref_T=nothing_T, reward=reward, reward_T=reward_T,
        info={"demonstration": True, **(info or {})},
    )  # fmt: skip


def demonstrations_of(
    task: Demonstrator, prompts: Sequence[Prompt], policy: Policy, temperature: float
) -> Mapping[str, Trajectory]:
    """Each prompt's demonstration by the prompt's id, with log-probabilities of the policy as the reference."""
    given = [demonstration(policy, prompt, task.demonstration(prompt)) for prompt in prompts]
    reference = Weights.of(policy.weights(), 0)
    parts = [given[i : i + _AT_ONCE] for i in range(0, len(given), _AT_ONCE)]
    referred = [t for part in parts for t in reference_logp(policy, reference, part, temperature)]
    return {t.prompt_id: t for t in referred}
