import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from steelyard.core import SteelyardError
from steelyard.policy import Policy
from steelyard.policy.copied import copied

FAMILIES = ("llama", "qwen3", "gpt2", "gpt-neox")
LENGTHS, PROMPT, WIDTH = (10, 7, 5), 3, 10


@pytest.fixture(scope="module", params=FAMILIES)
def policy(request, tiny_model_dir):
    return Policy.load(str(tiny_model_dir(request.param)))


def _rows():
    """Three rows padded on the right with a token that must not matter: tokens, attended, actions."""
    tokens_NT = torch.randint(3, 24, (len(LENGTHS), WIDTH), generator=torch.Generator().manual_seed(0))
    attend_NT = torch.arange(WIDTH) < torch.tensor(LENGTHS)[:, None]
    action_NT = attend_NT & (torch.arange(WIDTH) >= PROMPT)
    action_NT[0, 5] = False  # a token in the middle that the policy did not choose
    return tokens_NT.where(attend_NT, 1), attend_NT, action_NT


def _to_left(rows_NT):
    return torch.stack([row.roll(WIDTH - n) for row, n in zip(rows_NT, LENGTHS, strict=True)])


def _naive(whole, temperature=1.0):
    """Full log-softmax by transformers' model, one unpadded row at a time."""
    tokens_NT, _, action_NT = _rows()
    logp_NT, entropy_NT = torch.zeros(tokens_NT.shape), torch.zeros(tokens_NT.shape)
    for i, n in enumerate(LENGTHS):
        logp_TV = (whole.model(tokens_NT[i : i + 1, :n]).logits[0] / temperature).log_softmax(-1)
        for t in action_NT[i].nonzero()[:, 0]:
            logp_NT[i, t] = logp_TV[t - 1, tokens_NT[i, t]]
            entropy_NT[i, t] = -(logp_TV[t - 1].exp() * logp_TV[t - 1]).sum()
    return logp_NT, entropy_NT


@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_equals_the_full_log_softmax(policy, by_transformers, temperature):
    found = policy.step_logp(*_rows(), temperature=temperature, entropy=True)
    logp_NT, entropy_NT = _naive(by_transformers(policy), temperature)
    torch.testing.assert_close(found.logp_NT, logp_NT, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.entropy_NT, entropy_NT, atol=1e-5, rtol=1e-5)
    assert policy.step_logp(*_rows()).entropy_NT is None


@pytest.mark.parametrize("chunk", [None, 1])
@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_the_other_tokens_have_the_mean_of_the_full_log_softmax(policy, by_transformers, temperature, chunk):
    tokens_NT, _, action_NT = _rows()
    found = policy.step_logp(*_rows(), temperature=temperature, others=True, chunk=chunk)
    whole = by_transformers(policy)
    expected_NT = torch.zeros(tokens_NT.shape)
    for i, n in enumerate(LENGTHS):
        logp_TV = (whole.model(tokens_NT[i : i + 1, :n]).logits[0] / temperature).log_softmax(-1)
        for t in action_NT[i].nonzero()[:, 0]:
            others_V = torch.arange(logp_TV.shape[1]) != tokens_NT[i, t]
            expected_NT[i, t] = logp_TV[t - 1][others_V].mean()
    torch.testing.assert_close(found.others_NT, expected_NT, atol=1e-5, rtol=1e-5)
    by, by_whole = (
        torch.autograd.grad(x_NT.sum(), [*one.trainable().values()])
        for x_NT, one in ((found.others_NT, policy), (expected_NT, whole))
    )
    for a, b in zip(by, by_whole, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)
    assert policy.step_logp(*_rows()).others_NT is None


def test_left_padding_equals_right_padding(policy):
    right, left = policy.step_logp(*_rows()), policy.step_logp(*map(_to_left, _rows()))
    torch.testing.assert_close(left.logp_NT, _to_left(right.logp_NT), atol=1e-5, rtol=0)
    torch.testing.assert_close(left.prompt_ND, right.prompt_ND, atol=1e-5, rtol=0)


def test_the_padding_token_does_not_matter(policy):
    tokens_NT, attend_NT, action_NT = map(_to_left, _rows())
    other_NT = tokens_NT.where(attend_NT, 20)
    one, two = (policy.step_logp(t, attend_NT, action_NT).logp_NT for t in (tokens_NT, other_NT))
    torch.testing.assert_close(one, two, atol=1e-6, rtol=0)


def _gradients(policy, chunk):
    found = policy.step_logp(*map(_to_left, _rows()), entropy=True, chunk=chunk)
    loss = (found.logp_NT.sum(1) ** 2).sum() + found.entropy_NT.sum() + found.prompt_ND.square().sum()
    return found, torch.autograd.grad(loss, [*policy.trainable().values()])


@pytest.mark.parametrize("chunk", [1, 4])
def test_chunks_change_neither_value_nor_gradient(policy, chunk):
    # In float32 what is left of large terms that cancel differs from processor to processor, by more than the bound.
    policy = copied(policy)
    policy.model.double()
    (whole, whole_grads), (cut, cut_grads) = _gradients(policy, 1000), _gradients(policy, chunk)
    torch.testing.assert_close(cut.logp_NT, whole.logp_NT, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(cut.entropy_NT, whole.entropy_NT, atol=1e-6, rtol=1e-6)
    for a, b in zip(cut_grads, whole_grads, strict=True):
        assert a.isfinite().all()
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_the_gradient_is_that_of_the_full_log_softmax(policy, by_transformers):
    whole = by_transformers(policy)
    assert [*policy.trainable()] == [*whole.trainable()]
    found = torch.autograd.grad(policy.step_logp(*_rows(), chunk=4).logp_NT.sum(), [*policy.trainable().values()])
    expected = torch.autograd.grad(_naive(whole)[0].sum(), [*whole.trainable().values()])
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_the_prompt_is_the_mean_of_its_hidden_states(policy):
    tokens_NT, attend_NT, action_NT = _rows()
    hidden_TD = policy.backbone(tokens_NT[1:2, :PROMPT])[0][0]
    found_ND = policy.step_logp(tokens_NT, attend_NT, action_NT).prompt_ND
    torch.testing.assert_close(found_ND[1], hidden_TD.mean(0), atol=1e-5, rtol=1e-5)


def test_infinite_temperature_is_uniform(policy):
    _, _, action_NT = rows = _rows()
    found = policy.step_logp(*rows, temperature=math.inf)
    expected_NT = torch.where(action_NT, -math.log(policy.vocab_size), 0.0)
    torch.testing.assert_close(found.logp_NT, expected_NT)


def test_rows_without_actions_say_nothing_and_still_have_a_gradient(policy):
    tokens_NT, attend_NT, action_NT = _rows()
    found = policy.step_logp(tokens_NT, attend_NT, torch.zeros_like(action_NT))
    assert not found.logp_NT.any()
    found.logp_NT.sum().backward()
    policy.model.zero_grad()


def test_wrong_temperatures_and_impossible_actions_are_refused(policy):
    tokens_NT, attend_NT, action_NT = _rows()
    with pytest.raises(SteelyardError, match="temperature"):
        policy.step_logp(tokens_NT, attend_NT, action_NT, temperature=0.0)
    with pytest.raises(ValueError, match="before it"):  # the very first token
        policy.step_logp(tokens_NT, attend_NT, attend_NT)
    with pytest.raises(ValueError, match="attended"):  # padding
        policy.step_logp(tokens_NT, attend_NT, action_NT | ~attend_NT)


class _Largest(TorchDispatchMode):
    """The most numbers with a last axis of V that any operation returns."""

    def __init__(self, v):
        super().__init__()
        self.v, self.size = v, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else [out]:
            if isinstance(tensor, torch.Tensor) and tensor.shape[-1:] == (self.v,):
                self.size = max(self.size, tensor.numel())
        return out


def test_no_logits_of_the_whole_batch_are_made_or_kept(policy):
    n, t, chunk, v = 8, 40, 16, policy.vocab_size
    tokens_NT = torch.randint(3, 24, (n, t), generator=torch.Generator().manual_seed(1))
    attend_NT, action_NT = torch.ones(n, t, dtype=torch.bool), (torch.arange(t) > 0).expand(n, t)
    own = {p.untyped_storage().data_ptr() for p in policy.model.parameters()}

    def most_logits(chunk):
        """The most in one tensor that the forward pass keeps, and that either pass makes."""
        kept = [0]

        def seen(tensor):
            if tensor.shape[-1:] == (v,) and tensor.untyped_storage().data_ptr() not in own:
                kept.append(tensor.numel())
            return tensor

        with _Largest(v) as made:
            with torch.autograd.graph.saved_tensors_hooks(seen, lambda tensor: tensor):
                logp_NT = policy.step_logp(tokens_NT, attend_NT, action_NT, chunk=chunk).logp_NT
            logp_NT.sum().backward()
        policy.model.zero_grad()
        return max(kept), made.size

    assert most_logits(10**6) == (n * (t - 1) * v, n * (t - 1) * v)  # the probe sees what it looks for
    assert most_logits(chunk) == (0, chunk * v)
