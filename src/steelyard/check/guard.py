"""Checks for routers: a fitted gate is a pure function of the state, or of the text, and recovers what it was shown."""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import torch
from torch import Tensor

from steelyard.check.verdict import Check, demand
from steelyard.core import SteelyardError
from steelyard.guard import Gate, Router, TextGate, TextRouter


def _examples(num: int = 128, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """States, and who is right: the small guard where the first number is negative, the large one nearly everywhere."""
    draws = torch.Generator().manual_seed(seed)
    state_ND = torch.randn(num, 4, generator=draws)
    return state_ND, state_ND[:, 0] < 0, torch.rand(num, generator=draws) < 0.95


@lru_cache(maxsize=8)
def _fitted(router: Router) -> Gate:
    return _fit(router)


def _fit(router: Router) -> Gate:
    return router.fit(*_examples(), seed=7)


def gate_scores(router: Router) -> None:
    """One score from 0 to 1 for each state, none for none; it routes what scores high."""
    gate = _fitted(router)
    (state_ND, *_) = _examples()
    score_N = gate.score(state_ND)
    routed_N = gate.routes(state_ND)
    demand(len(score_N) == len(routed_N) == len(state_ND), f"{len(state_ND)} states got {len(score_N)} scores")
    demand(bool(((score_N >= 0) & (score_N <= 1)).all()), "a score is not from 0 to 1")
    demand(len(gate.score(state_ND[:0])) == len(gate.routes(state_ND[:0])) == 0, "no states do not give no scores")
    if routed_N.any() and not routed_N.all():
        demand(bool(score_N[routed_N].min() >= score_N[~routed_N].max()), "it routes a state and keeps a higher score")


def gate_alone(router: Router) -> None:
    """A state's score depends neither on its place nor on its company, and two calls agree."""
    gate = _fitted(router)
    (state_ND, *_) = _examples()
    score_N = gate.score(state_ND)
    demand(torch.equal(score_N, gate.score(state_ND)), "two calls differ")
    demand(torch.allclose(score_N, gate.score(state_ND.flip(0)).flip(0), atol=1e-5), "the order of states matters")
    demand(torch.allclose(score_N[:1], gate.score(state_ND[:1]), atol=1e-5), "a state's company matters")


def gate_seeded(router: Router) -> None:
    """The same examples and seed give the same gate, whatever torch's own generator does; it is left alone, too."""
    (state_ND, *_) = _examples()
    before = torch.get_rng_state()
    first = _fit(router).score(state_ND)
    demand(torch.equal(before, torch.get_rng_state()), "it draws from torch's global generator")
    demand(torch.equal(first, _fitted(router).score(state_ND)), "two fits with one seed differ")


def gate_learns(router: Router) -> None:
    """Where the small guard is wrong in half of the space, it ranks most new states of that half above the others."""
    state_ND, small_right_N, _ = _examples(seed=1)
    score_N = _fitted(router).score(state_ND)
    wrong = score_N[~small_right_N]
    right = score_N[small_right_N]
    ordered = float((wrong[:, None] > right).float().mean())
    demand(ordered > 0.8, f"of pairs of states it ranks {ordered:.0%} rightly, not more than 80 %")


def gate_one_class(router: Router) -> None:
    """Examples in which the large guard is never needed are learned from; none at all are refused."""
    state_ND, *_ = _examples()
    every = torch.ones(len(state_ND), dtype=torch.bool)
    seldom = float(router.fit(state_ND, every, every, seed=7).score(state_ND).mean())
    demand(seldom < 0.5, f"it scores {seldom:.2f} where the small guard does everywhere")
    try:
        router.fit(state_ND[:0], every[:0], every[:0], seed=7)
    except SteelyardError:
        return
    demand(False, "it fits no examples at all")


def _told(num: int = 128, seed: int = 0) -> tuple[list[str], Tensor, Tensor]:
    """Texts, and who is right: the small guard where the word "cloaked" is missing, the large one nearly everywhere."""
    draws = torch.Generator().manual_seed(seed)
    words = ("gate", "river", "seven", "plain", "cloaked")
    drawn = torch.rand(num, len(words), generator=draws) < 0.5
    texts = [
        " ".join(["start", *(word for word, there in zip(words, row, strict=True) if there)]) for row in drawn.tolist()
    ]
    return texts, ~drawn[:, -1], torch.rand(num, generator=draws) < 0.95


@lru_cache(maxsize=8)
def _fitted_texts(router: TextRouter) -> TextGate:
    return router.fit_texts(*_told(), seed=7)


def text_gate_scores(router: TextRouter) -> None:
    """One score from 0 to 1 for each text, none for none; it routes what scores high."""
    gate = _fitted_texts(router)
    (texts, *_) = _told()
    score_N = gate.score_texts(texts)
    routed_N = gate.routes_texts(texts)
    demand(len(score_N) == len(routed_N) == len(texts), f"{len(texts)} texts got {len(score_N)} scores")
    demand(bool(((score_N >= 0) & (score_N <= 1)).all()), "a score is not from 0 to 1")
    demand(len(gate.score_texts([])) == len(gate.routes_texts([])) == 0, "no texts do not give no scores")
    if routed_N.any() and not routed_N.all():
        demand(bool(score_N[routed_N].min() >= score_N[~routed_N].max()), "it routes a text and keeps a higher score")


def text_gate_alone(router: TextRouter) -> None:
    """A text's score depends neither on its place nor on its company, and two calls agree."""
    gate = _fitted_texts(router)
    (texts, *_) = _told()
    score_N = gate.score_texts(texts)
    demand(torch.equal(score_N, gate.score_texts(texts)), "two calls differ")
    demand(torch.allclose(score_N, gate.score_texts(texts[::-1]).flip(0), atol=1e-5), "the order of texts matters")
    demand(torch.allclose(score_N[:1], gate.score_texts(texts[:1]), atol=1e-5), "a text's company matters")


def text_gate_seeded(router: TextRouter) -> None:
    """The same examples and seed give the same gate, whatever torch's own generator does; it is left alone, too."""
    (texts, *_) = _told()
    before = torch.get_rng_state()
    first = router.fit_texts(*_told(), seed=7).score_texts(texts)
    demand(torch.equal(before, torch.get_rng_state()), "it draws from torch's global generator")
    demand(torch.equal(first, _fitted_texts(router).score_texts(texts)), "two fits with one seed differ")


def text_gate_learns(router: TextRouter) -> None:
    """Where the small guard is wrong on a word, it ranks most new texts with that word above the others."""
    texts, small_right_N, _ = _told(seed=1)
    score_N = _fitted_texts(router).score_texts(texts)
    ordered = float((score_N[~small_right_N][:, None] > score_N[small_right_N]).float().mean())
    demand(ordered > 0.8, f"of pairs of texts it ranks {ordered:.0%} rightly, not more than 80 %")


def text_gate_one_class(router: TextRouter) -> None:
    """Examples in which the large guard is never needed are learned from; none at all are refused."""
    (texts, *_) = _told()
    every = torch.ones(len(texts), dtype=torch.bool)
    seldom = float(router.fit_texts(texts, every, every, seed=7).score_texts(texts).mean())
    demand(seldom < 0.5, f"it scores {seldom:.2f} where the small guard does everywhere")
    try:
        router.fit_texts([], every[:0], every[:0], seed=7)
    except SteelyardError:
        return
    demand(False, "it fits no examples at all")


GATE_CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "gate-scores": gate_scores,
        "gate-alone": gate_alone,
        "gate-seeded": gate_seeded,
        "gate-learns": gate_learns,
        "gate-one-class": gate_one_class,
    }
)
TEXT_GATE_CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "text-gate-scores": text_gate_scores,
        "text-gate-alone": text_gate_alone,
        "text-gate-seeded": text_gate_seeded,
        "text-gate-learns": text_gate_learns,
        "text-gate-one-class": text_gate_one_class,
    }
)
