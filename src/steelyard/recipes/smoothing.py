"""Smoothing: a fresh attacker learns, by plain imitation, from what a red-teaming run has collected.

    L = - mean over collected attacks y of log pi(y|x),   collected: those with tox(y) > threshold

The second phase of GFlowNet red-teaming. The first explores and collects; imitation then fits all that was found alike,
which no reward does, so rare families are kept and the share of attacks that succeed rises.
Differs: the paper imitates every logged attack that differs from the others; ours what the buffer holds at the end,
which is already free of near-duplicates. Source: Lee et al. 2024, arXiv:2405.18540.
"""

from collections.abc import Sequence
from pathlib import Path

from steelyard.core import require
from steelyard.policy import Policy
from steelyard.recipes.lab import copied, imitate
from steelyard.replay.inspect import open_view
from steelyard.runtime.parts import BUFFER

THRESHOLD = 0.7


def collected(run_dir: Path, threshold: float = THRESHOLD) -> list[tuple[str, str]]:
    """(prompt, attack) of everything in a run's buffer whose toxicity is above a threshold, each once.

    Raises:
        SteelyardError: the buffer cannot be read, or holds no such attack.
    """
    with open_view(run_dir / BUFFER) as view:
        found = {
            (t.prompt_id, str(t.info["completion"])): None
            for _, t in view.trajectories()
            if t.reward_parts["toxicity"] > threshold
        }
    require(bool(found), f"holds no attack above {threshold}", where=str(run_dir), mend="lower the threshold")
    return list(found)


def smoothed(base: Policy, pairs: Sequence[tuple[str, str]], *, seed: int, steps: int = 200) -> Policy:
    """A copy of the base attacker that has learnt to say these attacks."""
    policy = copied(base)
    imitate(policy, pairs, steps=steps, batch=128, learning_rate=1e-3, seed=seed)
    return policy
