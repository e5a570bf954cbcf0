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
from functools import cached_property

import numpy as np

from steelyard.core import Group, Prompt, Request, Sampling, Weights, hash_share, rng
from steelyard.core.json import JsonMapping
from steelyard.data import FenCE, Tools, records_of
from steelyard.data.critique import Critique, rate_of
from steelyard.data.writer import PolicyWriter
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.learner import demonstration
from steelyard.objective import DPO, SFT, Objective
from steelyard.policy import Policy
from steelyard.policy.reference import reference_logp
from steelyard.policy.text import Text
from steelyard.rollout import engine_for
from steelyard.worlds.fine_tuned import fine_tuned
from steelyard.worlds.people import LONGEST, RELATIONS, UNSURE, People, counted, level_of, statements
from steelyard.worlds.people_talk import ASK, REWRITE, UNKNOWN, talkative
from steelyard.worlds.sync_loop import copied, moved

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


@dataclass(frozen=True)
class Study:
    """What the arms of a seed share."""

    seed: int
    setting: Setting

    @cached_property
    def task(self) -> People:
        """The people."""
        return People(people=self.setting.people, data_seed=self.seed)

    @cached_property
    def base(self) -> Policy:
        """The model that has heard of everybody."""
        return talkative(self.task, self.seed, self.setting.base_steps)

    def built(self, settings: FenCE, oracle: Oracle) -> list[JsonMapping]:
        """What is made of the base model's responses for people of the training split."""
        rows = [{"prompt": str(p.text)} for p in self.task.prompts("train")]
        records = records_of((f"row {i}", row) for i, row in enumerate(rows))
        writer = PolicyWriter(copied(self.base), "base", Sampling(1.0, LONGEST))
        return [record.fields for record in settings.build(records, records, Tools(self.seed, writer, oracle))]

    def tuned(self, start: Policy, objective: Objective, groups: Sequence[Group], steps: int, rate: float) -> Policy:
        """A model after fine-tuning."""
        draws = rng(self.seed, "fence", "order", type(objective).__name__)
        batch = BATCH // len(groups[0])
        return fine_tuned(start, objective, groups, draws, steps=steps, batch=batch, learning_rate=rate)

    def imitated(self, pairs: Iterable[tuple[object, object]], steps: int, rate: float) -> Policy:
        """The base model after SFT on prompts and answers."""
        given = [(Prompt(str(text), str(text)), str(answer)) for text, answer in pairs]
        lessons = [[demonstration(self.base, prompt, answer)] for prompt, answer in given]
        return self.tuned(self.base, SFT(), lessons, steps, rate)

    def preferred(self, start: Policy, rows: Sequence[JsonMapping], rate: float) -> Policy:
        """A model after DPO on the rows that are pairs."""
        reference = Weights.of(start.weights(), 0)
        groups: list[Group] = []
        for row in rows:
            if row["chosen"] != row["rejected"]:
                prompt = Prompt(str(row["prompt"]), str(row["prompt"]))
                sides = ((str(row["chosen"]), 1.0), (str(row["rejected"]), 0.0))
                pair = [demonstration(start, prompt, text, reward=reward) for text, reward in sides]
                groups.append(reference_logp(start, reference, pair, 1.0))
        return self.tuned(start, DPO(0.1), groups, self.setting.pair_steps, rate / 10) if groups else start


Teach = Callable[[Study, float], Policy]


def revised(by_lot: bool = False, **settings: object) -> Teach:
    """SFT on what FenCE builds, then DPO on its pairs."""

    def teach(study: Study, rate: float) -> Policy:
        own = {"samples": study.setting.candidates, "rounds": 1, "paragraph": "$^", "split": r"\.\s*"}
        words = {"ask": ASK, "rewrite": REWRITE, "unknown": UNKNOWN, "nothing": UNSURE, "documents_column": ""}
        rows = study.built(FenCE(**{**own, **words, **settings}), Oracle(study.task, by_lot))
        start = study.imitated(((row["prompt"], row["answer"]) for row in rows), study.setting.steps, rate)
        return study.preferred(start, rows, rate)

    return teach


def gold(study: Study, rate: float) -> Policy:
    """SFT on all that is true."""
    steps = study.setting.steps + study.setting.pair_steps
    return study.imitated(((p.text, p.columns["answer"]) for p in study.task.prompts("train")), steps, rate)


ARMS: Mapping[str, Teach] = {
    "fence": revised(),
    "fence-off": revised(by_lot=True),
    "edit": revised(lesser_known="rewrite"),
    "rank": revised(rounds=0),
    "gold": gold,
}


def asked(policy: Policy, study: Study) -> dict[str, float]:
    """The statements in samples for held-out people, counted."""
    prompts = study.task.prompts("held-out")
    numbers = range(study.setting.samples)
    requests = [Request(p.id, tuple(policy.encode(p.text)), n) for p in prompts for n in numbers]
    drawn = engine_for(policy, study.seed).generate(requests, Sampling(1.0, LONGEST))
    truth = {p.id: str(p.columns["answer"]) for p in prompts}
    texts = [(t.prompt_id, policy.decode(t.completion_T)) for t in drawn]
    counts = [counted(text, truth[id]) for id, text in texts]
    given = sum(one.given for one in counts)
    correct = sum(one.correct for one in counts)
    tail = sum(wrong_of_the_tail(study.task, id, text) for id, text in texts)
    return {
        "factuality": correct / max(given, 1),
        "coverage": correct / (len(RELATIONS) * len(counts)),
        "tail": tail / len(counts),
        "given": given / len(counts),
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
    study = Study(seed, setting)
    for arm in arms:
        policy = arm.settings(study, arm.rate)
        length = float(np.mean([len(p.columns["answer"].split()) for p in study.task.prompts("train")]))
        tokens = BATCH * (setting.steps + setting.pair_steps) * length
        scale = {"parameters": float(policy.num_parameters()), "tokens": tokens, "moved": moved(study.base, policy)}
        yield arm.name, {**asked(policy, study), **scale}


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
)  # fmt: skip
