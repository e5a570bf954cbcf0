"""A run in coarser grains, and the completions that a simulated searcher finds.

One simulated completion stands for `samples` x `prompts` real ones. The samples of a prompt, in a searcher batch and in
a step, and every number of the replay that counts completions of a prompt are divided by `samples`; the prompts of a
batch, of a step and of the task by `prompts`. So a prompt comes up as often as in the finer run, and throughput, idle
shares and staleness are the same, but for the noise of fewer draws.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from steelyard.core import Prompt, Sampling, Trajectory
from steelyard.core.json import JsonObject
from steelyard.runtime.run import Run
from steelyard.searcher import Assignment

_OF_A_PROMPT: tuple[str, ...] = ("capacity_per_prompt", "protected_per_prompt")
_OF_ALL: tuple[str, ...] = ("capacity", "warmup")
"""Settings of a replay that are numbers of completions."""
_SAMPLING = Sampling(1.0, 1)
_ENOUGH = 60_000
"""Simulated completions of a run: some seconds."""
_FEWEST = 2
"""Samples of a group and prompts of a step; most objectives ask for two samples."""


@dataclass(frozen=True)
class Grain:
    """What one simulated completion stands for."""

    samples: int = 1
    prompts: int = 1

    @property
    def completions(self) -> int:
        """Real completions."""
        return self.samples * self.prompts


def grain_of(run: Run, completions: float) -> Grain:
    """The finest grain in which a run that finds so many completions is simulated in seconds."""
    samples = _divisor(run.num_generations, run.samples_searched, completions / _ENOUGH)
    return Grain(samples, _divisor(run.num_prompts, run.search_prompts, completions / samples / _ENOUGH))


def _divisor(first: int, second: int, wanted: float) -> int:
    """The smallest common divisor that is as large as is wanted, or the largest that leaves enough of both."""
    shared = math.gcd(first, second)
    possible = [d for d in range(1, shared + 1) if shared % d == 0 and (min(first, second) >= d * _FEWEST or d == 1)]
    return next((d for d in possible if d >= wanted), possible[-1])


def coarse(run: Run, grain: Grain) -> Run:
    """The run as it is simulated: nothing is saved or written."""
    names = {f.name for f in fields(run.replay)}  # type: ignore[arg-type]  (settings are dataclasses)
    by = dict.fromkeys(_OF_A_PROMPT, grain.samples) | dict.fromkeys(_OF_ALL, grain.completions)
    counted = {name: getattr(run.replay, name) for name in by if name in names}
    fewer: JsonObject = {name: -(-number // by[name]) for name, number in counted.items() if number}
    # Simulated completions are made up, so that none is near another one.
    fewer |= {"near_duplicate_threshold": 0.0} if "near_duplicate_threshold" in names else {}
    return replace(
        run,
        num_generations=run.num_generations // grain.samples,
        search_generations=run.samples_searched // grain.samples,
        num_prompts=run.num_prompts // grain.prompts,
        search_prompts=run.search_prompts // grain.prompts,
        replay=replace(run.replay, **fewer),  # type: ignore[type-var]
        save_steps=0,
    )


class Finder:
    """Makes the completions of simulated searchers.

    Args:
        prompts: the training prompts that assignments point into.
        lengths: tokens of completions to draw from.
        seed: of lengths and rewards.
        chunk: completions that are handed on together.
    """

    def __init__(self, prompts: Sequence[Prompt], lengths: Sequence[int], seed: int, chunk: int) -> None:
        self._prompts = prompts
        self._lengths = np.array(lengths)
        self._draws = np.random.default_rng(seed)
        self._chunk = chunk
        self._made = 0

    def find(self, assignments: Sequence[Assignment], version: int) -> Iterator[tuple[float, list[Trajectory]]]:
        """The completions of a searcher batch, short ones first, in chunks: the share of the batch's time that each
        chunk takes, and what is in it.

        Completions are drawn side by side, so a chunk is there when its longest completion is.
        """
        length_N = np.sort(self._draws.choice(self._lengths, size=len(assignments)))
        order = self._draws.permutation(len(assignments))
        reward_N = self._draws.integers(2, size=len(assignments))
        before = 0.0
        for start in range(0, len(assignments), self._chunk):
            places = range(start, min(start + self._chunk, len(assignments)))
            until = float(length_N[places[-1]] / length_N[-1])
            drawn = [(assignments[order[i]], int(length_N[i]), float(reward_N[i])) for i in places]
            yield until - before, [self._made_up(*one, version) for one in drawn]
            before = until

    def _made_up(self, assignment: Assignment, length: int, reward: float, version: int) -> Trajectory:
        self._made += 1
        return Trajectory(
            prompt_id=self._prompts[assignment.prompt].id,
            tokens_T=np.array([0, self._made % 2**31], dtype=np.int32),
            action_T=_ACTION_T,
            logp_behaviour_T=_LOGP_T,
            version=version,
            digest=digest_of(version),
            sampling=_SAMPLING,
            finish="stop",
            sample=assignment.sample,
            logp_ref_T=_LOGP_T,
            reward=reward,
            info={"length": length},
        )


_ACTION_T = np.array([False, True])
_LOGP_T = np.array([0.0, -1.0], dtype=np.float32)


def digest_of(version: int) -> str:
    """Stands for the digest of a version's weights."""
    return f"{version:016x}"


def length_of(trajectory: Trajectory) -> int:
    """Tokens of the completion that a simulated one stands for."""
    return int(trajectory.info["length"])
