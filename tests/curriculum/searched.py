"""Prompts of three domains, and what was found for them."""

import numpy as np

from steelyard.core import Prompt, Sampling, Trajectory

NUM, DOMAINS = 12, 3


def prompts(num=NUM):
    return [Prompt(f"p{i}", f"{i}=", {"domain": 10 * (i % DOMAINS)}) for i in range(num)]


def found(prompt, rewards):
    """Samples of a prompt with these rewards."""
    rewards = [None if reward is None else float(reward) for reward in rewards]
    nothing_T = np.zeros(2, np.float32)
    tokens_T, action_T = np.array([1, 2], np.int32), np.array([False, True])
    return [
        Trajectory(f"p{prompt}", tokens_T, action_T, nothing_T, 0, "", Sampling(), "stop", sample, reward=reward)
        for sample, reward in enumerate(rewards)
    ]
