"""Data Mixing Agent on codes of eight alphabets: a mixture learned on a small proxy, used on a larger model.

The base model knows seven codes, the sources, and has habits in place of the eighth, the target: few rows teach it that
one, as many as are not spent on what it knows, and where all are spent on it the others are forgotten. A proxy of one
layer is fine-tuned in short runs on shares drawn at random; the agent is fitted on these (`pretrain/mixing_fit.py`).
Then each arm fine-tunes the base model of two layers, twice as wide, on as many rows, by shares that the agent gives
(agent), that are equal (uniform), that are all the target's (target-only), or that are fixed, the mean over the best
fifth of the proxy's runs (search, one step of the cross-entropy method). The control is an agent fitted on runs whose
losses were exchanged, so that shares say nothing about them. A run of the proxy has as many steps as an arm.

Half of the held-out problems tell proxies and arms their losses, the other half measure. `left` is the share of loss
that is left at the end, the mean of target and sources: 1 - S of the agent's own equation; `target_left` is the
target's alone; `source_share` the share of rows that were sources. The proxy's runs are not counted as steps, as the
paper does not count them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Literal

import numpy as np
from jaxtyping import Float64

from steelyard.core import Prompt, Trajectory, derive, rng
from steelyard.curriculum import DataMixingAgent
from steelyard.curriculum.arms import Arms
from steelyard.curriculum.data_mixing_agent import DataMixingDraws
from steelyard.curriculum.mixing_agent import Mixer, MixingAgent, Numbers, scores
from steelyard.curriculum.skill_graph import Losses
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.experiments.proofs.curriculum.skill_it import means
from steelyard.learner import Adam, Learner, demonstration
from steelyard.objective import SFT
from steelyard.policy import Policy
from steelyard.pretrain.drawn_rows import DrawnRows
from steelyard.pretrain.mixing_fit import ActorCritic, MixedRun, MixingFit, best_of
from steelyard.pretrain.mixing_runs import Proxies
from steelyard.pretrain.skill_it_tuning import told_losses
from steelyard.worlds.habits import CHARACTERS, Habits, base
from steelyard.worlds.sync_loop import copied, imitate, moved, tiny_policy

Mixture = Literal["agent", "exchanged", "uniform", "target", "search"]
ARMS: Mapping[str, Mixture] = {
    "agent": "agent",
    "uniform": "uniform",
    "target-only": "target",
    "search": "search",
    "agent-off": "exchanged",
}
RATE = 3e-3
"""Of the proxy's runs."""
WORLD = Habits(shares=(0.99,) * 7 + (0.05,))


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    world: Habits
    """Its last domain is the target."""
    fit: MixingFit = field(default_factory=MixingFit)
    runs: int = 80
    """Runs of the proxy."""
    rounds: int = 6
    """Rounds of each, and of an arm."""
    short: int = 4
    """Steps of a round of the proxy."""
    steps: int = 4
    """Steps of a round of an arm."""
    repeats: int = 8
    """Fine-tunings of an arm, each with other draws; what is reported is their mean."""
    rows: int = 4
    """Problems in a step: so few that a domain learns by its rows, and not by steps."""


@dataclass(frozen=True)
class Fixed:
    """The same shares in every round."""

    share_D: tuple[float, ...]

    def shares(self, shares: Numbers, losses: Numbers, target_D: Float64[np.ndarray, "D"]) -> Float64[np.ndarray, "D"]:
        """These."""
        return np.array(self.share_D)


class Material:
    """The problems of a seed as rows with answers, the models, and the runs of the proxy."""

    def __init__(self, seed: int, setting: Setting) -> None:
        self.seed = seed
        self.setting = setting
        self.task = replace(setting.world, data_seed=seed)
        self.start = base(self.task, seed)
        held_out = self.task.prompts("held-out")
        self.train = self.task.prompts("train")
        self.told = held_out[::2]
        self.tested = held_out[1::2]
        every = [*self.train, *held_out]
        self._rows = {p.id: demonstration(self.start, p, self.task.demonstration(p)) for p in every}
        self.domains = len(self.task.shares)
        self.target_D = np.arange(self.domains) == self.domains - 1

    def rows(self, prompts: Sequence[Prompt]) -> list[Trajectory]:
        """The prompts with their answers: proxy and base have the same tokens."""
        return [self._rows[prompt.id] for prompt in prompts]

    def losses(self, prompts: Sequence[Prompt], policy: Policy) -> Losses:
        """The mean loss of each domain."""
        return means([1 - (t.reward or 0.0) for t in told_losses(policy, self.rows(prompts))], prompts)

    @cached_property
    def runs(self) -> list[MixedRun]:
        """What the short runs of the proxy show."""
        setting = self.setting
        proxy = small(self.task, self.seed)
        proxies = Proxies(
            lambda: Learner(copied(proxy), SFT(), Adam(beta2=0.98), learning_rate=RATE),
            self.train,
            self.rows(self.train),
            partial(self.losses, self.told),
            rounds=setting.rounds,
            steps=setting.short,
            batch_size=setting.rows,
            drift=0.3,
            seed=self.seed,
        )
        return [proxies.run(number) for number in range(setting.runs)]

    def mixer(self, mixture: Mixture) -> Mixer:
        """What gives an arm's shares."""
        target_D = self.target_D.astype(float)
        if mixture == "uniform":
            return Fixed((1 / self.domains,) * self.domains)
        if mixture == "target":
            return Fixed(tuple(target_D.tolist()))
        if mixture == "search":
            best = best_of(self.runs, target_D, self.setting.fit.best_share)
            return Fixed(tuple(np.mean([np.mean(self.runs[i].shares, 0) for i in best], 0).tolist()))
        runs = exchanged(self.runs, self.seed) if mixture == "exchanged" else self.runs
        fitting = self.setting.fit.begin(runs, target_D, self.seed)
        fitting.run()
        assert isinstance(fitting.module, ActorCritic)
        return MixingAgent(fitting.module.actor, self.setting.rounds)


def small(task: Habits, seed: int, steps: int = 400) -> Policy:
    """The proxy: one layer, half as wide as the base model, with the same lesson."""
    policy = tiny_policy(CHARACTERS, seed=derive(seed, "proxy") % 2**31, width=24, layers=1, context=16)
    imitate(policy, task.shown(12000, seed), steps=steps, batch=64, learning_rate=8e-3, seed=seed)
    return policy


def exchanged(runs: Sequence[MixedRun], seed: int) -> list[MixedRun]:
    """The runs, each with the losses of another one."""
    order = rng(seed, "exchanged").permutation(len(runs))
    return [MixedRun(run.shares, runs[other].losses) for run, other in zip(runs, order, strict=True)]


def train(material: Material, arm: Arm[Mixture], mixer: Mixer, repeat: int) -> Mapping[str, float]:
    """Fine-tune the base model on rows that the arm mixes."""
    setting = material.setting
    learner = Learner(copied(material.start), SFT(), Adam(beta2=0.98), learning_rate=arm.rate)
    course = DataMixingAgent(targets=(material.domains - 1,), round_size=setting.steps * setting.rows)
    arms = Arms(material.train, derive(material.seed, "arm", arm.name, repeat), material.told)
    draws = DataMixingDraws(course, mixer, arms, derive(material.seed, "draws", arm.name, repeat))
    rows = material.rows(material.train)
    groups_at = DrawnRows(draws, rows, setting.rows, partial(told_losses, learner.policy, material.rows(material.told)))
    before_D = material.losses(material.tested, learner.policy)
    tokens = 0
    targets = list[float]()
    for step in range(setting.steps * setting.rounds):
        groups = groups_at(step)
        learner.step(groups)
        tokens += sum(len(t.tokens_T) for group in groups for t in group)
        targets.append(float(draws.weights()[material.target_D].sum()))
    after_D = material.losses(material.tested, learner.policy)
    return {
        "left": float(1 - scores([before_D.tolist(), after_D.tolist()], material.target_D.astype(float))[-1]),
        "target_left": float(after_D[-1] / before_D[-1]),
        "source_share": 1 - float(np.mean(targets)),
        "moved": moved(material.start, learner.policy),
        "parameters": float(learner.policy.num_parameters()),
        "tokens": float(tokens),
    }


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Mixture]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """What is left of each arm's loss, after as many rows."""
    material = Material(seed, setting)
    for arm in arms:
        mixer = material.mixer(arm.settings)
        runs = [train(material, arm, mixer, repeat) for repeat in range(setting.repeats)]
        yield arm.name, {name: float(np.mean([run[name] for run in runs])) for name in runs[0]}


PROOF = Proof(
    proves=("data-mixing-agent",),
    ours="agent",
    control="agent-off",
    equal="the base model, the problems, problems in a step, steps, objective and optimizer",
    claims=(
        Claim("At as many rows a twentieth less of the loss is left than by equal shares, target and sources alike",
              "left", "uniform", 0.05, lower_is_better=True, relative=True),
        Claim("A fifth less is left than by the target alone", "left", "target-only", 0.2,
              lower_is_better=True, relative=True, control=None),
        Claim("It is not a tenth worse than fixed shares found on the same runs of the proxy", "left", "search", -0.1,
              lower_is_better=True, relative=True),
        Claim("A twentieth fewer of its rows are sources than by equal shares", "source_share", "uniform", 0.05,
              lower_is_better=True, relative=True, control=None),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(WORLD),
    quick=Setting(WORLD, MixingFit(warmup_steps=100, q_steps=300), runs=20, repeats=2),
    rates=dict.fromkeys(ARMS, 2e-3),
    first_seed=4,
    seeds=6,
)  # fmt: skip
