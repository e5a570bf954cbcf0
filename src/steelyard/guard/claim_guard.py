"""A language model as a guard against claims that are not true: what it says first when it is asked.

It is saved as a directory that transformers loads, with `guard.json` beside the weights. N claims, D hidden size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from steelyard.core import decode, encode, pad
from steelyard.core.auc import auc
from steelyard.core.json import JsonObject
from steelyard.core.model_files import file_errors, read_facts, write_facts
from steelyard.guard.base import Ruling
from steelyard.guard.labelled import Labelled
from steelyard.guard.measures import alone, examples
from steelyard.guard.rate_ft import RateFT
from steelyard.learner.demonstrations import given
from steelyard.policy import Policy

FACTS = "guard.json"
KIND = "claims"
AT_ONCE = 32
"""Claims of a forward pass."""


@dataclass(frozen=True)
class ClaimGuard:
    """A detector of claims that are not true."""

    policy: Policy
    asks: RateFT
    """How it is asked."""
    threshold: float = 0.0
    """tau: the log-odds from which on a claim is ruled hallucinated."""

    @property
    def num_parameters(self) -> int:
        """Numbers that a token costs one multiplication each, at most."""
        return self.policy.num_parameters(trainable=False)

    def __call__(self, texts: Sequence[str]) -> Ruling:
        """The rulings, with the hidden states from which the label is said."""
        odds_N, state_ND = self.read(texts)
        return Ruling(self.harm(odds_N), torch.from_numpy(state_ND))

    def harm(self, odds_N: Float64[np.ndarray, "N"]) -> Float[Tensor, "N"]:
        """The log-odds as probabilities, moved so that the threshold is a half."""
        return torch.sigmoid(torch.from_numpy(odds_N - self.threshold)).float()

    @torch.no_grad()
    def read(self, texts: Sequence[str]) -> tuple[Float64[np.ndarray, "N"], Float[np.ndarray, "N D"]]:
        """z, the log-odds that a claim is not true, and the states from which that is said."""
        odds = [np.zeros(0)]
        states = [np.zeros((0, self.policy.hidden_size), np.float32)]
        labels = [tokens[0] for tokens in self.asks.labels(self.policy)]
        for start in range(0, len(texts), AT_ONCE):
            asked = [self.asks.asked(self.policy, text) for text in texts[start : start + AT_ONCE]]
            batch = pad([given("", tokens, [label]) for tokens in asked for label in labels])
            found = self.policy.step_logp(batch.tokens_NT, batch.attend_NT, batch.action_NT)
            logp_N2 = found.logp_NT.sum(1).double().cpu().numpy().reshape(-1, 2)
            odds.append(logp_N2[:, 1] - logp_N2[:, 0])
            states.append(found.hidden_MD[::2].float().cpu().numpy())
        return np.concatenate(odds), np.concatenate(states)

    def write(self, directory: Path) -> None:
        """Write the model and how it is asked."""
        self.policy.save(directory)
        facts = {"kind": KIND, "asks": encode(self.asks), "threshold": self.threshold}
        write_facts(facts, directory / FACTS)

    @classmethod
    def restored(cls, directory: Path, facts: Mapping[str, object], device: str = "cpu") -> "ClaimGuard":
        """What `write` wrote.

        Raises:
            SteelyardError: the model cannot be read.
            KeyError, TypeError, ValueError: guard.json is not as it was written.
        """
        asks = decode(msgspec.convert(facts["asks"], dict[str, object]), where=str(directory / FACTS))
        if not isinstance(asks, RateFT):
            raise ValueError(f"{type(asks).__name__} asks about no claims")
        threshold = msgspec.convert(facts["threshold"], float)
        return cls(Policy.load(str(directory)).placed(device), asks, threshold)

    @classmethod
    def read_from(cls, directory: str, device: str) -> "ClaimGuard":
        """The detector that a run wrote.

        Raises:
            SteelyardError: it is missing or damaged.
        """
        with file_errors("no detector can be read", where=directory, hint="restore what the run wrote"):
            return cls.restored(Path(directory), read_facts(Path(directory, FACTS)), device)


def best_threshold(odds_N: Float64[np.ndarray, "N"], harm_N: Bool[np.ndarray, "N"]) -> float:
    """tau: half way between two log-odds where balanced accuracy is best; of several such places the middle one."""
    order = np.argsort(odds_N, kind="stable")
    odds = odds_N[order]
    harm = harm_N[order]
    found_I = np.concatenate([np.cumsum(harm[::-1])[::-1], [0]]) / harm.sum()
    passed_I = np.concatenate([[0], np.cumsum(~harm)]) / (~harm).sum()
    between = np.concatenate([[True], odds[1:] > odds[:-1], [True]])
    balanced_I = np.where(between, (found_I + passed_I) / 2, -1.0)
    best = np.flatnonzero(balanced_I > balanced_I.max() - 1e-9)
    at = best[len(best) // 2]
    ends = np.concatenate([[odds[0] - 2.0], odds, [odds[-1] + 2.0]])
    return float((ends[at] + ends[at + 1]) / 2)


def balanced_accuracy(ruled_N: Bool[np.ndarray, "N"], harm_N: Bool[np.ndarray, "N"]) -> float:
    """The mean of the share of hallucinated claims that are found and that of true ones that are passed."""
    return float((ruled_N[harm_N].mean() + (~ruled_N[~harm_N]).mean()) / 2)


def detected(guard: ClaimGuard, claims: Labelled, others: Mapping[str, float]) -> tuple[JsonObject, list[JsonObject]]:
    """How it rules on these claims, and some of them to read; `others` are what it is compared with."""
    odds_N, _ = guard.read(claims.texts)
    harm_N = guard.harm(odds_N)
    truth_N = claims.harm_N.numpy()
    area = auc(odds_N[truth_N], odds_N[~truth_N])
    balanced = balanced_accuracy(harm_N.numpy() >= 0.5, truth_N)
    row = {"eval/auroc": area, "eval/balanced": balanced, **alone(harm_N, claims), **others}
    return row, [*examples(harm_N, claims, None)]


@torch.no_grad()
def surprise(policy: Policy, texts: Sequence[str]) -> dict[str, Float64[np.ndarray, "N"]]:
    """What a model's own numbers say of texts: minus the mean log-probability of a token, and the mean entropy.

    The first token, before which nothing stands, is not counted; a text of one token has 0.
    """
    found: dict[str, list[float]] = {"logp": [], "entropy": []}
    tokens = policy.encode_all(list(texts))
    for start in range(0, len(texts), AT_ONCE):
        part = [given("", row[:1], row[1 : policy.context_length]) for row in tokens[start : start + AT_ONCE]]
        batch = pad(part)
        read = policy.step_logp(batch.tokens_NT, batch.attend_NT, batch.action_NT, entropy=True)
        assert read.entropy_NT is not None
        counts_N = batch.action_NT.sum(1).clamp(min=1).double()
        found["logp"] += (-read.logp_NT.double().cpu().sum(1) / counts_N.cpu()).tolist()
        found["entropy"] += (read.entropy_NT.double().cpu().sum(1) / counts_N.cpu()).tolist()
    return {name: np.array(values) for name, values in found.items()}
