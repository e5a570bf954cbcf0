"""Spectrum tuning on urns: does a model draw as it is told to and shown, where answers alone teach it one?

The base model (`worlds/urns.py`) has read rows of draws, half of them under the description of another urn. Each arm is
tuned from it for as many steps, at the same number of rows a step, on urns of the training split, and measured on urns
that nobody was tuned on. spectrum: rows of draws under their own description, the loss on outputs alone. instruct: the
likeliest letter as the answer to each description. The control spectrum-off: the same draws dealt out among all urns,
so neither a description nor draws before say anything of a row. base is not tuned.

`js_described` and `tv_described` are distances (JS in nats, TV a share) of the distribution over letters from the urn's
own, after its description alone; `js_in_context` and `tv_in_context` those after eight draws alone. `in_context` is the
loss of a draw (nats, its end included) from the second on of sixteen, after the description. `yield` is how many
different letters of the urn are among 20 samples, of `letters` that are in it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from steelyard.core import Group, Prompt, rng
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.learner import demonstration
from steelyard.objective import SFT
from steelyard.policy import Policy
from steelyard.policy.likelihood import total_logp
from steelyard.pretrain.spread import HeldOutDraws
from steelyard.task.draws import Process
from steelyard.worlds.fine_tuned import fine_tuned
from steelyard.worlds.sync_loop import moved
from steelyard.worlds.urns import LETTERS, SHOWN, Urns, base

BATCH = 32
DRAWS = 16
SHOTS = 8


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    urns: int = 400
    """A fifth of them held out."""
    base_steps: int = 400
    """Steps in which the base model reads, 32 rows each."""
    steps: int = 100
    """Steps of tuning, on 32 rows each; each row is seen once."""
    samples: int = 20
    """For each held-out urn."""


@dataclass(frozen=True)
class Study:
    """What the arms of a seed share."""

    seed: int
    setting: Setting

    @cached_property
    def task(self) -> Urns:
        """The urns."""
        return Urns(urns=self.setting.urns, data_seed=self.seed)

    @cached_property
    def base(self) -> Policy:
        """The model that has read of urns."""
        return base(self.task, self.seed, self.setting.base_steps)

    @cached_property
    def rows(self) -> list[Process]:
        """Rows of draws to tune on, each under its own description."""
        draws = rng(self.seed, "spectrum", "rows")
        urns = self.task.part("train")
        chosen = draws.integers(len(urns), size=BATCH * self.setting.steps)
        return [urns[i].process(DRAWS, draws) for i in chosen]

    @cached_property
    def dealt(self) -> list[Process]:
        """The same draws, dealt out among all rows."""
        order = rng(self.seed, "spectrum", "dealt").permutation(DRAWS * len(self.rows))
        every = [example for row in self.rows for example in row.examples]
        parts = (order[i * DRAWS : (i + 1) * DRAWS] for i in range(len(self.rows)))
        return [replace(row, examples=tuple(every[i] for i in p)) for row, p in zip(self.rows, parts, strict=True)]

    def shown(self, rows: Sequence[Process]) -> list[Group]:
        """Rows as sequences."""
        found = []
        for i, row in enumerate(rows):
            [*sequences] = SHOWN.sequences(self.base, row, self.seed + i)
            found += [[one.trajectory] for one in sequences[:1]]
        return found

    def answers(self) -> list[Group]:
        """The likeliest letter of each row's urn, as an answer to its description."""
        best = {urn.description: LETTERS[int(np.argmax(urn.law))] for urn in self.task.part("train")}
        texts = [(SHOWN.prompt(self.base, row.description, [], ""), best[row.name]) for row in self.rows]
        return [[demonstration(self.base, Prompt(text, text), answer)] for text, answer in texts]


Teach = Callable[[Study], list[Group]]
ARMS: Mapping[str, Teach | None] = {
    "spectrum": lambda study: study.shown(study.rows),
    "spectrum-off": lambda study: study.shown(study.dealt),
    "base": None,
    "instruct": Study.answers,
}


def tuned(study: Study, teach: Teach | None, rate: float) -> tuple[Policy, float]:
    """The base model after tuning, and the tokens that it was tuned on."""
    if teach is None:
        return study.base, 0.0
    groups = teach(study)
    draws = rng(study.seed, "spectrum", "order")
    policy = fine_tuned(study.base, SFT(), groups, draws, steps=study.setting.steps, batch=BATCH, learning_rate=rate)
    return policy, BATCH * study.setting.steps * float(np.mean([len(t.tokens_T) for [t] in groups]))


def described(study: Study, policy: Policy) -> dict[str, float]:
    """What is measured of a policy, on held-out urns."""
    urns = study.task.part("held-out")
    draws = rng(study.seed, "spectrum", "held-out")
    processes = [urn.process(DRAWS, draws) for urn in urns]
    looks = HeldOutDraws(
        policy,
        SHOWN,
        processes,
        [urn.target for urn in urns],
        shots=SHOTS,
        samples=study.setting.samples,
        max_tokens=2,
        seed=study.seed,
    )
    row, _ = looks()
    whole = [SHOWN.sequence(policy, one.description, one.examples) for one in processes]
    later = [one.outputs[1:] for one in whole]
    logp_N = total_logp(policy, [one.learning(parts) for one, parts in zip(whole, later, strict=True)])
    names = ("js_described", "tv_described", "js_in_context", "tv_in_context", "mass_described", "valid", "yield")
    found = {name: float(row[f"eval/{name}"]) for name in names}
    letters = float(np.mean([np.count_nonzero(urn.balls) for urn in urns]))
    return found | {"in_context": -float(logp_N.sum()) / sum(map(len, later)), "letters": letters}


def measure(
    seed: int, setting: Setting, arms: Iterable[Arm[Teach | None]]
) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The base model, then each arm on held-out urns."""
    study = Study(seed, setting)
    for arm in arms:
        policy, tokens = tuned(study, arm.settings, arm.rate)
        size = {"parameters": float(policy.num_parameters()), "tokens": tokens}
        yield arm.name, described(study, policy) | size | {"moved": moved(study.base, policy)}


PROOF = Proof(
    proves=("spectrum",),
    ours="spectrum",
    control="spectrum-off",
    equal="the base model, the urns, steps, rows in a step and learning rate; instruct's rows hold one answer each",
    claims=(
        Claim("Told what is in an urn, it is nearer to the urn than the base model by .05 nats of JS", "js_described",
              "base", 0.05, lower_is_better=True),
        Claim("and nearer than a model tuned to answer, by .02", "js_described", "instruct", 0.02,
              lower_is_better=True),
        Claim("Shown eight draws alone, it is nearer than a model tuned to answer by .04 of total variation",
              "tv_in_context", "instruct", 0.04, lower_is_better=True),
        Claim("It loses .03 nats a draw less than the base model, from the second draw on", "in_context", "base", 0.03,
              lower_is_better=True),
        Claim("20 samples hold a fifth of a letter of the urn more than those of a model tuned to answer", "yield",
              "instruct", 0.2, control=None),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(base_steps=150, steps=50),
    rates={name: 1e-3 for name in ARMS if name != "base"},
    seeds=4,
)  # fmt: skip
