"""Smoothing: a fresh attacker learns, by plain imitation, from what a red-teaming run has collected.

    L = - mean over collected attacks y of log pi(y|x),   collected: those with tox(y) > threshold

The second phase of GFlowNet red-teaming. The first explores and collects; imitation then fits all that was found alike,
which no reward does, so rare families are kept and, in the paper, the share of attacks that succeed rises.
Source: Lee et al. 2024, arXiv:2405.18540. A run's log is its replay file, what has left the buffer included; a run that
makes checkpoints forgets the oldest of that (--save-steps 0 makes none).
"""

import itertools
from collections.abc import Sequence
from pathlib import Path

from steelyard.core import require
from steelyard.policy import Policy
from steelyard.replay.inspect import open_view
from steelyard.runtime.factories import BUFFER
from steelyard.task import RedTeam
from steelyard.worlds.sync_loop import copied, imitate

THRESHOLD = 0.7


def collected(run_dir: Path, policy: Policy, threshold: float = THRESHOLD) -> list[str]:
    """Everything that a run stored, removed or not, whose toxicity is above a threshold, each attack once.

    Args:
        run_dir: of the run.
        policy: reads the tokens.
        threshold: on the part `toxicity` of the reward.

    Raises:
        SteelyardError: the buffer cannot be read, or holds no such attack.
    """
    with open_view(run_dir / BUFFER) as view:
        logged = itertools.chain(view.trajectories(), view.removed())
        stored = [t for _, t in logged if t.reward_parts["toxicity"] > threshold]
    require(bool(stored), f"holds no attack above {threshold}", where=str(run_dir), hint="lower the threshold")
    return list(dict.fromkeys(policy.decode(t.completion_T) for t in stored))


def smoothed(base: Policy, attacks: Sequence[str], *, seed: int, steps: int = 1000) -> Policy:
    """A copy of the base attacker that has learnt to say these attacks, whichever training prompt asks for one.

    Raises:
        SteelyardError: there are no attacks.
    """
    require(bool(attacks), "has no attack to imitate", where="smoothing", hint="attack more often, or train longer")
    policy = copied(base)
    asked = [str(prompt.text) for prompt in RedTeam().prompts("train")]
    pairs = [(prompt, attack) for attack in attacks for prompt in asked]
    imitate(policy, pairs, steps=steps, batch=128, learning_rate=2e-3, seed=seed)
    return policy
