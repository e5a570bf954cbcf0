"""Episodes made by hand, and the hostile reward functions on the import path."""

import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from steelyard.core import Episode, Prompt, Sampling, Trajectory

sys.path.append(str(Path(__file__).parent))  # hostile_rewards, here and in the workers, which get this path


def make_episode(completion, text="q", **columns):
    one = np.ones(1)
    tokens, action, logp = one.astype(np.int32), one.astype(bool), one.astype(np.float32)
    return Episode.of(
        Prompt("p", text, columns), completion, Trajectory("p", tokens, action, logp, 0, "d", Sampling(), "stop")
    )


@pytest.fixture
def episode():
    return make_episode


@pytest.fixture(scope="session")
def math_verify():
    """One verifier with one warm worker for all files: each start imports math-verify anew."""
    from steelyard.reward import MathVerify

    with MathVerify(timeout_s=60.0, num_workers=1) as verifier:
        yield verifier


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # a zombie whose parent has not yet waited is dead, too
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.fixture
def gone():
    """`gone(pid)`: whether the process ends within some seconds."""

    def gone(pid, within_s=10.0):
        end = time.monotonic() + within_s
        while is_alive(pid) and time.monotonic() < end:
            time.sleep(0.02)
        return not is_alive(pid)

    return gone
