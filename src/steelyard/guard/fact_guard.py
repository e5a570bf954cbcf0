"""A fact checker that is ready to rule, on disk, and as a reward: `--reward facts:RUN`.

    r(x, y) = P(supported | y)

`facts.json` names the masked language model and the entailment model, which are not copied, and notes what the checker
says of `PROBES`, so that another model in the same place is found out; `facts.safetensors` has the head's numbers.
N claims, F features, V verdicts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import one_hot

from steelyard.core import Episode, Score, decode, encode, require
from steelyard.core.model_files import file_errors, read_facts, read_tensors, write_facts, write_tensors
from steelyard.guard.base import Ruling
from steelyard.guard.fact_claims import VERDICTS, last_name
from steelyard.guard.lm_fact_check import FactHead, LMFactCheck, zero_shot
from steelyard.guard.saved import PROBES, TOLERANCE
from steelyard.policy.classifier import Classifier, cut_at
from steelyard.policy.masked_model import Filled, MaskedModel, Span
from steelyard.reward.given import reward_source, run_name

FACTS = "facts.json"
TENSORS = "facts.safetensors"
PREFIX = "facts"
AT_ONCE = 64
HINT = "give the run of steelyard train lm-fact-check"


@runtime_checkable
class ReadsPairs(Protocol):
    """Reads whether one text follows from another."""

    def read(self, evidence: Sequence[str], claims: Sequence[str]) -> Float[Tensor, "N F"]:
        """Numbers for each pair."""
        ...

    @property
    def num_parameters(self) -> int:
        """Numbers that a token costs one multiplication each, at most."""
        ...


@dataclass(frozen=True)
class Entailment:
    """A classifier of pairs, of which the states are read: does the first text entail the second?"""

    classifier: Classifier

    @torch.no_grad()
    def read(self, evidence: Sequence[str], claims: Sequence[str]) -> Float[Tensor, "N F"]:
        """For each pair the mean of the last hidden states over its tokens, and the logits."""
        parts = [
            self._read([*evidence[i : i + AT_ONCE]], [*claims[i : i + AT_ONCE]]) for i in range(0, len(claims), AT_ONCE)
        ]
        return torch.cat(parts) if parts else self._read(["a"], ["a"])[:0]

    @property
    def num_parameters(self) -> int:
        """Numbers that a token costs one multiplication each, at most."""
        return sum(p.numel() for p in self.classifier.net.parameters())

    def _read(self, evidence: list[str], claims: list[str]) -> Float[Tensor, "N F"]:
        net, tokenizer = self.classifier.net, self.classifier.tokenizer
        form = {"padding": True, "truncation": "longest_first", "max_length": cut_at(net, tokenizer)}
        read = tokenizer(evidence, claims, return_tensors="pt", **form).to(net.device)
        out = net(**read, output_hidden_states=True)
        real_NT1 = read["attention_mask"][..., None]
        state_ND = (out.hidden_states[-1].float() * real_NT1).sum(1) / real_NT1.sum(1).clamp(min=1)
        return torch.cat([state_ND, out.logits.float()], 1).cpu()


@dataclass(frozen=True)
class Evidence:
    """What the memory makes of claims, and what is read of that."""

    filled: list[Filled]
    feature_NF: Float[Tensor, "N F"]


@dataclass
class FactGuard:
    """Rules on claims from a language model's memory."""

    memory: MaskedModel
    entailment: ReadsPairs | None
    """None checks without anything that was fitted."""
    method: LMFactCheck
    head: FactHead | None = None
    """None until there is one to ask: then the ruling is the zero-shot one."""

    def evidence(self, texts: Sequence[str], spans: Sequence[Span]) -> Evidence:
        """Fill the spans, and read what comes out."""
        filled = self.memory.fill(texts, spans)
        if self.entailment is None:
            return Evidence(filled, torch.zeros(len(filled), 0))
        state_ND = self.entailment.read([one.text for one in filled], texts)
        return Evidence(filled, self.method.features(state_ND, filled))

    @torch.no_grad()
    def shares(self, evidence: Evidence) -> Float[Tensor, "N V"]:
        """The probability of each verdict; without a head 1 for the zero-shot one."""
        if self.head is not None:
            return self.head(evidence.feature_NF).softmax(-1)
        refuted_N = (~zero_shot(evidence.filled)).long()
        return one_hot(refuted_N, len(VERDICTS)).float()

    def __call__(self, texts: Sequence[str]) -> Ruling:
        """The rulings: harm is the probability that a text is not supported; the state is what was read."""
        evidence = self.evidence(texts, [last_name(text) for text in texts])
        return Ruling(1 - self.shares(evidence)[:, 0], evidence.feature_NF)

    @property
    def num_parameters(self) -> int:
        """Of both models and of the head."""
        parts = [self.memory.num_parameters, self.entailment.num_parameters if self.entailment else 0]
        return sum(parts) + (sum(p.numel() for p in self.head.parameters()) if self.head is not None else 0)


def write_fact_guard(guard: FactGuard, places: tuple[str, str], directory: Path) -> None:
    """Write how to find the models, `places`, and the head; the directory is made where it is absent."""
    model, entailment = (str(Path(place).resolve()) if Path(place).is_dir() else place for place in places)
    where = {"model": model, "entailment": entailment if guard.entailment else ""}
    probe = {"probe": guard(PROBES).harm_N.tolist(), "fitted": guard.head is not None}
    facts = {**where, "method": encode(guard.method), **probe}
    write_facts(facts, directory / FACTS)
    tensors = guard.head.state_dict() if guard.head is not None else {"none": torch.zeros(0)}
    write_tensors(tensors, directory / TENSORS)


def place_of(run: str) -> Path | None:
    """The directory with facts.json, of a run or of itself; None where there is none."""
    return next((p for p in (Path(run), Path(run, "model")) if (p / FACTS).is_file()), None)


def read_fact_guard(run: str, device: str = "cpu") -> FactGuard:
    """The checker that a run wrote.

    Raises:
        SteelyardError: there is none, it is damaged, or a model that it names is gone or is another one.
    """
    place = place_of(run)
    require(place is not None, "there is no fact checker", where=f"{PREFIX}:{run}", hint=HINT)
    assert place is not None
    where = str(place / FACTS)
    with file_errors("no fact checker can be read", where=str(place), hint=HINT):
        facts = read_facts(place / FACTS)
        noted = msgspec.convert(facts["probe"], list[float])
        guard = _read(facts, read_tensors(place / TENSORS), where, device)
    said = guard(PROBES).harm_N
    same = len(noted) == len(said) and bool((said - torch.tensor(noted)).abs().max() <= TOLERANCE)
    hint = "put the models back that it was fitted on, or fit one again"
    require(same, "its models are others than those that it was fitted on", where=where, hint=hint)
    return guard


def _read(facts: Mapping[str, object], tensors: Mapping[str, Tensor], where: str, device: str) -> FactGuard:
    method = decode(msgspec.convert(facts["method"], dict[str, object]), where=where)
    if not isinstance(method, LMFactCheck):
        raise ValueError(f"{type(method).__name__} checks no facts")
    memory = MaskedModel.load(msgspec.convert(facts["model"], str), device=device)
    entailment = msgspec.convert(facts["entailment"], str)
    reader = Entailment(Classifier.load(entailment, device=device)) if entailment else None
    guard = FactGuard(memory, reader, method)
    if msgspec.convert(facts["fitted"], bool):
        guard.head = FactHead(len(tensors["mean_F"]), len(tensors["inner.bias"]), seed=0)
        guard.head.load_state_dict(dict(tensors))
    return guard


@dataclass(frozen=True)
class Supported:
    """A `Reward` that a saved fact checker gives; it is read when it is first asked."""

    place: str
    """The run or directory of a fact checker."""

    def __call__(self, episodes: Sequence[Episode]) -> list[Score]:
        """One score for each episode, in order."""
        if not episodes:
            return []
        return [Score(1 - harm) for harm in self._guard([e.completion for e in episodes]).harm_N.tolist()]

    @property
    def __name__(self) -> str:
        """What its numbers are called in records."""
        return run_name(self.place)

    def __str__(self) -> str:
        return f"reward {PREFIX}:{self.place}"

    @cached_property
    def _guard(self) -> FactGuard:
        return read_fact_guard(self.place)


reward_source(PREFIX, Supported)
