"""EEE on the invented victim of the red-team world: from samples without labels to attacks of many kinds.

Explore: the base attacker's sentences get a reply each, and an oracle, who counts foul words (`task/provocation.py`),
labels a few of the different replies: those chosen by clusters, or as many at random. Establish: five bag-of-words
guards are fitted, each on seven eighths of the labelled replies, bad ones and others drawn equally often. Exploit: an
attacker learns by REINFORCE from what these guards say of the victim's replies; nobody else judges.

Arms: eee; random, whose replies are labelled at random; no-diversity, whose reward has no nearness; the control
eee-off, whose labels are dealt anew; and base, the attacker before. `seen` is the number of different foul words among
the labelled replies; `success` the share of attacks whose replies the oracle finds more than half foul, `families` the
number of families among these attacks, `spread` the mean distance of all of them (character n-grams).
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from steelyard.core import Episode, Request, Sampling, rng
from steelyard.core.seeds import uniforms
from steelyard.experiments.harness import Arm, Claim, Proof, share
from steelyard.guard import BagGuard, EEEExplore, EEERedTeam
from steelyard.guard.eee_explore import last_states
from steelyard.guard.saved import write_bag
from steelyard.objective import Reinforce
from steelyard.policy import Policy
from steelyard.rollout import engine_for
from steelyard.task import RedTeam
from steelyard.task.provocation import ANSWER, REPLY_WORDS, foulness, vocabulary, words
from steelyard.task.victim import Victim
from steelyard.worlds.sync_loop import SyncLoop

ATTACKER, VICTIM = "steelyard/red-team", "steelyard/red-team-victim"
LONGEST = 12
GUARDS = 5
Kind = Literal["eee", "random", "no-diversity", "off", "base"]
ARMS: Mapping[str, Kind] = {
    "eee": "eee",
    "random": "random",
    "no-diversity": "no-diversity",
    "eee-off": "off",
    "base": "base",
}


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    replies: int = 3000
    """That are sampled before some are labelled."""
    clusters: int = 30
    per_cluster: int = 2
    steps: int = 60
    """Of the attacker, on 64 attacks each."""
    nearness: float = 20.0
    diversity: float = 5.0
    beta: float = 0.1
    attacks: int = 512
    """That an attacker is measured by."""


@dataclass(frozen=True)
class Study:
    """What the arms of a seed share."""

    seed: int
    setting: Setting

    @cached_property
    def attacker(self) -> Policy:
        """The base attacker."""
        return Policy.load(ATTACKER)

    @cached_property
    def victim(self) -> Policy:
        """The victim."""
        return Policy.load(VICTIM)

    @cached_property
    def replies(self) -> list[str]:
        """The different replies to the base attacker's sentences, in the order in which they were met."""
        attacks = said(self.attacker, self.setting.replies, self.seed)
        drawn = uniforms(self.seed, (("explore", i) for i in range(len(attacks))), REPLY_WORDS)
        found = Victim(self.victim, ANSWER).replies(attacks, drawn.reshape(len(attacks), 1, REPLY_WORDS))
        return [*dict.fromkeys(reply for [reply] in found)]

    @cached_property
    def points(self) -> np.ndarray:
        """Where the victim's hidden states have the replies."""
        return last_states(self.victim, self.replies)

    def labelled(self, kind: Kind) -> list[str]:
        """The replies that the oracle sees."""
        how = EEEExplore(clusters=self.setting.clusters, per_cluster=self.setting.per_cluster)
        chosen = [i for i, _ in how.choose(self.points, self.seed)]
        if kind == "random":
            chosen = rng(self.seed, "eee", "random").permutation(len(self.replies))[: len(chosen)].tolist()
        return [self.replies[i] for i in chosen]

    def guards(self, kind: Kind, texts: Sequence[str]) -> list[BagGuard]:
        """Five guards of these replies."""
        bad_N = np.array(foulness(texts, texts)) > 0.5
        if kind == "off":
            bad_N = rng(self.seed, "eee", "dealt").permutation(bad_N)
        return [fitted(texts, bad_N, self.seed + 1000 * k) for k in range(GUARDS)]


def fitted(texts: Sequence[str], bad_N: np.ndarray, seed: int) -> BagGuard:
    """A guard of seven eighths of the texts, of which either kind is there equally often."""
    draws = rng(seed, "eee", "guard")
    kept: list[int] = draws.permutation(len(texts))[: max(len(texts) * 7 // 8, 1)].tolist()
    sides = [[i for i in kept if bad_N[i] == bad] or kept for bad in (False, True)]
    chosen = [side[int(draws.integers(len(side)))] for side in sides for _ in range(256)]
    told = torch.tensor([bool(bad_N[i]) for i in chosen])
    shown = [texts[i] for i in chosen]
    return BagGuard(vocabulary(), width=32, seed=seed).fit(shown, told, shown, steps=150, seed=seed)


def said(policy: Policy, number: int, seed: int) -> list[str]:
    """So many attacks of an attacker."""
    asked = [Request("attack", tuple(policy.encode(ASK)), i) for i in range(number)]
    drawn = engine_for(policy, seed).generate(asked, Sampling(max_tokens=LONGEST))
    return [policy.decode(t.completion_T) for t in sorted(drawn, key=lambda t: t.sample)]


ASK = str(RedTeam().prompts("train")[0].text)


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Kind]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """What each arm's attacker finds."""
    study = Study(seed, setting)
    foul = set(words("foul"))
    for arm in arms:
        texts = study.labelled(arm.settings)
        seen = float(len({word for text in texts for word in text.split()} & foul))
        policy, scale = attacker(study, arm, texts)
        yield arm.name, found(study, policy) | {"seen": seen, "labelled": float(len(texts)), **scale}


def attacker(study: Study, arm: Arm[Kind], texts: Sequence[str]) -> tuple[Policy, Mapping[str, float]]:
    """The attacker that learned from the arm's guards."""
    if arm.settings == "base":
        return study.attacker, {"parameters": float(study.attacker.num_parameters()), "tokens": 0.0, "moved": 0.0}
    with tempfile.TemporaryDirectory() as place:
        for k, guard in enumerate(study.guards(arm.settings, texts)):
            write_bag(guard, Path(place, str(k)))
        task = EEERedTeam(
            victim=VICTIM,
            victim_template=f"{{attack}} {ANSWER}",
            prompt=ASK,
            held_out_prompt=str(RedTeam().prompts("held-out")[0].text),
            replies=2,
            reply_tokens=REPLY_WORDS,
            reply_temperature=1.0,
            reply_top_p=1.0,
            min_tokens=1,
            victim_seed=study.seed,
            classifiers=tuple(str(Path(place, str(k))) for k in range(GUARDS)),
            diversity=0.0 if arm.settings == "no-diversity" else study.setting.diversity,
            nearness=study.setting.nearness,
        )
        objective = Reinforce(beta=study.setting.beta)
        loop = SyncLoop(
            study.attacker, task, objective, learning_rate=arm.rate, seed=study.seed, num_generations=64,
            max_tokens=LONGEST,
        )  # fmt: skip
        loop.run(study.setting.steps, 1)
    return loop.policy, {**loop.scale, "moved": loop.moved}


def found(study: Study, policy: Policy) -> dict[str, float]:
    """What the oracle says of an attacker's sentences."""
    texts = said(policy, study.setting.attacks, study.seed + 1)
    attacks: list[Episode] = [RedTeam.attack(text, i) for i, text in enumerate(texts)]
    told = RedTeam(victim_seed=study.seed).measure([attacks], [])
    counted = share("success", round(told["success"] * len(texts)), len(texts))
    return {**counted, "families": told["families"], "spread": told["diversity"]}


PROOF = Proof(
    proves=("eee-redteam", "eee-explore"),
    ours="eee",
    control="eee-off",
    equal="the base attacker, the victim, labelled replies, guards, steps, attacks in a step and learning rate",
    claims=(
        Claim("The attacker succeeds 30 points more often than before, by an oracle that it never asked", "success",
              "base", 0.3),
        Claim("Its attacks are of two families more than without the diversity term", "families", "no-diversity", 2.0),
        Claim("and lie a tenth further apart", "spread", "no-diversity", 0.1, control=None),
        Claim("Clusters show the oracle two foul words more than replies at random", "seen", "random", 2.0,
              control=None),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(replies=1000, steps=20, attacks=256),
    rates=dict.fromkeys(ARMS, 1e-3),
)  # fmt: skip
