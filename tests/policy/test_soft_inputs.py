"""Vectors in the place of embeddings: mixtures and their log-probabilities by hand, and what they reduce to."""

import math

import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.policy import Policy, loading
from steelyard.policy.soft_inputs import check_soft, embeddings, fed, mixture, root_mean_square, soft_step_logp

TOKENS = torch.tensor([[5, 14, 6, 16, 7, 9]])
REAL = torch.ones_like(TOKENS, dtype=torch.bool)
ACTION = torch.tensor([[False, False, False, False, True, True]])
SOFT = torch.tensor([[False, False, True, True, False, False]])


@pytest.fixture(params=["llama", "llama by transformers", "gpt2", "gpt-neox"])
def policy(request, tiny_model_dir):
    family, _, other = request.param.partition(" ")
    place = str(tiny_model_dir(family))
    return Policy(*loading.load(place, "float32")) if other else Policy.load(place)


def test_a_mixture_by_hand():
    embedding_VD = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    logits_MV = torch.tensor([[0.0, 0.5 * math.log(3)]])
    assert mixture(logits_MV, 0.5, embedding_VD)[0].tolist() == pytest.approx([0.25, 1.5])
    assert mixture(logits_MV, 1e-4, embedding_VD)[0].tolist() == pytest.approx([0.0, 2.0])


def test_a_tokens_own_embedding_changes_nothing(policy):
    plain = policy.step_logp(TOKENS, REAL, ACTION).logp_NT
    own_NTD = embeddings(policy)[TOKENS].detach()
    with fed(policy, own_NTD, SOFT):
        same = policy.step_logp(TOKENS, REAL, ACTION).logp_NT
    with fed(policy, own_NTD.flip(1), SOFT):
        other = policy.step_logp(TOKENS, REAL, ACTION).logp_NT
    torch.testing.assert_close(same, plain, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(other, plain, atol=1e-3)
    assert not policy.hooked


def test_log_probabilities_by_hand(policy):
    """At the embeddings of tokens, h is known from the next-token probabilities of the tokens themselves."""
    embedding_VD = embeddings(policy).detach()
    vector_NTD = embedding_VD[TOKENS]
    found = soft_step_logp(
        policy, TOKENS, REAL, ACTION, vector_NTD, SOFT, soft_temperature=0.5, sigma=0.7, temperature=1.0
    )
    next_NTV = policy.next_logp(TOKENS)
    for t in (2, 3):
        h_D = (next_NTV[0, t - 1] / 0.5).softmax(-1) @ embedding_VD
        gap = (vector_NTD[0, t] - h_D).square().sum() / (2 * 0.7**2)
        assert found[0, t].item() == pytest.approx(-gap.item(), rel=1e-4)
    for t in (4, 5):
        assert found[0, t].item() == pytest.approx(next_NTV[0, t - 1, TOKENS[0, t]].item(), abs=1e-4)
    assert found[0, :2].tolist() == [0.0, 0.0]


def test_what_was_fed_is_a_constant_and_the_mixture_is_not(policy):
    vector_NTD = embeddings(policy).detach()[TOKENS] + 0.1
    found = soft_step_logp(policy, TOKENS, REAL, ACTION & False, vector_NTD, SOFT, soft_temperature=0.5, sigma=1.0)
    found.sum().backward()
    assert policy.model.get_input_embeddings().weight.grad.abs().sum() > 0
    assert not vector_NTD.requires_grad


def test_the_root_mean_square_is_that_of_single_numbers(policy):
    found = embeddings(policy).detach().double()
    assert root_mean_square(policy) == pytest.approx(found.pow(2).mean().sqrt().item(), rel=1e-5)


def test_models_without_soft_tokens_are_refused(tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("gpt2")))
    check_soft(policy)
    hook = policy.model.register_forward_hook(lambda *_: None)
    with pytest.raises(SteelyardError, match=r"soft: an intervention or a hook changes .* take it out"):
        check_soft(policy)
    hook.remove()
    policy.caches = False
    with pytest.raises(SteelyardError, match="soft: the model has recurrent layers"):
        check_soft(policy)
