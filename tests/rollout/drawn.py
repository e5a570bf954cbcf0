"""Requests, trajectories by address, and what the policy says of them: what the tests of every engine ask for."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch

from steelyard.core import Engine, Request, Sampling, Trajectory, Weights
from steelyard.policy import Policy

PROMPTS = {"a": (5, 14, 6, 16), "b": (9,), "c": (4, 4, 15, 7, 7, 16, 20)}
Address = tuple[str, int]


def requests_for(samples: int = 3, prompts: dict[str, tuple[int, ...]] = PROMPTS) -> list[Request]:
    return [Request(id, tokens, sample) for id, tokens in prompts.items() for sample in range(samples)]


def by_address(trajectories: Iterable[Trajectory]) -> dict[Address, Trajectory]:
    found = list(trajectories)
    named = {(t.prompt_id, t.sample): t for t in found}
    assert len(named) == len(found)
    return named


def run(engine: Engine, requests: Sequence[Request], sampling: Sampling) -> dict[Address, Trajectory]:
    found = by_address(engine.generate(requests, sampling))
    assert found.keys() == {(r.prompt_id, r.sample) for r in requests}
    return found


def step_logp(policy: Policy, trajectory: Trajectory, temperature: float = 1.0) -> np.ndarray:
    with torch.no_grad():
        tokens_NT = torch.tensor(trajectory.tokens_T)[None].long()
        action_NT = torch.tensor(trajectory.action_T)[None]
        found = policy.step_logp(tokens_NT, torch.ones_like(action_NT), action_NT, temperature=temperature)
    return found.logp_NT[0].numpy()


def changed(policy: Policy, version: int, by: float = 1.3) -> Weights:
    """The policy's own weights, larger; these are then the policy's."""
    with torch.no_grad():
        for p in policy.trainable().values():
            p.mul_(by)
    return Weights.of(policy.weights(), version)


def assert_same(found: Trajectory, expected: Trajectory, atol: float = 1e-4) -> None:
    assert found.tokens_T.tolist() == expected.tokens_T.tolist()
    assert found.finish == expected.finish
    np.testing.assert_allclose(found.logp_behaviour_T, expected.logp_behaviour_T, atol=atol)
