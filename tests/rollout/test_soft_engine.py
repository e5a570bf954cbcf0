"""Thinking in soft tokens: what is drawn, that it is what is learned from, and what it reduces to."""

import numpy as np
import pytest
import torch

from rollout.drawn import PROMPTS, changed, requests_for, run
from steelyard.core import Engine, Sampling, SteelyardError, from_bytes, to_bytes
from steelyard.learner import Adam
from steelyard.learner.soft_learner import SoftLearner
from steelyard.objective import RLOO
from steelyard.policy import Policy, loading
from steelyard.policy.soft_inputs import embeddings, root_mean_square
from steelyard.rollout import SoftTokens, TransformersEngine
from steelyard.rollout.soft_engine import SoftEngine
from steelyard.rollout.soft_tokens import KEY, soft_of, with_soft

SOFT = SoftTokens(soft_steps=3)
SAMPLING = Sampling(max_tokens=4)


@pytest.fixture(params=["llama", "llama by transformers", "gpt2"])
def policy(request, tiny_model_dir):
    family, _, other = request.param.partition(" ")
    place = str(tiny_model_dir(family))
    return Policy(*loading.load(place, "float32")) if other else Policy.load(place)


@pytest.fixture
def llama(tiny_model_dir):
    return Policy.load(str(tiny_model_dir("llama")))


def engine(policy: Policy, settings: SoftTokens = SOFT, seed: int = 0) -> SoftEngine:
    return SoftEngine(policy, settings, settings.noise * root_mean_square(policy), seed)


def test_what_is_drawn_is_what_is_learned_from(policy):
    found = [*run(engine(policy), requests_for(2), SAMPLING).values()]
    batch = SoftLearner(policy, RLOO(), Adam(), learning_rate=1e-3).soft_batch([found], RLOO())
    for t, logp_T in zip(found, batch.logp_PGT[0].detach().numpy(), strict=True):
        steps = soft_of(t)
        end = steps.first + 3
        np.testing.assert_allclose(logp_T[steps.first : end], steps.logp_S, rtol=2e-3)
        both_T = logp_T[: len(t.tokens_T)][t.action_T]
        np.testing.assert_allclose(both_T, t.logp_behaviour_T[t.action_T], atol=2e-4)
    assert int(batch.action_PGT.sum()) == sum(int(t.action_T.sum()) + 3 for t in found)


def test_a_trajectory_is_prompt_thought_and_answer_by_hand(llama):
    (t,) = run(
        engine(llama, SoftTokens(soft_steps=3, cue=":")), requests_for(1, {"a": PROMPTS["a"]}), SAMPLING
    ).values()
    steps = soft_of(t)
    assert tuple(t.tokens_T[:4]) == PROMPTS["a"]
    assert (steps.first, steps.vector_SD.shape, steps.temperature) == (4, (3, llama.hidden_size), 0.5)
    assert llama.decode(t.tokens_T[7:8]) == ":"
    assert not t.action_T[:8].any()
    assert t.action_T[8:].all()
    mixed_D = llama.next_logp(torch.tensor([PROMPTS["a"]]))[0, -1].div(0.5).softmax(-1) @ embeddings(llama).detach()
    off_D = torch.from_numpy(steps.vector_SD[0].copy()) - mixed_D
    assert steps.logp_S[0] == pytest.approx(-off_D.square().sum().item() / (2 * steps.sigma**2), rel=1e-3)
    same = soft_of(from_bytes(to_bytes(t)))
    assert same.vector_SD.tobytes() == steps.vector_SD.tobytes()


def test_fuzzy_and_without_noise_it_is_greedy_decoding(policy):
    fuzzy = engine(policy, SoftTokens(soft_steps=3, soft_temperature=1e-4))
    found = run(fuzzy, requests_for(1), Sampling(temperature=0.0, max_tokens=4))
    hard = run(TransformersEngine(policy, 0), requests_for(1), Sampling(temperature=0.0, max_tokens=7))
    whole = [key for key, t in hard.items() if len(t.completion_T) == 7]
    assert whole
    for key in whole:
        assert found[key].tokens_T.tolist() == hard[key].tokens_T.tolist()
        assert found[key].finish == "length"


def test_a_draw_depends_on_its_address_alone(llama):
    together = run(engine(llama), requests_for(3), SAMPLING)
    alone = run(engine(llama), [requests_for(3)[4]], SAMPLING)
    ((key, t),) = alone.items()
    assert t.tokens_T.tolist() == together[key].tokens_T.tolist()
    np.testing.assert_allclose(soft_of(t).vector_SD, soft_of(together[key]).vector_SD, atol=1e-4)
    other = run(engine(llama, seed=1), [requests_for(3)[4]], SAMPLING)[key]
    assert abs(soft_of(other).vector_SD - soft_of(t).vector_SD).max() > 1e-2
    thoughts = {soft_of(one).vector_SD.tobytes() for one in together.values()}
    assert len(thoughts) == len(together)


def test_newer_weights_are_taken_and_named(llama):
    soft = engine(llama)
    assert isinstance(soft, Engine)
    own = Policy.load(llama.model.name_or_path)
    soft.load(changed(own, 7))
    assert {t.version for t in run(soft, requests_for(1), SAMPLING).values()} == {7}


def test_what_does_not_fit_is_refused(llama):
    with pytest.raises(SteelyardError, match="exceed the model's context of 4"):
        run(engine(llama, SoftTokens(soft_steps=60)), requests_for(1), SAMPLING)
    learner = SoftLearner(llama, RLOO(), Adam(), learning_rate=1e-3)
    (t, *_) = run(engine(llama), requests_for(1), SAMPLING).values()
    plain = t.replace(info={})
    with pytest.raises(SteelyardError, match="a trajectory has no soft steps; learn from what a SoftEngine drew"):
        learner.soft_batch([[plain]], RLOO())
    other = with_soft(t, soft_of(t)._replace(sigma=9.0))
    with pytest.raises(SteelyardError, match="soft: soft steps were drawn in 2 ways"):
        learner.soft_batch([[t, other]], RLOO())
    assert KEY in t.info


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"soft_steps": 0}, r"soft-tokens\.soft_steps: is 0; use 1 or more"),
        ({"soft_temperature": 0.0}, r"soft-tokens\.soft_temperature: is 0.0; use more than 0"),
        ({"noise": -1.0}, r"soft-tokens\.noise: is -1.0; use more than 0"),
    ],
)
def test_wrong_settings_are_refused(changed, message):
    with pytest.raises(SteelyardError, match=message):
        SoftTokens(**changed)
