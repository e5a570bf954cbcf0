import numpy as np
import torch

from steelyard.policy import Policy
from steelyard.policy.other_weights import ROOM, OtherWeights


def test_others_are_there_inside_and_the_own_ones_afterwards(tiny_model_dir):
    policy, other = (Policy.load(str(tiny_model_dir("llama"))) for _ in range(2))
    with torch.no_grad():
        for p in other.trainable().values():
            p.mul_(1.5)
    own, theirs = policy.weights(), other.weights()
    places = [p.data_ptr() for p in policy.trainable().values()]
    others = OtherWeights([*policy.trainable().values()])
    tokens = torch.tensor([[5, 14, 6]])
    for _ in range(2):
        with others.in_place(theirs):
            assert np.array_equal(policy.weights(), theirs)
            assert torch.equal(policy.next_logp(tokens), other.next_logp(tokens))
        assert np.array_equal(policy.weights(), own)
    assert [p.data_ptr() for p in policy.trainable().values()] == places


def test_what_was_not_wanted_for_longest_is_forgotten(tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("llama")))
    others = OtherWeights([*policy.trainable().values()])
    blocks = [policy.weights() for _ in range(ROOM + 1)]
    for block in (*blocks[:ROOM], blocks[0], blocks[ROOM]):
        with others.in_place(block):
            pass
    assert [id(block) for block, _ in others._kept] == [id(blocks[0]), id(blocks[ROOM])]
