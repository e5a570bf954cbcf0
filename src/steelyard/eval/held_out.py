"""Evaluate a policy on held-out prompts: greedy accuracy, and statistics of its samples.

    accuracy   = share of prompts whose greedy completion is correct, with Wilson's 95 % interval
    pass@k     = mean over prompts of 1 - C(n - c, k) / C(n, k),  n samples of which c are correct

A completion is correct if its score is at least `correct_at`. If the verifier or the generation failed, there is no
score: such completions are counted in `eval/errors` and left out of every rate, never scored as 0. Of samples,
`eval/truncated` is the share that reached the limit, `eval/length_stopped` the mean length of those that ended by
themselves, and `eval/reflection` the share with a word of `reflection.py`. `NAME_low` and `NAME_high` are the ends of
a 95 % interval over prompts: Wilson's of pass@k, where a prompt's estimate stands for a hit, and mean +- 1.96 s /
sqrt(prompts) of the reward.

What is measured is what is trained on. Where a reward of the user's own trains in place of the task's verifier, scores
are its scores, and the verifier's greedy accuracy stands beside them as `eval/verifier_accuracy`.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np

from steelyard.core import (
    Engine,
    Episode,
    Interactive,
    Prompt,
    Reward,
    Sampling,
    Score,
    Task,
    VerifiesTurns,
    Weights,
    require,
)
from steelyard.core.json import JsonMapping, JsonObject
from steelyard.eval.answers import Answer, Decode, Encode, Examiner
from steelyard.eval.estimates import mean_interval, pass_at_k, wilson
from steelyard.eval.reflection import reflection
from steelyard.rollout.episodes import Codec, turns_of
from steelyard.searcher.scoring import reading_of


@runtime_checkable
class Styled(Protocol):
    """A task that classifies completions by style ("bare", "working", ...), whether right or wrong."""

    def style(self, completion: str) -> str:
        """The style of `completion`."""
        ...


@runtime_checkable
class TaskWithMetrics(Protocol):
    """A task with metrics of its own on held-out samples, such as win rates against the reference."""

    def measure(
        self, samples: Sequence[Sequence[Episode]], reference: Sequence[Sequence[Episode]]
    ) -> Mapping[str, float]:
        """Name -> number; each becomes `eval/NAME`.

        Args:
            samples: the policy's samples, prompt by prompt, without failed generations.
            reference: as many samples of the initial policy for the same prompts.
        """
        ...


@dataclass(frozen=True)
class Evaluation:
    """The results of one evaluation. A metric without data is absent."""

    version: int
    """Version of the evaluated weights, as the engine stamped it."""
    metrics: JsonMapping
    """`eval/accuracy`, ...: numbers, and under `eval/styles` and `eval/correct_styles` shares by name."""
    samples: Sequence[JsonMapping]
    """A few completions to read: prompt, completion, reward (None where the verifier failed), version, style."""
    answers: Sequence[Sequence[Answer]] = ()
    """All sampled answers, prompt by prompt."""

    @property
    def episodes(self) -> list[list[Episode]]:
        """The sampled episodes, prompt by prompt, without failed generations."""
        return [[a.episode for a in group if a.trajectory.finish != "error"] for group in self.answers]

    def row(self, step: int) -> JsonObject:
        """The row of `eval.jsonl` for an evaluation at learner step `step`."""
        return {"step": step, "version": self.version, **self.metrics}


def evaluate(
    engine: Engine,
    task: Task,
    prompts: Sequence[Prompt],
    encode: Encode,
    decode: Decode,
    *,
    sampling: Sampling,
    samples_per_prompt: int,
    num_sampled_prompts: int | None = None,
    weights: Weights | None = None,
    correct_at: float = 1.0,
    num_records: int = 4,
    codec: Codec | None = None,
    reward: Reward | None = None,
    sampler: Engine | None = None,
) -> Evaluation:
    """Evaluate the policy that `engine` holds on `prompts`.

    Args:
        engine: nothing else may load weights into it during the call.
        task: scores the completions; one that is `Styled` adds the style shares.
        prompts: held-out prompts with distinct ids, all of them answered greedily.
        encode: prompt text to token ids.
        decode: token ids to text.
        sampling: the sampling settings of training; greedy answers use its `max_tokens` and `stop` alone.
        samples_per_prompt: k, samples at `sampling`; 0 measures greedy accuracy alone.
        num_sampled_prompts: how many of `prompts`, from the front, are sampled; None for all.
        weights: loaded into the engine first; None evaluates the weights that it holds.
        correct_at: lowest score that counts as correct.
        num_records: number of completions to record, each of another prompt.
        codec: the policy's; needed for a task of several turns.
        reward: scores the completions in place of the task's verifier, whose accuracy is measured beside it.
        sampler: draws the samples in place of `engine`, from the same weights; None for `engine`.

    Raises:
        SteelyardError: no prompts, ids that repeat, sampling that is greedy, or an engine that left requests
            unanswered or took new weights on the way.
    """
    _check(prompts, sampling, samples_per_prompt)
    if weights is not None:
        for each in (engine, *([] if sampler is None else [sampler])):
            each.load(weights)
    examiner = Examiner(engine, task, encode, decode, correct_at, codec, reward)
    greedy = examiner.ask(prompts, 1, Sampling(0.0, sampling.max_tokens, stop=sampling.stop))
    sampled = prompts[:num_sampled_prompts] if samples_per_prompt else []
    samples = replace(examiner, engine=sampler or engine).ask(sampled, samples_per_prompt, sampling)
    everything = [answer for group in greedy + samples for answer in group]
    metrics = _accuracy(greedy) | _verifier(greedy) | _sampled(samples, samples_per_prompt)
    several = isinstance(task, Interactive | VerifiesTurns)
    metrics |= _parts(samples) if several or reward is not None else {}
    metrics |= _styles(task, samples) if isinstance(task, Styled) else {}
    metrics["eval/errors"] = sum(answer.value is None for answer in everything)
    shown = [group[0] for group in (samples or greedy)[:num_records]]
    records = [_record(answer, task, codec.decode if codec else decode) for answer in shown]
    return Evaluation(_version(everything), metrics, records, samples)


def _check(prompts: Sequence[Prompt], sampling: Sampling, k: int) -> None:
    def demand(condition: bool, what: str, hint: str) -> None:
        require(condition, what, where="evaluate", hint=hint)

    twice = [id for id, count in Counter(p.id for p in prompts).items() if count > 1]
    demand(len(prompts) > 0, "there are no prompts", "give at least one held-out prompt")
    demand(not twice, f"prompt ids repeat: {twice[:3]}", "give every prompt its own id")
    demand(k >= 0, f"samples_per_prompt is {k}", "use 0 or more")
    demand(k == 0 or sampling.temperature > 0, "all samples at temperature 0 are equal", "use the training temperature")


def _accuracy(greedy: Sequence[Sequence[Answer]]) -> JsonObject:
    scored = [answer for group in greedy for answer in group if answer.value is not None]
    if not scored:
        return {"eval/prompts": 0}
    correct = sum(answer.correct for answer in scored)
    found = {"eval/accuracy": correct / len(scored), "eval/prompts": len(scored)}
    return found | _ends("eval/accuracy", wilson(correct, len(scored)))


def _verifier(greedy: Sequence[Sequence[Answer]]) -> dict[str, float]:
    """The accuracy by the task's own verifier, where another reward is measured."""
    looked = [answer.verified for group in greedy for answer in group if answer.verified is not None]
    return {"eval/verifier_accuracy": sum(looked) / len(looked)} if looked else {}


def _parts(samples: Sequence[Sequence[Answer]]) -> dict[str, float]:
    """The mean of each part of the reward, over the samples that have it."""
    parts = [answer.score.parts for group in samples for answer in group]
    names = dict.fromkeys(name for some in parts for name in some)
    return {f"eval/reward/{name}": _mean(some[name] for some in parts if name in some) for name in names}


def _sampled(samples: Sequence[Sequence[Answer]], k: int) -> JsonObject:
    """Rates over the scored samples; pass@k over the prompts whose k samples all have a score."""
    groups = [scored for group in samples if (scored := [a for a in group if a.value is not None])]
    if not groups:
        return {}
    flat = [answer for group in groups for answer in group]
    metrics = {
        "eval/reward_mean": _mean(a.value for a in flat if a.value is not None),
        "eval/distinct_correct": _mean(len({a.completion for a in group if a.correct}) for group in groups),
        "eval/length_mean": _mean(len(a.trajectory.completion_T) for a in flat),
        "eval/truncated": _mean(a.trajectory.finish == "length" for a in flat),
    }
    stopped = [len(a.trajectory.completion_T) for a in flat if a.trajectory.finish == "stop"]
    found = {"eval/length_stopped": _mean(map(float, stopped)) if stopped else None}
    found |= {"eval/reflection": reflection([a.completion for a in flat])}
    metrics |= {name: value for name, value in found.items() if value is not None}
    means = [_mean(a.value for a in group if a.value is not None) for group in groups]
    metrics |= _ends("eval/reward_mean", mean_interval(means))
    for attempts in sorted({1, k}):
        counts = [(len(group), sum(a.correct for a in group)) for group in groups if len(group) >= attempts]
        if counts:
            solved = [pass_at_k(n, c, attempts) for n, c in counts]
            metrics[f"eval/pass_at_{attempts}"] = _mean(solved)
            metrics |= _ends(f"eval/pass_at_{attempts}", wilson(math.fsum(solved), len(solved)))
    return metrics


def _ends(name: str, interval: tuple[float, float] | None) -> dict[str, float]:
    return {} if interval is None else {f"{name}_low": interval[0], f"{name}_high": interval[1]}


def _styles(task: Styled, samples: Sequence[Sequence[Answer]]) -> JsonObject:
    scored = [answer for group in samples for answer in group if answer.value is not None]
    chosen = {"eval/styles": scored, "eval/correct_styles": [a for a in scored if a.correct]}
    counts = {name: Counter(task.style(a.completion) for a in some) for name, some in chosen.items() if some}
    return {name: {style: n / c.total() for style, n in sorted(c.items())} for name, c in counts.items()}


def _version(answers: Sequence[Answer]) -> int:
    """The version of the weights that answered; a mean over two versions would evaluate neither."""
    sampled = [answer.trajectory for answer in answers if answer.trajectory.action_T.any()]
    if not sampled:  # every environment failed before the first turn
        return 0
    stamps = sorted({(t.version, t.digest) for t in sampled})
    require(
        len(stamps) == 1,
        f"the engine took new weights while it was measured: versions {[version for version, _ in stamps]}",
        where="evaluate",
        hint="measure with an engine that nothing else loads weights into",
    )
    return stamps[0][0]


def _record(answer: Answer, task: Task, decode: Decode) -> JsonObject:
    text = answer.episode.prompt.text
    prompt = text if isinstance(text, str) else "\n".join(f"{m['role']}: {m['content']}" for m in text)
    record = {"prompt": prompt, "completion": answer.completion, "reward": answer.value}
    stop = {"stop": answer.trajectory.info["stop"]} if "stop" in answer.trajectory.info else {}
    style = {"style": task.style(answer.completion)} if isinstance(task, Styled) else {}
    turns = turns_of(answer.trajectory, decode) if isinstance(task, Interactive) else []
    spoken = {"turns": [{"by": turn.by, "text": turn.text} for turn in turns]} if turns else {}
    return record | _said(answer.score) | {"version": answer.trajectory.version} | stop | style | spoken


def _said(score: Score) -> JsonObject:
    """What a person needs to judge the reward: what was read as the answer, the parts of a sum, and what failed."""
    parts = {"parts": dict(score.parts)} if score.parts else {}
    return reading_of(score) | parts | ({} if score.error is None else {"error": score.error})


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
