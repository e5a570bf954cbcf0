"""The parts of a run, built from its settings: the only place where settings become live objects."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from steelyard.core import Episode, Prompt, Replay, Reward, Score, SteelyardError, Weights, WeightStore
from steelyard.eval import Listable, evaluate, exact_distance
from steelyard.learner import Learner
from steelyard.policy import Policy
from steelyard.rollout import TransformersEngine
from steelyard.runtime.run import Run
from steelyard.searcher import Assignment, Scorer, Searcher

Measure = Callable[[Weights, int], tuple[dict[str, Any], list[dict[str, Any]]]]
"""Weights and learner step -> the row of eval.jsonl, and samples to read."""


class Scored:
    """A task whose verifier is replaced by a reward function; whatever else the task can do, this can."""

    def __init__(self, task: Any, reward: Reward) -> None:
        self.task, self.reward = task, reward

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """The reward function's scores."""
        return self.reward(episodes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.task, name)


class Assigner:
    """Hands out what to search next: the curriculum's prompts, and the next sample numbers of each.

    Sample numbers address the randomness of a sample, so each is given out once.
    """

    def __init__(self, run: Run, prompts: Sequence[Prompt]) -> None:
        if not prompts:
            raise SteelyardError(
                "has no training prompts", where="task", mend="give it more data, or a smaller held-out share"
            )
        self._curriculum = run.curriculum.open(len(prompts), run.seed)
        self._num_prompts, self._num_samples = run.search_prompts, run.num_generations
        self._given: Counter[int] = Counter()

    def next(self) -> list[Assignment]:
        """The next searcher batch."""
        batch = []
        for prompt in self._curriculum.draw(self._num_prompts):
            batch += [Assignment(prompt, self._given[prompt] + i) for i in range(self._num_samples)]
            self._given[prompt] += self._num_samples
        return batch


def make_task(run: Run, reward: Reward | None = None) -> Any:
    """The task, scored by `reward` if one is given, or by the reward function that the run names."""
    if reward is None and run.reward is not None:
        from steelyard.reward import reward_function

        reward = reward_function(run.reward)
    return run.task if reward is None else Scored(run.task, reward)


def make_policy(run: Run) -> Policy:
    """The model, as it stands before training."""
    return Policy.load(run.model, lora=run.lora, dtype=run.dtype, seed=run.seed)


def make_learner(run: Run, policy: Policy) -> Learner:
    """The learner at version 0."""
    return Learner(
        policy,
        run.objective,
        run.optimizer,
        learning_rate=run.learning_rate,
        temperature=run.temperature,
        beta=run.beta_schedule,
        reference_reset=run.reference_reset,
        micro_tokens=run.micro_tokens,
    )


def make_searcher(
    run: Run,
    policy: Policy,
    prompts: Sequence[Prompt],
    score: Scorer | None,
    weights: WeightStore,
    references: WeightStore,
) -> Searcher:
    """A searcher that looks for weights in the given stores."""
    return Searcher(
        TransformersEngine(policy, run.seed),
        policy,
        prompts,
        score,
        weights=weights,
        references=references,
        sampling=run.sampling,
        temperature=run.temperature,
    )


def make_replay(run: Run) -> Replay:
    """The live buffer or queue."""
    return run.replay.open(seed=run.seed, max_staleness=run.max_staleness)


def make_measure(run: Run, policy: Policy, task: Any, reference: Weights) -> Measure:
    """Held-out evaluation, and exact distances where the task can be enumerated."""
    prompts = task.prompts("held-out")[: run.evaluation.prompts]
    # An address of its own: evaluation never shares randomness with the searchers.
    engine = TransformersEngine(policy, run.seed ^ 0x5EED)
    sampling = replace(run.sampling, temperature=run.temperature)

    def measure(weights: Weights, step: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        found = evaluate(
            engine,
            task,
            prompts,
            policy.encode,
            policy.decode,
            sampling=sampling,
            weights=weights,
            samples_per_prompt=run.evaluation.samples,
            num_sampled_prompts=run.evaluation.sampled_prompts,
        )
        row = found.row(step)
        if isinstance(run.task, Listable):
            row |= exact_distance(
                policy, run.task, beta=run.beta, reference=reference, temperature=run.temperature
            )
        return row, [{"step": step, "staleness": 0, **s} for s in found.samples]

    return measure
