import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from rollout.drawn import assert_same, changed, requests_for, run, step_logp
from steelyard.core import Engine, Sampling, SteelyardError, from_bytes, to_bytes
from steelyard.decode import CNTP
from steelyard.policy import Policy, loading
from steelyard.rollout import CandidateEngine, engine_for

FAMILIES = ("llama", "gpt2")


@dataclass(frozen=True)
class Fixed:
    """A fixed number of candidates of a fixed length; keeps the lowest or the highest mean log-probability."""

    number: int = 3
    ends: bool = False
    best: bool = True

    def num_candidates(self, logits_NV):
        return torch.full((len(logits_NV),), self.number)

    def closes(self, text):
        return self.ends

    def choose(self, candidates):
        means = [float(np.mean(logp_T)) for logp_T in candidates]
        return int(np.argmax(means) if self.best else np.argmin(means))


@pytest.fixture(params=FAMILIES)
def policy(request, tiny_model_dir):
    return Policy(*loading.load(str(tiny_model_dir(request.param)), "float32"))


def test_it_is_an_engine(policy):
    assert isinstance(CandidateEngine(policy, CNTP(), 0), Engine)


def test_a_rule_that_never_tries_gives_the_samples_of_every_engine(policy):
    sampling = Sampling(1.2, 10, top_p=0.9)
    plain = run(engine_for(policy, 5), requests_for(4), sampling)
    for rows in (256, 3):
        found = run(CandidateEngine(policy, CNTP(n_max=1), 5, max_rows=rows), requests_for(4), sampling)
        for address, t in found.items():
            assert_same(t, plain[address])
            assert t.info == {"forwards": len(t.completion_T), "candidates": 0}


def test_samples_say_what_they_are(policy):
    sampling = Sampling(1.5, 8)
    found = run(CandidateEngine(policy, CNTP(), 0), requests_for(3), sampling)
    for t in found.values():
        assert t.sampling == Sampling(1.5, 8, rule="cntp")
        assert not t.sampling.full_support
        assert t.info["candidates"] > 1
        assert t.info["forwards"] > len(t.completion_T)
        assert from_bytes(to_bytes(t)).sampling == t.sampling
        np.testing.assert_allclose(t.logp_behaviour_T, step_logp(policy, t, 1.5), atol=1e-4)


def test_whole_candidates_cost_what_they_read(policy):
    """Three candidates of eight tokens, none of which ends early: one position, then seven more for each."""
    found = run(CandidateEngine(policy, Fixed(), 0), requests_for(6), Sampling(max_tokens=8))
    full = [t for t in found.values() if t.finish == "length"]
    assert full
    assert all(len(t.completion_T) == 8 and t.info["candidates"] == 3 for t in full)
    assert max(t.info["forwards"] for t in full) == 1 + 3 * 7


def test_candidates_of_one_token_are_read_at_one_position(policy):
    found = run(CandidateEngine(policy, Fixed(4, ends=True), 0), requests_for(3), Sampling(max_tokens=6))
    for t in found.values():
        assert t.info == {"forwards": len(t.completion_T), "candidates": 4 * len(t.completion_T)}


def test_the_choice_is_the_rules(policy):
    best, worst = (
        run(CandidateEngine(policy, Fixed(8, best=best), 0), requests_for(2), Sampling(max_tokens=6))
        for best in (True, False)
    )
    for address, t in best.items():
        other = worst[address]
        assert np.mean(t.logp_behaviour_T[t.action_T]) >= np.mean(other.logp_behaviour_T[other.action_T])


def test_samples_depend_on_their_address_alone(policy):
    sampling, engine = Sampling(1.5, 8), CandidateEngine(policy, CNTP(), 0, max_rows=4)
    together = run(engine, requests_for(3), sampling)
    alone = run(CandidateEngine(policy, CNTP(), 0), requests_for(3)[::-1][:2], sampling)
    for address, t in alone.items():
        assert_same(t, together[address])
    other = run(CandidateEngine(policy, CNTP(), 1), requests_for(3), sampling)
    assert any(t.tokens_T.tolist() != other[address].tokens_T.tolist() for address, t in together.items())


def test_new_weights_are_taken_and_stamped(tiny_model_dir):
    policy, other = (Policy.load(str(tiny_model_dir("llama"))) for _ in range(2))
    engine, weights = CandidateEngine(policy, CNTP(), 0), changed(other, 3)
    engine.load(weights)
    found = run(engine, requests_for(2), Sampling(max_tokens=4))
    assert {(t.version, t.digest) for t in found.values()} == {(3, weights.digest)}
    assert policy.weights().tobytes() == weights.data.tobytes()


def test_what_cannot_be_followed_is_refused(policy):
    engine = CandidateEngine(policy, CNTP(), 0)
    with pytest.raises(SteelyardError, match="temperature"):
        next(engine.generate(requests_for(1), Sampling(0.0)))
    with pytest.raises(SteelyardError, match="this engine follows cntp"):
        next(engine.generate(requests_for(1), Sampling(rule="other")))
    with pytest.raises(SteelyardError, match="use CandidateEngine"):
        next(iter(engine_for(policy, 0).generate(requests_for(1), Sampling(rule="cntp"))))
    assert len(list(engine.generate(requests_for(1), Sampling(math.inf, 3, rule="cntp")))) == 3
