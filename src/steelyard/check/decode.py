"""Checks for decode rules: pure functions of the logits and of the candidates that were sampled."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from steelyard.check.verdict import Check, demand
from steelyard.decode import DecodeRule

_TEXTS = ("", "a", ".", "\n", "a.", ".a", "?!", "\u00e9", "\U0001f600", " ", "word")


def _logits() -> Tensor:
    """Logits of eight distributions over twelve tokens, from certain to uniform; half of them truncated by -inf."""
    draws = torch.Generator().manual_seed(0)
    logits_NV = torch.randn(8, 12, generator=draws) * torch.logspace(1.5, -2, 8)[:, None]
    logits_NV[::2, 6:] = -torch.inf
    return logits_NV


def _candidates() -> list[np.ndarray]:
    """Four continuations of other lengths and log-probabilities."""
    draws = np.random.default_rng(0)
    return [-draws.random(length).astype(np.float32) * (length + 1) for length in (3, 1, 5, 2)]


def rule_candidates(rule: DecodeRule) -> None:
    """At least 1 for each row, as a function of that row alone; the logits stay unchanged."""
    logits_NV = _logits()
    number_N = rule.num_candidates(logits_NV)
    demand(tuple(number_N.shape) == (len(logits_NV),), f"{len(logits_NV)} rows got {len(number_N)} numbers")
    demand(bool((number_N >= 1).all()), f"it asks for {number_N.min()} continuations")
    demand(len(rule.num_candidates(logits_NV[:0])) == 0, "no rows do not give no numbers")
    demand(torch.equal(logits_NV, _logits()), "it changes the logits that it is shown")
    demand(torch.equal(rule.num_candidates(logits_NV.flip(0)).flip(0), number_N), "the order of rows matters")
    demand(torch.equal(rule.num_candidates(logits_NV[3:4]), number_N[3:4]), "a row's company matters")
    demand(
        torch.equal(rule.num_candidates(logits_NV + 2.0), number_N),
        "logits of the same distribution give another number",
    )


def rule_draws_nothing(rule: DecodeRule) -> None:
    """Two calls agree, and torch's own generator is left alone."""
    before = torch.get_rng_state()
    for what, first, second in (
        ("num_candidates", rule.num_candidates(_logits()).tolist(), rule.num_candidates(_logits()).tolist()),
        ("closes", [rule.closes(text) for text in _TEXTS], [rule.closes(text) for text in _TEXTS]),
        ("choose", rule.choose(_candidates()), rule.choose(_candidates())),
    ):
        demand(first == second, f"two calls of {what} differ")
    demand(torch.equal(before, torch.get_rng_state()), "it draws from torch's global generator")


def rule_closes(rule: DecodeRule) -> None:
    """True or false for whatever a token may say, also for nothing."""
    for text in _TEXTS:
        demand(isinstance(rule.closes(text), bool), f"for {text!r} it says {rule.closes(text)!r}")


def rule_chooses(rule: DecodeRule) -> None:
    """One of those that were tried, wherever it stands; of one, this one."""
    candidates = _candidates()
    chosen = rule.choose(candidates)
    demand(0 <= chosen < len(candidates), f"of {len(candidates)} continuations it keeps number {chosen}")
    demand(rule.choose(candidates[::-1]) == len(candidates) - 1 - chosen, "the order of continuations matters")
    demand(rule.choose(candidates[:1]) == 0, "of one continuation it keeps another")
    same = all(np.array_equal(a, b) for a, b in zip(candidates, _candidates(), strict=True))
    demand(same, "it changes the log-probabilities that it is shown")


DECODE_CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "rule-candidates": rule_candidates,
        "rule-draws-nothing": rule_draws_nothing,
        "rule-closes": rule_closes,
        "rule-chooses": rule_chooses,
    }
)
