"""Llama 3's rounds on sums that a model mostly guesses: do rounds and the picked replies make a better model?

The model ships with the package and works a sum out now and then (`worlds.worked_sums`). A preference is programmatic:
of two samples of a model, the right one is chosen, and of equal ones neither. In each of the rounds the newest model
writes two replies to each of the round's prompts, which are compared; a reward model is fitted, from the base model, on
all pairs so far; of 8 more replies to each prompt it keeps the best; the base model is fine-tuned on what was kept,
then by DPO on the round's pairs, with 0.2 times the likelihood of what was chosen and the end token masked out.

Arms: llama3; no-rejection, where the first reply that ended is kept unseen; one-round; start, the base model. In the
control llama3-off who is preferred is drawn by lot. The mean of weights of several runs and RL are left out.

`reward` is the share of right answers in samples for held-out prompts, `imitated` the same after the last round's SFT,
before its DPO; `picked` the share of right ones among the replies that the last round imitates, and `pairs` how many
pairs its reward model was fitted on; `least_rise` is the smallest gain of a round.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from steelyard.core import Episode, Group, Prompt, Sampling, Score, Weights, derive, rng
from steelyard.data import Question, RejectionSampling, Tools, records_of
from steelyard.data.judges import RewardJudge
from steelyard.data.writer import PolicyWriter
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.learner import demonstration
from steelyard.objective import DPO, SFT, Objective, WithChosenLikelihood
from steelyard.policy import Policy
from steelyard.policy.copied import copied
from steelyard.policy.reference import reference_logp
from steelyard.pretrain.format_tokens import format_ids, without_format
from steelyard.pretrain.held_out_pairs import given_pair
from steelyard.reward.scorer import Said, Scorer, scores
from steelyard.task import Arithmetic
from steelyard.task.preferences import Preference
from steelyard.training.pair_fit import PairFit
from steelyard.worlds.fine_tuned import fine_tuned
from steelyard.worlds.sync_loop import moved
from steelyard.worlds.worked_sums import WORLD

BATCH = 32
REWARD_RATE = 1e-3


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    rounds: int = 2
    prompts: int = 128
    """Prompts of a round, others in each."""
    samples: int = 8
    """K."""
    reward_steps: int = 80
    tuned_steps: int = 60
    """Of SFT; each on 32 rows."""
    preferred_steps: int = 15
    """Of DPO; a round has fewer than a hundred pairs, and more steps learn too much of them."""
    preferred_rate: float = 0.1
    """Of DPO, as a share of the arm's learning rate."""


@dataclass(frozen=True)
class Herd:
    """What an arm does."""

    rounds: int | None = None
    """None for those of the setting."""
    pick: bool = True
    """Whether the reward model picks the reply to imitate."""
    by_lot: bool = False
    """Whether preferences are drawn by lot."""


ARMS = {
    "llama3": Herd(),
    "llama3-off": Herd(by_lot=True),
    "start": Herd(rounds=0),
    "no-rejection": Herd(pick=False),
    "one-round": Herd(rounds=1),
}


@dataclass(frozen=True)
class Scored:
    """The sums, rewarded by a reward model."""

    sums: Arithmetic
    scorer: Scorer

    def prompts(self, split: str) -> Sequence[Prompt]:
        """The sums."""
        return self.sums.prompts(split)

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """What the reward model says; None where it cannot read."""
        said = [Said(e.prompt.text, e.completion, e.trajectory.finish == "stop") for e in episodes]
        return [Score(value if isinstance(value, float) else None) for value in scores(self.scorer, said)]


def quality(prompt: Prompt, reply: str) -> float:
    """1 where what stands after the last `=` is the sum, else 0."""
    tail = f"{prompt.text}{reply}".rpartition("=")[2]
    return float(tail == str(prompt.columns["answer"]))


@dataclass
class Rounds:
    """The rounds of an arm."""

    herd: Herd
    setting: Setting
    sums: Arithmetic
    start: Policy
    seed: int
    rate: float
    pairs: list[Preference] = field(default_factory=list)
    """All preference data so far."""
    rewards: list[float] = field(default_factory=list)
    """Held-out reward before the first round and after each."""
    imitated_reward: float = 0.0
    """Of the model after the last SFT."""
    picked: float = 0.0
    """Share of right ones among the replies that the last SFT imitates."""
    steps: int = 0

    def run(self) -> Policy:
        """All rounds; returns the last model."""
        policy = self.start
        self.rewards.append(self.measured(policy))
        rounds = self.setting.rounds if self.herd.rounds is None else self.herd.rounds
        for r in range(rounds):
            policy = self.round(policy, r)
            self.rewards.append(self.measured(policy))
        return policy

    def round(self, policy: Policy, r: int) -> Policy:
        """One of them, with the newest model; returns the next."""
        new = self.compared(policy, self.asked(r), r)
        self.pairs += new
        kept = self.kept(policy, self.reward_model(), r)
        self.picked = float(np.mean([quality(*one) for one in kept]))
        setting = self.setting
        sft = self.tuned(self.start, SFT(), self.imitated(kept), setting.tuned_steps, self.rate, f"sft {r}")
        self.imitated_reward = self.measured(sft)
        pairs = self.contrasted(sft, new)
        rate = setting.preferred_rate * self.rate
        return self.tuned(sft, self.objective, pairs, setting.preferred_steps, rate, f"dpo {r}")

    def asked(self, r: int) -> Sequence[Prompt]:
        """The prompts of a round."""
        prompts = self.sums.prompts("train")
        return [prompts[i % len(prompts)] for i in range(r * self.setting.prompts, (r + 1) * self.setting.prompts)]

    def compared(self, policy: Policy, prompts: Sequence[Prompt], r: int) -> list[Preference]:
        """Two replies to each prompt, the better one chosen; those that are equally good are left out."""
        said = self.written(policy, prompts, 2, f"compared {r}")
        draws = rng(self.seed, "lot", r)
        found: list[Preference] = []
        for prompt, (one, other) in zip(prompts, said, strict=True):
            apart = quality(prompt, one) - quality(prompt, other)
            if self.herd.by_lot:
                apart *= -1 if draws.random() < 0.5 else 1
            if apart:
                chosen, rejected = (one, other) if apart > 0 else (other, one)
                found.append(Preference(prompt, chosen, rejected))
        return found

    def written(self, policy: Policy, prompts: Sequence[Prompt], samples: int, what: str) -> list[list[str]]:
        """So many replies to each prompt."""
        questions = [Question(str(p.text), (what, p.id), k) for p in prompts for k in range(samples)]
        said = self.writer(policy)(questions, self.seed)
        return [said[i : i + samples] for i in range(0, len(said), samples)]

    def writer(self, policy: Policy) -> PolicyWriter:
        """Who writes replies by the weights as they are."""
        return PolicyWriter(copied(policy), "policy", Sampling(1.0, WORLD.max_tokens))

    def reward_model(self) -> Scorer:
        """A reward model of all preference data so far, which begins as the start; nobody asks it where none picks."""
        with tempfile.TemporaryDirectory() as place:
            self.start.save(Path(place) / "start")
            scorer = Scorer.load(str(Path(place) / "start"), new_head=self.seed)
        if self.herd.pick:
            held = self.pairs[:2]  # none is measured here, and calibration changes no order
            fit = PairFit(scorer, self.pairs, held, REWARD_RATE, BATCH, 0.01, self.seed)
            fit.begin(self.setting.reward_steps).run()
        return scorer

    def kept(self, policy: Policy, scorer: Scorer, r: int) -> list[tuple[Prompt, str]]:
        """Rejection sampling: the reply that the reward model scores highest, or the first that ended."""
        samples = self.setting.samples if self.herd.pick else 1
        reward = Scored(self.sums, scorer).score
        judge = RewardJudge("reward model", reward)
        asked = {str(prompt.text): prompt for prompt in self.asked(r)}
        records = records_of((f"row {i}", {"prompt": text}) for i, text in enumerate(asked))
        tools = Tools(derive(self.seed, "kept", r), self.writer(policy), judge)
        built = RejectionSampling(samples=samples).build(records, records, tools)
        return [(asked[record.fields["prompt"]], record.fields["answer"]) for record in built]

    def imitated(self, kept: Sequence[tuple[Prompt, str]]) -> list[Group]:
        """What is imitated."""
        return [[demonstration(self.start, prompt, answer)] for prompt, answer in kept]

    def contrasted(self, policy: Policy, pairs: Sequence[Preference]) -> list[Group]:
        """What DPO learns from, with the log-probabilities of its start."""
        reference = Weights.of(policy.weights(), 0)
        ids = format_ids(policy)
        made = [without_format(given_pair(policy, pair), ids) for pair in pairs]
        return [reference_logp(policy, reference, pair, 1.0) for pair in made]

    @property
    def objective(self) -> Objective:
        """DPO with the likelihood of what was chosen."""
        return WithChosenLikelihood(DPO(0.1), 0.2)

    def tuned(
        self, policy: Policy, objective: Objective, groups: Sequence[Group], steps: int, rate: float, what: str
    ) -> Policy:
        """The policy after a stage."""
        self.steps += steps
        draws = rng(self.seed, what)
        return fine_tuned(policy, objective, groups, draws, steps=steps, batch=BATCH, learning_rate=rate)

    def measured(self, policy: Policy) -> float:
        """The share of right answers in three samples for each held-out prompt."""
        prompts = self.sums.prompts("held-out")
        said = self.written(policy, prompts, 3, "measured")
        return float(
            np.mean([quality(p, reply) for p, replies in zip(prompts, said, strict=True) for reply in replies])
        )


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Herd]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Every arm from the shipped model."""
    sums: Arithmetic = WORLD.task(seed)
    start = WORLD.base(sums, seed)
    for arm in arms:
        rounds = Rounds(arm.settings, setting, sums, start, seed, arm.rate)
        policy = rounds.run()
        rises = np.diff(rounds.rewards)
        found = {"reward": rounds.rewards[-1], "imitated": rounds.imitated_reward, "picked": rounds.picked}
        found |= {"least_rise": float(rises.min())} if len(rises) else {}
        yield (
            arm.name,
            {
                **found,
                "pairs": float(len(rounds.pairs)),
                "parameters": float(policy.num_parameters()),
                "tokens": float(rounds.steps * BATCH * WORLD.max_tokens),
                "moved": moved(start, policy),
            },
        )


PROOF = Proof(
    proves=("rejection-sampling",),
    ours="llama3",
    control="llama3-off",
    equal="base model, prompts of each round, samples of a prompt, steps of each stage, rows in a step, learning rate",
    claims=(
        Claim("Its rounds raise the share of right answers by 30 points", "reward", "start", 0.3),
        Claim("They are 5 points above one round", "reward", "one-round", 0.05),
        Claim("What imitates picked replies is 20 points above what imitates replies that nobody picked", "imitated",
              "no-rejection", 0.2, kind="ablation"),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(prompts=64, samples=4, reward_steps=60, tuned_steps=30),
    rates=dict.fromkeys((name for name in ARMS if name != "start"), 3e-4),
    first_seed=20,
    seeds=4,
)  # fmt: skip
