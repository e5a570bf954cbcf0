"""Palimpsestic, on sayings of which each is read once: is a fine-tuned copy told by the order of its forebear's data?

Alice's small model learns 2000 sayings, each of a subject of its own with one of 24 words, once and in a random order,
at a constant rate. Bob's is a copy of it that was fine-tuned on 200 others at a tenth of the rate. `query_rho` is
Spearman's rho of the query test on the model that is asked, against a reference that learned the same sayings in
another order, and `query` -log10 of its p-value; `bare` is -log10 p without a reference. With 2000 rows p is below 1e-4
where rho is above .083, and so rho is what is claimed: its mean says how surely a model is told, and that of -log10 p,
which has no upper end, only how surely the surest one is. Arms: `derived`, Bob's; `own`, Alice's; and the control, a
model that learned the same sayings in an order of its own. `off_tenth` is how far the share of p-values below .1, by
400 orders that Alice might have drawn, is from a tenth. `z` is that of the reshuffled test on 200 sayings that the
model made, against six models whose last tenth came in another order; nothing is claimed of it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Int64

from steelyard.core import Request, Sampling, Trajectory, Weights, derive, rng
from steelyard.eval.palimpsestic import document_logp, later_is_larger, rank_p, standardized
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.objective import SFT
from steelyard.policy import Policy
from steelyard.policy.copied import copied
from steelyard.pretrain.document import beginning_of, document, trajectory_of
from steelyard.rollout import engine_for
from steelyard.worlds.imitation import imitating
from steelyard.worlds.sayings import Sayings
from steelyard.worlds.sync_loop import tiny_policy

Who = Literal["derived", "own", "independent"]
ARMS: Mapping[str, Who] = {"derived": "derived", "own": "own", "independent": "independent"}
ORDERS = 400
RESHUFFLED = 6
TOLD = 0.084
"""A rho whose p-value is below 1e-4, from 2000 rows."""


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    rows: int = 2000
    more: int = 200
    """Rows of the fine-tuning."""
    tuning: float = 0.1
    """Its rate, as a share."""
    batch: int = 16
    written: int = 200
    """Sayings that a model makes."""


def harmless(text: str) -> float:
    """No score."""
    return 0.0


def trained(policy: Policy, texts: Sequence[str], order: Int64[np.ndarray, "R"], batch: int, rate: float) -> Policy:
    """A copy that has learned these texts once, in this order, at a constant rate."""
    own = copied(policy)
    rows = [trajectory_of(own, document([text], harmless)) for text in texts]
    starts = range(0, len(order), batch)
    learner = imitating(own, rate, warmup=10, steps=10**6, objective=SFT())
    for start in starts:
        learner.step([[rows[i]] for i in order[start : start + batch]])
    return learner.policy


class Archive:
    """The models of a seed."""

    def __init__(self, setting: Setting, rate: float, seed: int) -> None:
        self.setting, self.rate, self.seed = setting, rate, seed
        world = Sayings(subjects=setting.rows + setting.more)
        word_N = rng(seed, "words").integers(world.words, size=world.subjects).tolist()
        texts = [f"s{subject} v{word}" for subject, word in enumerate(word_N)]
        self.texts, self.more = texts[: setting.rows], texts[setting.rows :]
        self.start = tiny_policy(world.symbols, seed=derive(seed, "start") % 2**31, width=48, context=8, spaced=True)
        self.orders = {
            name: rng(seed, "order", name).permutation(setting.rows) for name in ("alice", "reference", "other")
        }
        self.last = setting.rows - setting.rows // 10
        self.early = self._trained(self.start, self.orders["alice"][: self.last])
        self.alice = self._trained(self.early, self.orders["alice"][self.last :])
        self.reference = self._trained(self.start, self.orders["reference"])

    def _trained(self, policy: Policy, order: Int64[np.ndarray, "R"]) -> Policy:
        return trained(policy, self.texts, order, self.setting.batch, self.rate)

    def asked(self, who: Who) -> Policy:
        """The model of an arm."""
        if who == "own":
            return self.alice
        if who == "independent":
            return self._trained(self.start, self.orders["other"])
        tuning = self.rate * self.setting.tuning
        return trained(self.alice, self.more, np.arange(len(self.more)), self.setting.batch, tuning)

    def written(self, policy: Policy) -> list[str]:
        """Rows that a model writes."""
        own = copied(policy)
        engine = engine_for(own, self.seed)
        engine.load(Weights.of(own.weights(), 0))
        requests = [Request("written", tuple(beginning_of(own)), i) for i in range(self.setting.written)]
        drawn: Sequence[Trajectory] = list(engine.generate(requests, Sampling(1.0, 3)))
        return [own.decode(t.tokens_T[t.action_T].tolist()) for t in sorted(drawn, key=lambda t: t.sample)]


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Who]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Alice's run, its reference, and the models that are asked."""
    known: dict[float, Archive] = {}
    for arm in arms:
        archive = known.setdefault(arm.rate, Archive(setting, arm.rate, seed))
        policy = archive.asked(arm.settings)
        time_N = np.argsort(archive.orders["alice"]).astype(np.float64)
        logp_N = document_logp(policy, archive.texts)
        ratio_N = logp_N - document_logp(archive.reference, archive.texts)
        rho, p = later_is_larger(time_N, ratio_N)
        _, bare = later_is_larger(time_N, logp_N)
        draws = rng(seed, "null")
        null = [later_is_larger(draws.permutation(time_N), ratio_N)[1] for _ in range(ORDERS)]
        texts = archive.written(policy)
        own = float(document_logp(archive.alice, texts).sum())
        others = []
        for i in range(RESHUFFLED):
            order = rng(seed, "reshuffled", i).permutation(archive.orders["alice"][archive.last :])
            others.append(float(document_logp(archive._trained(archive.early, order), texts).sum()))
        yield (
            arm.name,
            {
                "query": -float(np.log10(max(p, 1e-300))),
                "query_rho": rho,
                "bare": -float(np.log10(max(bare, 1e-300))),
                "below_tenth": float(np.mean(np.array(null) < 0.1)),
                "off_tenth": abs(float(np.mean(np.array(null) < 0.1)) - 0.1),
                "z": standardized(own, np.array(others)) or 0.0,
                "rank_p": rank_p(own, np.array(others)),
                "parameters": float(policy.num_parameters()),
            },
        )


PROOF = Proof(
    proves=("palimpsestic",),
    ours="derived",
    control="independent",
    equal="rows, network, steps, learning rate; the order alone differs",
    claims=(
        Claim("A fine-tuned copy is told with p below 1e-4 from 2000 rows", "query_rho", 0.0, TOLD),
        Claim("P-values of orders that were not Alice's are uniform: those below .1 are a tenth, within 5 points",
              "off_tenth", 0.05, 0.0, lower_is_better=True),
        Claim("Alice's own model is told with p below 1e-4", "query_rho", 0.0, TOLD, ours="own"),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(rows=1000),
    rates=dict.fromkeys(ARMS, 1e-3),
    first_seed=20,
    seeds=5,
)  # fmt: skip
