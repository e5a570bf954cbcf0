"""Llama 3's rounds on letters to repeat: do rounds and the picked replies make a better model?

The world is `loophole`, asked for gold quality alone: the base model repeats four letters, or writes them backwards,
right in six places of ten. A preference is programmatic: of two samples of a model, the one with more right places is
chosen, and of equal ones neither. In each of the rounds the newest model writes two replies to each of the round's
prompts, which are compared; a reward model is fitted, from the base model, on all pairs so far; of 8 more replies to
each prompt it keeps the best; the base model is fine-tuned on what was kept, then by DPO on the round's pairs.

Arms: llama3 (0.2 times the likelihood of what was chosen, the end token masked out of DPO); plain-dpo, without both;
no-rejection, where the first reply that ended is kept unseen; one-round; start, the base model. In the control
llama3-off who is preferred is drawn by lot. The mean of weights of several runs and RL are left out.

`reward` is the share of right places in samples for held-out prompts, `imitated` the same after the last round's SFT,
before its DPO; `least_rise` the smallest gain of a round, `chosen_logp` what the last DPO added to the log-probability
of held-out preferred replies (nats), `overlong` the share of samples that go on after four letters.
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
from steelyard.experiments.harness import Arm, Claim, Proof, share
from steelyard.learner import demonstration
from steelyard.objective import DPO, SFT, Objective, WithChosenLikelihood
from steelyard.policy import Policy
from steelyard.policy.copied import copied
from steelyard.policy.reference import reference_logp
from steelyard.pretrain.format_tokens import format_ids, without_format
from steelyard.pretrain.held_out_pairs import given_pair, pair_logp
from steelyard.reward.scorer import Said, Scorer, scores
from steelyard.task.preferences import Preference
from steelyard.training.pair_fit import PairFit
from steelyard.worlds.fine_tuned import fine_tuned
from steelyard.worlds.loophole import PLACES, Loophole, base, right
from steelyard.worlds.sync_loop import moved

LONGEST = PLACES + 2
"""Tokens of a completion: four letters, one too many, the end."""
BATCH = 32
REWARD_RATE = 1e-3
HELD_OUT_PAIRS = 64


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    imitation: int = 500
    """Steps of the base model."""
    rounds: int = 3
    prompts: int = 256
    """Prompts of a round, others in each."""
    samples: int = 8
    """K."""
    reward_steps: int = 100
    tuned_steps: int = 60
    """Of SFT, and of DPO; each on 32 rows."""


@dataclass(frozen=True)
class Herd:
    """What an arm does."""

    rounds: int | None = None
    """None for those of the setting."""
    pick: bool = True
    """Whether the reward model picks the reply to imitate."""
    nll_weight: float = 0.2
    masked: bool = True
    by_lot: bool = False
    """Whether preferences are drawn by lot."""


ARMS = {
    "llama3": Herd(),
    "llama3-off": Herd(by_lot=True),
    "start": Herd(rounds=0),
    "plain-dpo": Herd(nll_weight=0.0, masked=False),
    "no-rejection": Herd(pick=False),
    "one-round": Herd(rounds=1),
}


@dataclass(frozen=True)
class Scored:
    """The letters, rewarded by a reward model."""

    letters: Loophole
    scorer: Scorer

    def prompts(self, split: str) -> Sequence[Prompt]:
        """The letters."""
        return self.letters.prompts(split)

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """What the reward model says; None where it cannot read."""
        said = [Said(e.prompt.text, e.completion, e.trajectory.finish == "stop") for e in episodes]
        return [Score(value if isinstance(value, float) else None) for value in scores(self.scorer, said)]


def quality(prompt: Prompt, reply: str) -> float:
    """The share of right places."""
    return right(reply, prompt.columns["answer"]) / PLACES


@dataclass
class Rounds:
    """The rounds of an arm."""

    herd: Herd
    setting: Setting
    letters: Loophole
    start: Policy
    seed: int
    rate: float
    pairs: list[Preference] = field(default_factory=list)
    """All preference data so far."""
    rewards: list[float] = field(default_factory=list)
    """Held-out reward before the first round and after each."""
    chosen_logp: float = 0.0
    imitated_reward: float = 0.0
    """Of the model after the last SFT."""
    steps: int = 0

    def run(self) -> Policy:
        """All rounds; returns the last model."""
        policy = self.start
        self.rewards.append(self.measured(policy)["reward"])
        rounds = self.setting.rounds if self.herd.rounds is None else self.herd.rounds
        for r in range(rounds):
            policy = self.round(policy, r)
            self.rewards.append(self.measured(policy)["reward"])
        return policy

    def round(self, policy: Policy, r: int) -> Policy:
        """One of them, with the newest model; returns the next."""
        new = self.compared(policy, self.asked(r), r)
        self.pairs += new
        kept = self.kept(policy, self.reward_model(), r)
        sft = self.tuned(self.start, SFT(), self.imitated(kept), f"sft {r}")
        self.imitated_reward = self.measured(sft)["reward"]
        before = pair_logp(sft, self.held_out_pairs)
        dpo = self.tuned(sft, self.objective, self.contrasted(sft, new), f"dpo {r}")
        after = pair_logp(dpo, self.held_out_pairs)
        self.chosen_logp = float((after - before)[:, 0].mean())
        return dpo

    def asked(self, r: int) -> Sequence[Prompt]:
        """The prompts of a round."""
        prompts = self.letters.prompts("train")
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
        return PolicyWriter(copied(policy), "policy", Sampling(1.0, LONGEST))

    def reward_model(self) -> Scorer:
        """A reward model of all preference data so far, which begins as the start."""
        with tempfile.TemporaryDirectory() as place:
            self.start.save(Path(place) / "start")
            scorer = Scorer.load(str(Path(place) / "start"), new_head=self.seed)
        held = self.pairs[:2]  # none is measured here, and calibration changes no order
        PairFit(scorer, self.pairs, held, REWARD_RATE, BATCH, 0.01, self.seed).begin(self.setting.reward_steps).run()
        return scorer

    def kept(self, policy: Policy, scorer: Scorer, r: int) -> list[tuple[Prompt, str]]:
        """Rejection sampling: the reply that the reward model scores highest, or the first that ended."""
        samples = self.setting.samples if self.herd.pick else 1
        reward = Scored(self.letters, scorer).score
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
        ids = format_ids(policy) if self.herd.masked else frozenset[int]()
        made = [without_format(given_pair(policy, pair), ids) for pair in pairs]
        return [reference_logp(policy, reference, pair, 1.0) for pair in made]

    @property
    def objective(self) -> Objective:
        """DPO, with the likelihood of what was chosen where the arm has it."""
        weight = self.herd.nll_weight
        return WithChosenLikelihood(DPO(0.1), weight) if weight else DPO(0.1)

    def tuned(self, policy: Policy, objective: Objective, groups: Sequence[Group], what: str) -> Policy:
        """The policy after a stage."""
        steps = {"steps": self.setting.tuned_steps, "batch": BATCH, "learning_rate": self.rate}
        self.steps += self.setting.tuned_steps
        return fine_tuned(policy, objective, groups, rng(self.seed, what), **steps)

    @property
    def held_out_pairs(self) -> list[Preference]:
        """The gold reply against one with a wrong place, of held-out prompts."""
        asked = self.letters.prompts("held-out")[:HELD_OUT_PAIRS]
        return [Preference(p, p.columns["answer"], p.columns["baseline"]) for p in asked]

    def measured(self, policy: Policy) -> dict[str, float]:
        """By four samples for each held-out prompt."""
        prompts = self.letters.prompts("held-out")
        said = self.written(policy, prompts, 4, "measured")
        good = [quality(prompt, reply) for prompt, replies in zip(prompts, said, strict=True) for reply in replies]
        long = sum(len(reply) > PLACES for replies in said for reply in replies)
        return {"reward": float(np.mean(good)), **share("overlong", long, len(good))}


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Herd]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The base model, and every arm from there."""
    letters = Loophole(data_seed=seed)
    start = base(letters, seed, setting.imitation)
    for arm in arms:
        rounds = Rounds(arm.settings, setting, letters, start, seed, arm.rate)
        policy = rounds.run()
        rises = np.diff(rounds.rewards)
        found = {**rounds.measured(policy), "chosen_logp": rounds.chosen_logp, "imitated": rounds.imitated_reward}
        found |= {"least_rise": float(rises.min())} if len(rises) else {}
        tokens = float(rounds.steps * BATCH * LONGEST)
        yield arm.name, {
            **found, "parameters": float(policy.num_parameters()), "tokens": tokens, "moved": moved(start, policy)
        }  # fmt: skip


PROOF = Proof(
    proves=("rejection-sampling",),
    ours="llama3",
    control="llama3-off",
    equal="base model, prompts of each round, samples of a prompt, steps of each stage, rows in a step, learning rate",
    claims=(
        Claim("Its rounds raise the share of right places by 15 points", "reward", "start", 0.15),
        Claim("They are 3 points above one round", "reward", "one-round", 0.03),
        Claim("What imitates picked replies is 2 points above what imitates replies that nobody picked", "imitated",
              "no-rejection", 0.02, kind="ablation"),
        Claim("Likelihood and mask are worth 3 points over plain DPO", "reward", "plain-dpo", 0.03, control=None,
              kind="ablation"),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(imitation=350, rounds=2, prompts=128, samples=4, reward_steps=60, tuned_steps=30),
    rates=dict.fromkeys((name for name in ARMS if name != "start"), 1e-3),
    seeds=4,
)  # fmt: skip
