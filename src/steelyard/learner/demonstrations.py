"""Demonstrations: completions that somebody gave, as trajectories to learn from."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from steelyard.core import LabelValue, Prompt, Sampling, Trajectory, require
from steelyard.core.copies import own_prompt
from steelyard.policy import Policy
from steelyard.policy.text import Text

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
    ends: bool = True,
    reward: float = 1.0,
    reward_T: np.ndarray | None = None,
    labels: Mapping[str, LabelValue] | None = None,
) -> Trajectory:
    """A prompt and its given completion, end of sequence or of turn included, as a trajectory to imitate.

    Where it does not end, it is only a beginning: nothing is said of what follows. It has no reference
    log-probabilities: a learner that needs them reads them.

    Raises:
        SteelyardError: the model has no end-of-sequence token.
    """
    after = policy.tokenizer.encode(completion, add_special_tokens=False)
    after = [*after, end_of(policy, prompt.text)] if ends else after
    known = {"reward": reward, "reward_T": reward_T, "labels": labels or {}}
    return given(prompt.id, policy.encode(prompt.text), after, **known)


def given(prompt_id: str, before: Sequence[int], after: Sequence[int], **known: Any) -> Trajectory:
    """Tokens `after` others as a trajectory that nobody sampled: a demonstration. `known` are its other fields."""
    nothing_T = np.zeros(len(before) + len(after), np.float32)
    known["labels"] = {"demonstration": True, **known.get("labels", {})}
    return Trajectory(
        prompt_id,
        np.array([*before, *after], np.int32),
        np.arange(len(nothing_T)) >= len(before),
        nothing_T,
        0,
        "",
        _GIVEN,
        "stop",
        **known,
    )


def end_of(policy: Policy, prompt: Text = "") -> int:
    """The token that ends a completion of a prompt: in a chat, the template's end of turn.

    Raises:
        SteelyardError: the model has none.
    """
    end = policy.end_of(prompt)
    hint = "take a model with an end-of-sequence token"
    require(end is not None, "nothing ends a completion", where="model", hint=hint)
    assert end is not None
    return end


def demonstrations_of(task: Demonstrator, prompts: Sequence[Prompt], policy: Policy) -> Mapping[str, Trajectory]:
    """Each prompt's demonstration, by the prompt's id.

    Raises:
        SteelyardError: one does not fit the model's context.
    """
    found = {prompt.id: demonstration(policy, prompt, task.demonstration(own_prompt(prompt))) for prompt in prompts}
    longest = max((len(t.tokens_T) for t in found.values()), default=0)
    most = policy.context_length
    what = f"{longest} tokens exceed the model's context of {most}"
    hint = "take a model with a longer context"
    require(longest <= most, what, where="demonstrations", hint=hint)
    return found
