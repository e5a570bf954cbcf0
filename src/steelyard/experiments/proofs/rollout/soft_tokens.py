"""Soft tokens on sums that a model mostly guesses: is it as good in words at one try, and more diverse?

The model ships with the package and works a sum out now and then (`worlds.worked_sums`). Arms learn by RLOO from as
many samples of the same sums: in words (`hard`), or after a thought of two soft tokens (`soft`). The control is `soft`
with the rewards of each prompt dealt out at random (`soft-off`); `start` learns nothing. All are measured in words, as
the paper would deploy them: `accuracy` of greedy answers, `pass8`, the share of sums of which one in 8 samples is
right, `distinct`, how many different right answers are among the 8, and `nll`, nats a token that the start's own
samples of other sums cost: what was preserved. After learning in words one in 8 samples is always right, so that pass@k
has no room here; `distinct` has.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from steelyard.core import Engine, Group, Prompt, Sampling, Trajectory, Weights, rng
from steelyard.eval import evaluate
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.learner import Adam, Learner
from steelyard.learner.soft_learner import SoftLearner
from steelyard.objective import RLOO
from steelyard.policy import Policy
from steelyard.policy.copied import copied
from steelyard.policy.reference import reference_logp
from steelyard.policy.soft_inputs import root_mean_square
from steelyard.rollout import Codec, Episodes, SoftTokens, engine_for
from steelyard.rollout.soft_engine import SoftEngine
from steelyard.task import Arithmetic
from steelyard.training.fresh_samples import FreshSamples, present
from steelyard.worlds.sync_loop import moved
from steelyard.worlds.worked_sums import WORLD

STEPS = 2
"""Of a thought. In six the model ends a guess, and no sample is right that it could learn from."""


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    steps: int = 80
    prompts: int = 8
    """Sums in a step."""
    samples: int = 16
    measured: int = 128
    """Held-out sums, 8 samples of each."""


@dataclass(frozen=True)
class Way:
    """How an arm thinks, and what it is told."""

    soft: SoftTokens | None = None
    """None in words."""
    shuffled: bool = False
    """Rewards are dealt out at random within each prompt."""
    learns: bool = True


ARMS: Mapping[str, Way] = {
    "start": Way(learns=False),
    "hard": Way(),
    "soft": Way(SoftTokens(STEPS)),
    "soft-off": Way(SoftTokens(STEPS), shuffled=True),
}


def opened(policy: Policy, way: Way, rate: float, seed: int) -> tuple[Learner, Engine, Sampling]:
    """What learns, what draws, and how."""
    optimizer = Adam(beta2=0.98)
    if way.soft is None:
        learner = Learner(policy, RLOO(), optimizer, learning_rate=rate)
        return learner, engine_for(copied(policy), seed), Sampling(max_tokens=WORLD.max_tokens)
    engine = SoftEngine(copied(policy), way.soft, way.soft.noise * root_mean_square(policy), seed)
    learner = SoftLearner(policy, RLOO(), optimizer, learning_rate=rate)
    return learner, engine, Sampling(max_tokens=WORLD.max_tokens - STEPS)


def dealt(group: Group, draws: np.random.Generator) -> Group:
    """The same samples, with their rewards in another order."""
    order = draws.permutation(len(group))
    return [t.replace(reward=group[i].reward) for t, i in zip(group, order, strict=True)]


def nll_of(policy: Policy, said: list[Trajectory]) -> float:
    """Nats a token of given samples."""
    referred = reference_logp(policy, Weights.of(policy.weights(), 1), said, 1.0)
    return -float(np.concatenate([t.logp_ref_T[t.action_T] for t in referred if t.logp_ref_T is not None]).mean())


def said_by(policy: Policy, prompts: list[Prompt], seed: int) -> list[Trajectory]:
    """One sample of each prompt."""
    episodes = Episodes(engine_for(copied(policy), seed), Codec.of(policy))
    asked = [(prompt, 0) for prompt in prompts]
    found = [e.trajectory for e in episodes.play(asked, Sampling(max_tokens=WORLD.max_tokens))]
    return sorted(found, key=lambda t: t.prompt_id)


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Way]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Each arm from the shipped model."""
    task: Arithmetic = WORLD.task(seed)
    start = WORLD.base(task, seed)
    held = [*task.prompts("held-out")]
    before = said_by(start, held[setting.measured :], seed)
    for arm in arms:
        way = arm.settings
        learner, engine, sampling = opened(copied(start), way, arm.rate, seed)
        groups_at = FreshSamples(
            learner, engine, task.prompts("train"), task.score, sampling, setting.prompts, setting.samples, seed
        )
        draws = rng(seed, "dealt")
        tokens = 0
        for step in range(setting.steps if way.learns else 0):
            groups = groups_at(step)
            tokens += sum(len(t.tokens_T) for group in groups for t in group)
            learner.step([dealt(group, draws) for group in groups] if way.shuffled else groups)
        policy = learner.policy
        found = evaluate(
            engine_for(copied(policy), seed),
            task,
            held[: setting.measured],
            policy.encode,
            policy.decode,
            sampling=Sampling(max_tokens=WORLD.max_tokens),
            samples_per_prompt=8,
            weights=present(learner),
        ).metrics
        yield (
            arm.name,
            {
                "accuracy": found["eval/accuracy"],
                "pass1": found["eval/pass_at_1"],
                "pass8": found["eval/pass_at_8"],
                "distinct": found["eval/distinct_correct"],
                "nll": nll_of(policy, before),
                "moved": moved(start, policy),
                "parameters": float(policy.num_parameters()),
                "tokens": float(tokens),
            },
        )


PROOF = Proof(
    proves=("soft-tokens",),
    ours="soft",
    control="soft-off",
    equal="the base model, sums, samples, steps, objective, optimizer; in words, at the end, all are measured alike",
    claims=(
        Claim("Soft thoughts make greedy answers in words 20 points better than they were", "accuracy", "start", 0.2),
        Claim("They are not worse by 3 points than learning in words", "accuracy", "hard", -0.03),
        Claim("In 8 samples .2 more different right answers are found than after learning in words", "distinct", "hard",
              0.2, control=None),
        Claim("What the start would say costs 0.05 nats a token less than after learning in words", "nll", "hard", 0.05,
              lower_is_better=True, control=None),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(steps=20),
    rates={"start": 3e-4, "hard": 3e-4, "soft": 3e-4, "soft-off": 3e-4},
    seeds=4,
)  # fmt: skip
