"""LM fact checker on a base of invented facts, which a small masked language model read by Zipf's law.

The memory is an encoder of words that read sentences with one word hidden: facts about two subjects in three, of which
some are common and others rare. Claims are of three kinds, as many of each: a fact that was read, the same with another
value, and a claim about one of the other subjects, of which nobody can know. The entailment model compares the words of
two sentences, and learned from pairs whose values were drawn at random, so it knows words and no facts. What is fitted
on it learns from claims about half of the subjects and is measured on claims about the others. Arms differ in what
stands for evidence beside the claim: what the memory fills in (lm-fact-check), the same with its log-odds (odds), what
an oracle finds, the fact as it was written or nothing (retrieval), the claim itself (claim-only), and, the control,
what a memory fills in that has read nothing. `accuracy` is over the three verdicts, chance 1/3; `zero_shot` is that of
comparing words alone on supported and refuted claims, chance 1/2; `common` and `rare` are the same for the half of the
facts that is read most and least often, and `fades` is their difference.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from steelyard.core import derive, rng
from steelyard.experiments.harness import Arm, Claim, Proof, share
from steelyard.guard.fact_guard import Evidence, FactGuard
from steelyard.guard.lm_fact_check import LMFactCheck, zero_shot
from steelyard.model import Encoder, EncoderSizes
from steelyard.policy.masked_model import Filled, MaskedModel
from steelyard.policy.own_encoder import OwnEncoder
from steelyard.worlds.facts import Fact, Facts

FORMS = ("the {relation} of {subject} is {value}", "{value} is the {relation} of {subject}")
LINKS = ("the", "of", "is")
MARKS = ("[PAD]", "[UNK]", "[MASK]")
WIDTH = 32
"""Of the memory and of the entailment model."""
VALUES = 0.6
"""Share of the sentences of which the value is hidden while the memory reads; else it is any word."""
Source = Literal["memory", "blank", "oracle", "claim"]


@dataclass(frozen=True)
class Checking:
    """What stands for evidence, and what is fitted."""

    source: Source
    method: LMFactCheck = field(default_factory=LMFactCheck)


ARMS = {
    "lm-fact-check": Checking("memory"),
    "lm-fact-check-off": Checking("blank"),
    "claim-only": Checking("claim"),
    "retrieval": Checking("oracle"),
    "odds": Checking("memory", LMFactCheck(odds=True)),
}


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    world: Facts
    reads: int = 300
    """Steps in which the memory reads 64 sentences."""
    pairs: int = 200
    """Steps in which the entailment model learns from 64 pairs."""
    steps: int = 200
    """Steps in which a head learns from claims."""


class PairNet(nn.Module):
    """The entailment model: u and v are mean embeddings of two sentences; the state is [u, v, |u - v|, u v]."""

    def __init__(self, tokenizer: Any, *, seed: int) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.embed = nn.Embedding(len(tokenizer), WIDTH, padding_idx=0)
        self.told = nn.Linear(4 * WIDTH, 3)
        with torch.no_grad():
            draws = torch.Generator().manual_seed(derive(seed, "pair-net") % 2**63)
            self.embed.weight.normal_(0.0, 1.0, generator=draws)[0] = 0.0
            self.told.weight.normal_(0.0, (4 * WIDTH) ** -0.5, generator=draws)

    @property
    def num_parameters(self) -> int:
        """Numbers that are fitted."""
        return sum(p.numel() for p in self.parameters())

    @torch.no_grad()
    def read(self, evidence: Sequence[str], claims: Sequence[str]) -> Float[Tensor, "N F"]:
        """The states and the logits of pairs."""
        state_NF = self.state([*evidence], [*claims])
        return torch.cat([state_NF, self.told(state_NF)], 1)

    def state(self, evidence: list[str], claims: list[str]) -> Float[Tensor, "N F"]:
        """The states of pairs."""
        u_ND, v_ND = (self.embed(tokens(self.tokenizer, said)).mean(1) for said in (evidence, claims))
        return torch.cat([u_ND, v_ND, (u_ND - v_ND).abs(), u_ND * v_ND], 1)


class Desk:
    """Both models of a seed, the claims, and which of them are learned from."""

    def __init__(self, setting: Setting, seed: int) -> None:
        self.setting = setting
        self.seed = seed
        self.world = replace(setting.world, data_seed=seed)
        self.facts = self.world.facts()
        self.pools = {fact.relation: sorted({fact.value, *fact.wrong}) for fact in self.facts}
        self.rank = {name: i for i, name in enumerate(dict.fromkeys(fact.subject for fact in self.facts))}
        words = [*LINKS, *self.pools, *self.rank, *(w for pool in self.pools.values() for w in pool)]
        self.tokenizer = tokenizer_of(words)
        self.claimed = claims_of(self.facts, rng(seed, "claims"))
        taught = {name for name, i in self.rank.items() if i % 2 == seed % 2}
        self.train = [i for i, claim in enumerate(self.claimed) if claim.fact.subject in taught]
        self.asked = [i for i, claim in enumerate(self.claimed) if claim.fact.subject not in taught]

    @cached_property
    def memory(self) -> MaskedModel:
        """The masked model after it has read."""
        net, draws, steps = self._net(), rng(self.seed, "reading"), self.setting.reads
        known = [fact for fact in self.facts if fact.part != "forget"]
        rate = self.world.shares()[[self.rank[fact.subject] for fact in known]]
        said = tokens(self.tokenizer, [sentence(fact, fact.value, form) for fact in known for form in range(2)])
        adam = torch.optim.AdamW(net.parameters(), lr=1.0)
        for step in range(steps):
            form = draws.integers(2, size=64)
            read_NT = said[draws.choice(len(known), size=64, p=rate / rate.sum()) * 2 + form]
            value = np.where(form == 0, read_NT.shape[1] - 1, 0)
            hidden = np.where(draws.random(64) < VALUES, value, draws.integers(read_NT.shape[1], size=64))
            where_N1 = torch.from_numpy(hidden)[:, None]
            label_NT = torch.full_like(read_NT, -100).scatter(1, where_N1, read_NT.gather(1, where_N1))
            for group in adam.param_groups:
                group["lr"] = 6e-3 * min(1.0, 10 * (step + 1) / steps, (steps - step) / (0.9 * steps))
            adam.zero_grad()
            masked_NT = read_NT.scatter(1, where_N1, self.tokenizer.mask_token_id)
            net.loss(masked_NT, torch.ones_like(read_NT), label_NT).backward()
            adam.step()
        return MaskedModel(OwnEncoder(net, head=True), self.tokenizer)

    @cached_property
    def blank(self) -> MaskedModel:
        """A memory that has read nothing."""
        return MaskedModel(OwnEncoder(self._net(), head=True), self.tokenizer)

    def _net(self) -> Encoder:
        sizes = EncoderSizes(
            vocab_size=len(self.tokenizer), head="masked", hidden_size=WIDTH, intermediate_size=2 * WIDTH,
            num_layers=1, num_heads=4, context_length=16,
        )  # fmt: skip
        return Encoder(sizes, seed=derive(self.seed, "memory") % 2**31)

    @cached_property
    def entailment(self) -> PairNet:
        """A model of pairs that knows no fact: it tells the same value, another one, and no evidence apart."""
        net, draws = PairNet(self.tokenizer, seed=self.seed), rng(self.seed, "pairs")
        adam = torch.optim.AdamW(net.parameters(), lr=1e-2)
        for _ in range(self.setting.pairs):
            pairs = [self._pair(draws) for _ in range(64)]
            adam.zero_grad()
            state_NF = net.state([one for one, _, _ in pairs], [other for _, other, _ in pairs])
            cross_entropy(net.told(state_NF), torch.tensor([label for _, _, label in pairs])).backward()
            adam.step()
        return net

    def _pair(self, draws: np.random.Generator) -> tuple[str, str, int]:
        fact, label, form = self.facts[draws.integers(len(self.facts))], int(draws.integers(3)), int(draws.integers(2))
        pool = self.pools[fact.relation]
        one, two = (pool[i] for i in draws.permutation(len(pool))[:2])
        evidence = ("", sentence(fact, one, form))[label < 2]
        return evidence, sentence(fact, one if label == 0 else two, form), label

    def evidence(self, checking: Checking) -> Evidence:
        """What stands for evidence of every claim, and what is read of that."""
        texts = [claim.text for claim in self.claimed]
        if checking.source in ("memory", "blank"):
            memory = self.memory if checking.source == "memory" else self.blank
            spans = [claim.span for claim in self.claimed]
            return FactGuard(memory, self.entailment, checking.method).evidence(texts, spans)
        found = [c.text if checking.source == "claim" else c.written for c in self.claimed]
        same = [one == text for one, text in zip(found, texts, strict=True)]
        state_NF = self.entailment.read(found, texts)
        return Evidence([Filled(one, yes, 0.0) for one, yes in zip(found, same, strict=True)], state_NF)


@dataclass(frozen=True)
class Claimed:
    """A claim, what is hidden of it, and what is true."""

    fact: Fact
    text: str
    span: tuple[int, int]
    written: str
    """The fact in the same form as it was read; empty where nothing was."""
    verdict: int


def claims_of(facts: Sequence[Fact], draws: np.random.Generator) -> list[Claimed]:
    """Of each fact that was read the truth and a wrong value in each form; of the others as many claims in all."""
    found = []
    for fact in facts:
        known = fact.part != "forget"
        for form in range(2):
            values = [fact.value, fact.wrong[0]] if known else [fact.wrong[i] for i in draws.permutation(4)[:2]]
            for verdict, value in enumerate(values):
                text = sentence(fact, value, form)
                start = len(text) - len(value) if form == 0 else 0
                written = sentence(fact, fact.value, form) if known else ""
                found.append(Claimed(fact, text, (start, start + len(value)), written, verdict if known else 2))
    return found


def sentence(fact: Fact, value: str, form: int) -> str:
    """The fact with a value, in one of two forms."""
    return FORMS[form].format(relation=fact.relation, subject=fact.subject, value=value)


def tokens(tokenizer: Any, said: list[str]) -> Int[Tensor, "N T"]:
    """Words as numbers; no words at all are one padding."""
    read_NT = tokenizer(said, return_tensors="pt", padding=True)["input_ids"]
    return read_NT if read_NT.shape[1] else torch.zeros(len(said), 1, dtype=torch.long)


def tokenizer_of(words: Sequence[str]) -> Any:
    """Words to numbers."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    known = {word: place for place, word in enumerate((*MARKS, *words))}
    inner = Tokenizer(models.WordLevel(known, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    named = {"pad_token": "[PAD]", "unk_token": "[UNK]", "mask_token": "[MASK]"}
    return PreTrainedTokenizerFast(tokenizer_object=inner, model_max_length=16, padding_side="right", **named)


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Checking]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Every arm, on the same claims."""
    desk = Desk(setting, seed)
    verdict_N = torch.tensor([claim.verdict for claim in desk.claimed])
    rank = sorted({desk.rank[c.fact.subject] for c in desk.claimed if c.verdict < 2})
    common_N = torch.tensor([desk.rank[c.fact.subject] < rank[len(rank) // 2] for c in desk.claimed])
    for arm in arms:
        evidence = desk.evidence(arm.settings)
        method = replace(arm.settings.method, learning_rate=arm.rate, steps=setting.steps)
        head, fitting = method.begin(evidence.feature_NF[desk.train], verdict_N[desk.train], seed=seed)
        fitting.run()
        with torch.no_grad():
            right_M = head(evidence.feature_NF[desk.asked]).argmax(-1) == verdict_N[desk.asked]
        agrees_N = zero_shot(evidence.filled) == (verdict_N == 0)
        decided_N = verdict_N < 2
        common, rare = (float(agrees_N[decided_N & kind_N].float().mean()) for kind_N in (common_N, ~common_N))
        yield (
            arm.name,
            {
                **share("accuracy", int(right_M.sum()), len(right_M)),
                **share("zero_shot", int(agrees_N[decided_N].sum()), int(decided_N.sum())),
                "common": common,
                "rare": rare,
                "fades": common - rare,
                "recalled": float(agrees_N[verdict_N == 0].float().mean()),
                "parameters": float(desk.memory.num_parameters + desk.entailment.num_parameters),
            },
        )


PROOF = Proof(
    proves=("lm-fact-check",),
    ours="lm-fact-check",
    control="lm-fact-check-off",
    equal="claims and labels, entailment model, head, steps; the memory's size, words and initial weights",
    claims=(
        Claim("Without labels it beats chance by 10 points", "zero_shot", 0.5, 0.1),
        Claim("Fitted, it is right 10 points more often than chance, of three verdicts", "accuracy", 1 / 3, 0.1),
        Claim("and 5 points more often than the same head on the claim alone", "accuracy", "claim-only", 0.05),
        Claim("What an oracle finds is worth 10 points more", "accuracy", "lm-fact-check", 0.1, ours="retrieval"),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(Facts(60, 2, 8, 1.0, known=0.0, forget=1 / 3)),
    quick=Setting(Facts(30, 2, 8, 1.0, known=0.0, forget=1 / 3), reads=100),
    rates=dict.fromkeys(ARMS, 1e-3),
    first_seed=10,
    seeds=4,
)
