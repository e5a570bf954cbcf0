"""A model as a guard against claims that are not true: its numbers by hand, the threshold, and what is saved."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import SteelyardError
from steelyard.guard import ClaimGuard, RateFT
from steelyard.guard.base import Guard
from steelyard.guard.claim_guard import AT_ONCE, FACTS, balanced_accuracy, best_threshold, detected, surprise
from steelyard.guard.labelled import Labelled
from steelyard.guard.saved import read_guard
from steelyard.policy import Policy

ASKS = RateFT(claim_template="{prompt}#", factual="a", hallucinated="b")
TEXTS = [f"{i}+1={i}" for i in range(AT_ONCE + 3)]


@pytest.fixture(scope="module")
def guard(tiny_model_dir: Callable[[str], Path]) -> ClaimGuard:
    return ClaimGuard(Policy.load(str(tiny_model_dir("llama"))), ASKS, threshold=0.5)


def test_it_is_what_the_model_says_first(guard: ClaimGuard) -> None:
    policy = guard.policy
    ruling = guard(TEXTS)
    label = {word: policy.tokenizer.encode(word, add_special_tokens=False)[0] for word in "ab"}
    for text, harm in list(zip(TEXTS, ruling.harm_N.tolist(), strict=True))[:: AT_ONCE // 2]:
        logp_V = policy.next_logp(torch.tensor([policy.encode(f"{text}#")]))[0, -1]
        odds = float(logp_V[label["b"]] - logp_V[label["a"]])
        assert harm == pytest.approx(1 / (1 + math.exp(0.5 - odds)), abs=1e-5)
    assert ruling.state_ND.shape == (len(TEXTS), policy.hidden_size)
    assert isinstance(guard, Guard)
    assert len(guard([]).harm_N) == 0


def test_a_ruling_depends_on_the_text_alone(guard: ClaimGuard) -> None:
    turned = guard(TEXTS[::-1])
    assert torch.allclose(guard(TEXTS).harm_N.flip(0), turned.harm_N, atol=1e-5)
    assert torch.allclose(guard(TEXTS[:1]).state_ND, turned.state_ND[-1:], atol=1e-4)


@pytest.mark.parametrize(("odds", "harm", "threshold"), [
    ([0.0, 1.0, 3.0], [0, 0, 1], 2.0),
    ([3.0, 0.0, 1.0], [1, 0, 1], 0.5),
    ([0.0, 1.0, 2.0, 3.0], [0, 1, 0, 1], 2.5),  # as good as 0.5, and later
    ([1.0, 1.0], [0, 1], 2.0),  # nothing tells them apart
])  # fmt: skip
def test_the_threshold_by_hand(odds: list[float], harm: list[int], threshold: float) -> None:
    assert best_threshold(np.array(odds), np.array(harm, bool)) == threshold


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=9))
def test_no_threshold_is_better(pairs: list[tuple[int, bool]]) -> None:
    odds_N = np.array([float(odds) for odds, _ in pairs])
    harm_N = np.array([harm for _, harm in pairs])
    if harm_N.all() or not harm_N.any():
        return
    ours = balanced_accuracy(odds_N >= best_threshold(odds_N, harm_N), harm_N)
    others = [balanced_accuracy(odds_N >= tau, harm_N) for tau in np.arange(-3.5, 4.0)]
    assert ours == pytest.approx(max(others))


def test_balanced_accuracy_by_hand() -> None:
    """Of two hallucinated claims one is found, of four true ones three are passed."""
    ruled = np.array([True, False, True, False, False, False])
    assert balanced_accuracy(ruled, np.array([True, True] + [False] * 4)) == (1 / 2 + 3 / 4) / 2


def test_what_is_measured_by_hand(guard: ClaimGuard) -> None:
    odds_N, _ = guard.read(TEXTS)
    truth = torch.from_numpy(odds_N >= np.median(odds_N))
    row, samples = detected(replace(guard, threshold=float(np.median(odds_N))), Labelled(TEXTS, truth), {"eval/x": 1.0})
    assert (row["eval/auroc"], row["eval/balanced"], row["eval/f1"], row["eval/x"]) == (1.0, 1.0, 1.0, 1.0)
    assert row["eval/texts"] == len(TEXTS) and samples


def test_surprise_is_the_mean_over_tokens(guard: ClaimGuard) -> None:
    policy = guard.policy
    found = surprise(policy, ["12ab", "3"])
    logp_TV = policy.next_logp(torch.tensor([policy.encode("12ab")]))[0].double()
    tokens = policy.encode("12ab")
    said = [float(logp_TV[i, token]) for i, token in enumerate(tokens[1:])]
    assert found["logp"][0] == pytest.approx(-np.mean(said), abs=1e-5)
    entropies = [float(-(row.exp() * row).sum()) for row in logp_TV[: len(said)]]
    assert found["entropy"][0] == pytest.approx(np.mean(entropies), abs=1e-4)
    assert len(found["logp"]) == 2


def test_it_comes_back_from_a_directory(guard: ClaimGuard, tmp_path: Path) -> None:
    guard.write(tmp_path / "model")
    again = read_guard(tmp_path / "model")
    assert isinstance(again, ClaimGuard)
    assert (again.asks, again.threshold, again.num_parameters) == (ASKS, 0.5, guard.num_parameters)
    assert torch.allclose(again(TEXTS[:5]).harm_N, guard(TEXTS[:5]).harm_N, atol=1e-6)
    facts = json.loads((tmp_path / "model" / FACTS).read_text())
    for wrong in ({"kind": "claims"}, {**facts, "threshold": "low"}, {**facts, "asks": {"method": "efl"}}):
        (tmp_path / "model" / FACTS).write_text(json.dumps(wrong))
        with pytest.raises(SteelyardError, match="no guard can be read"):
            read_guard(tmp_path / "model")
        with pytest.raises(SteelyardError, match="no detector can be read"):
            ClaimGuard.read_from(str(tmp_path / "model"), "cpu")
