import torch

from steelyard.model import MeanShift
from steelyard.policy import Policy
from steelyard.policy.running_copy import running_copy


def test_the_copy_runs_as_the_original_and_is_changed_apart(tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("llama")))
    states = torch.randn(4, 16, generator=torch.Generator().manual_seed(0))
    shift = MeanShift(where="all", strength=3.0).fit({"layers.0": states}, {"layers.0": states.flip(1) + 1})
    tokens_NT = torch.tensor([[5, 9, 4]])
    plain = policy.next_logp(tokens_NT)
    policy.intervene(shift)
    changed = policy.next_logp(tokens_NT)
    made = running_copy(policy)
    assert torch.equal(made.next_logp(tokens_NT), changed)
    assert made.intervention is policy.intervention is shift
    with torch.no_grad():
        next(iter(made.trainable().values())).add_(1.0)
    made.intervene(None)
    assert torch.equal(policy.next_logp(tokens_NT), changed)
    policy.intervene(None)
    assert torch.equal(policy.next_logp(tokens_NT), plain)
    assert torch.equal(running_copy(policy).next_logp(tokens_NT), plain)
