"""FenCE on people of whom a model knows in part: does it matter that lesser-known facts are removed, not corrected?

The world is `people`: two of six things are known (the head), two half, two not at all (the tail). The base model also
says whether it believes a statement, and mends one that it is told is wrong (`people_talk`). Each arm has as many
samples of it for people of the training split and an oracle that names the truth, and is asked about other people.
fence removes what is wrong and unknown and corrects what is wrong else; edit corrects all (EVER with ranks); rank
changes nothing (FactTune). Each learns the three best responses of eight by SFT, then the pairs by DPO. gold is SFT on
all that is true, as many steps. fence-off has a judge that finds claims wrong by lot, and names any value.

Measured in samples at temperature 1 for held-out people: `factuality` is the share of statements that are right,
`coverage` what is right of the six things that there are to say, `tail` the wrong statements of a sample about the two
things that the model has no knowledge of. A response is one paragraph here: rounds are 1.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from steelyard.core import hash_share
from steelyard.core.json import JsonMapping
from steelyard.data import FenCE
from steelyard.data.critique import Critique, rate_of
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.objective import DPO, SFT
from steelyard.policy import Policy
from steelyard.policy.text import Text
from steelyard.worlds.people import RELATIONS, UNSURE, People, level_of, statements
from steelyard.worlds.people_study import PeopleStudy, total
from steelyard.worlds.people_talk import ASK, REWRITE, UNKNOWN, talkative
from steelyard.worlds.sync_loop import moved

BATCH = 32


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    people: int = 240
    base_steps: int = 700
    """Steps in which the base model hears of everybody."""
    candidates: int = 8
    """Responses for each person that is learned from."""
    steps: int = 100
    """Steps of fine-tuning, on 32 rows each."""
    pair_steps: int = 40
    """Steps of DPO, on 16 pairs each, at a tenth of the rate."""
    samples: int = 8
    """For each held-out person."""


@dataclass(frozen=True)
class Oracle:
    """Says of a statement whether it is true of the person, and what is; or it says so by lot."""

    task: People
    by_lot: bool = False
    name: str = "the world"

    def __call__(
        self, prompts: Sequence[Text], completions: Sequence[str], **columns: Sequence[object]
    ) -> list[float | None]:
        """1 for a statement that is supported."""
        return [rate_of(found) for found in self.criticise(prompts, completions, **columns)]

    def criticise(
        self, prompts: Sequence[Text], claims: Sequence[str], /, **columns: Sequence[object]
    ) -> list[Critique | None]:
        """A critique of each statement: the true one."""
        return [self._critique(str(prompt), claim) for prompt, claim in zip(prompts, claims, strict=True)]

    def _critique(self, prompt: str, claim: str) -> Critique:
        relation, *_ = claim.split() or [""]
        if relation not in RELATIONS:
            return Critique("unverified")
        i = RELATIONS.index(relation)
        lot = hash_share(f"{prompt} {claim}")
        value = self.task.pools[i][int(lot * self.task.values)] if self.by_lot else self.task.by_text[prompt].truth[i]
        right = lot < 0.5 if self.by_lot else claim.rstrip(" .") == f"{relation} {value}"
        return Critique("supported" if right else "contradictory", f"{relation} {value} .")


Teach = Callable[[PeopleStudy, Setting, float], Policy]


def imitated(study: PeopleStudy, pairs: Iterable[tuple[object, object]], steps: int, rate: float) -> Policy:
    """The base model after SFT on prompts and answers."""
    return study.tuned(study.base, SFT(), study.lessons(pairs), steps=steps, batch=BATCH, rate=rate)


def preferred(study: PeopleStudy, setting: Setting, start: Policy, rows: Sequence[JsonMapping], rate: float) -> Policy:
    """A model after DPO on the rows that are pairs."""
    apart = ((row["prompt"], row["chosen"], row["rejected"]) for row in rows if row["chosen"] != row["rejected"])
    pairs = study.preferences(start, apart)
    if not pairs:
        return start
    return study.tuned(start, DPO(0.1), pairs, steps=setting.pair_steps, batch=BATCH // 2, rate=rate / 10)


def revised(by_lot: bool = False, **settings: object) -> Teach:
    """SFT on what FenCE builds, then DPO on its pairs."""

    def teach(study: PeopleStudy, setting: Setting, rate: float) -> Policy:
        own = {"samples": setting.candidates, "rounds": 1, "paragraph": "$^", "split": r"\.\s*"}
        words = {"ask": ASK, "rewrite": REWRITE, "unknown": UNKNOWN, "nothing": UNSURE, "documents_column": ""}
        rows = study.built(FenCE(**{**own, **words, **settings}), Oracle(study.task, by_lot))
        start = imitated(study, ((row["prompt"], row["answer"]) for row in rows), setting.steps, rate)
        return preferred(study, setting, start, rows, rate)

    return teach


def gold(study: PeopleStudy, setting: Setting, rate: float) -> Policy:
    """SFT on all that is true."""
    return imitated(study, study.true, setting.steps + setting.pair_steps, rate)


ARMS: Mapping[str, Teach] = {
    "fence": revised(),
    "fence-off": revised(by_lot=True),
    "edit": revised(lesser_known="rewrite"),
    "rank": revised(rounds=0),
    "gold": gold,
}


def wrong_of_the_tail(task: People, prompt: str, text: str) -> int:
    """Wrong statements about what nobody knows of a person."""
    person = task.by_text[prompt]
    unknown = [i for i in range(len(RELATIONS)) if level_of(person, i) == "unknown"]
    right = {f"{RELATIONS[i]} {person.truth[i]}" for i in unknown}
    names = {RELATIONS[i] for i in unknown}
    return sum(one.split()[0] in names and one not in right for one in statements(text))


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Teach]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The base model's responses, then each arm's tuning and what it says of held-out people."""
    study = PeopleStudy(seed, setting.people, setting.base_steps, talkative)
    for arm in arms:
        policy = arm.settings(study, setting, arm.rate)
        said = study.asked(policy, setting.samples)
        given, correct = total(said)
        length = float(np.mean([len(truth.split()) for _, truth in study.true]))
        yield (
            arm.name,
            {
                "factuality": correct / max(given, 1),
                "coverage": correct / (len(RELATIONS) * len(said)),
                "tail": sum(wrong_of_the_tail(study.task, one.prompt, one.text) for one in said) / len(said),
                "given": given / len(said),
                "parameters": float(policy.num_parameters()),
                "tokens": BATCH * (setting.steps + setting.pair_steps) * length,
                "moved": moved(study.base, policy),
            },
        )


PROOF = Proof(
    proves=("fence",),
    ours="fence",
    control="fence-off",
    equal="the base model, its samples, the people that are learned from, rows in a step, steps and learning rate",
    claims=(
        Claim("What it says is right 10 points more often than where responses are only ranked (FactTune)",
              "factuality", baseline="rank", min_effect=0.10),
        Claim("and 10 points more often than where every wrong claim is corrected (EVER)", "factuality",
              baseline="edit", min_effect=0.10),
        Claim("and 10 points more often than after SFT on all that is true", "factuality",
              baseline="gold", min_effect=0.10),
        Claim("Of what is not known it makes up half as much as where every wrong claim is corrected", "tail",
              baseline="edit", min_effect=0.5, lower_is_better=True, relative=True),
        Claim("and of all that there is to say it leaves out at most 5 points more than ranking does", "coverage",
              baseline="rank", min_effect=-0.05),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(samples=2),
    rates=dict.fromkeys(ARMS, 1e-3),
    first_seed=10,
    seeds=8,
)  # fmt: skip
