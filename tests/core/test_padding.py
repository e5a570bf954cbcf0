import numpy as np
import torch

from steelyard.core import Sampling, Trajectory, pad, pad_stack


def trajectory(tokens, num_prompt):
    tokens_T = np.array(tokens, np.int32)
    action_T = np.arange(len(tokens)) >= num_prompt
    return Trajectory("p", tokens_T, action_T, np.zeros(len(tokens), np.float32), 0, "d", Sampling(), "stop")


def test_pad_on_the_right():
    padded = pad([trajectory([5, 6, 7], 1), trajectory([8, 9], 1)])
    assert padded.tokens_NT.tolist() == [[5, 6, 7], [8, 9, 0]]
    assert padded.attend_NT.tolist() == [[True, True, True], [True, True, False]]
    assert padded.action_NT.tolist() == [[False, True, True], [False, True, False]]
    assert padded.tokens_NT.dtype == torch.int64


def test_pad_to_a_length():
    padded = pad([trajectory([5, 6], 1)], 4)
    assert padded.tokens_NT.tolist() == [[5, 6, 0, 0]]
    assert not padded.attend_NT[0, 2:].any()


def test_stack_keeps_the_dtype():
    out = pad_stack([np.array([1.5]), np.array([]), np.array([1.0, 2.0])], 2, np.float32)
    assert out.dtype == np.float32
    assert out.tolist() == [[1.5, 0.0], [0.0, 0.0], [1.0, 2.0]]
