"""Checks for whatever scores episodes: rewards and judges, and the tasks that have scoring of their own."""

import math
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from steelyard.check.verdict import Check, demand
from steelyard.core import Episode, Prompt, Reward, Sampling, Score, Task, Trajectory

_PROMPTS = tuple(Prompt(f"p{i}", f"{i}+{i}=", {"answer": str(2 * i), "domain": i % 2}) for i in range(3))
_ODD = ("", " ", "0", "#### 4", "a" * 300, "\u00e9\u4e16\U0001f600", "\\boxed{2}", "((((", "=\n=\x00")


def episode_of(prompt: Prompt, completion: str) -> Episode:
    """A finished episode, one token for each character."""
    text = f"{prompt.text}{completion}"
    tokens_T = np.array([ord(c) for c in text], np.int32)
    action_T = np.arange(len(text)) >= len(text) - len(completion)
    nothing_T = np.zeros(len(text), np.float32)
    said = Trajectory(prompt.id, tokens_T, action_T, nothing_T, 0, "", Sampling(), "stop", logp_ref_T=nothing_T)
    return Episode.of(prompt, completion, said)


@lru_cache(maxsize=1)  # making a task's prompts can take a while
def episodes_for(method: Task | Reward) -> list[Episode]:
    """Right, wrong, empty and odd completions of three prompts: a task's own, or made-up ones."""
    prompts = list(method.prompts("train"))[:3] if isinstance(method, Task) else _PROMPTS
    answers = {str(prompt.columns.get("answer", "")) for prompt in prompts}
    return [episode_of(prompt, completion) for prompt in prompts for completion in sorted({*_ODD, *answers})]


def scorer_of(method: Task | Reward) -> Reward:
    """A task's `score`, or the reward itself."""
    return method.score if isinstance(method, Task) else method


def _same(a: Score, b: Score) -> bool:
    steps = (a.reward_T is None) == (b.reward_T is None) and (
        a.reward_T is None or b.reward_T is None or np.array_equal(a.reward_T, b.reward_T)
    )
    read = (a.read, a.read_from) == (b.read, b.read_from)
    parts = dict(a.parts) == dict(b.parts) and a.part_rewards == b.part_rewards
    return a.value == b.value and parts and read and steps


def scores_each(method: Task | Reward) -> None:
    """One score for each episode; none for none."""
    score = scorer_of(method)
    episodes = episodes_for(method)
    got = score(episodes)
    demand(len(got) == len(episodes), f"{len(episodes)} episodes got {len(got)} scores")
    demand(all(isinstance(s, Score) for s in got), "what comes back is not a Score")
    demand(score([]) == [], "no episodes do not give an empty list")


def scores_finite(method: Task | Reward) -> None:
    """A value is finite, or None with an error that says why; also of an empty completion."""
    episodes = episodes_for(method)
    for episode, got in zip(episodes, scorer_of(method)(episodes), strict=True):
        said = f"for {episode.completion[:20]!r}"
        if got.value is None:
            demand(bool(got.error), f"{said} there is no value, and no error that says why")
        else:
            demand(math.isfinite(got.value), f"{said} the value is {got.value}")


def scores_alone(method: Task | Reward) -> None:
    """An episode's score depends neither on its place nor on its company."""
    score = scorer_of(method)
    episodes = episodes_for(method)
    whole = score(episodes)
    turned = score(episodes[::-1])[::-1]
    alone = [score([episode])[0] for episode in episodes[:4]]
    for episode, first, second in zip(episodes, whole, turned, strict=True):
        demand(_same(first, second), f"in another order {episode.completion[:20]!r} gets {second} after {first}")
    for episode, first, second in zip(episodes, whole, alone, strict=False):
        demand(_same(first, second), f"alone {episode.completion[:20]!r} gets {second}, in company {first}")


def scores_parts(method: Task | Reward) -> None:
    """Parts are finite; those named `constraint/...` are 0 or 1."""
    episodes = episodes_for(method)
    for episode, got in zip(episodes, scorer_of(method)(episodes), strict=True):
        for name, value in got.parts.items():
            said = f"the part {name} of {episode.completion[:20]!r} is {value}"
            demand(math.isfinite(value), said)
            demand(not name.startswith("constraint/") or value in (0.0, 1.0), f"{said}, not 0 or 1")


def scores_steps(method: Task | Reward) -> None:
    """Step rewards are finite, as many as the trajectory has tokens, and 0 where there is no action."""
    episodes = episodes_for(method)
    for episode, got in zip(episodes, scorer_of(method)(episodes), strict=True):
        if got.reward_T is None:
            continue
        action_T = episode.trajectory.action_T
        said = f"the step rewards of {episode.completion[:20]!r}"
        demand(got.reward_T.shape == action_T.shape, f"{said} are {len(got.reward_T)} for {len(action_T)} tokens")
        demand(bool(np.isfinite(got.reward_T).all()), f"{said} are not finite")
        demand(not got.reward_T[~action_T].any(), f"{said} stand on tokens that are no action")


SCORING_CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "scores-each": scores_each,
        "scores-finite": scores_finite,
        "scores-alone": scores_alone,
        "scores-parts": scores_parts,
        "scores-steps": scores_steps,
    }
)
