"""Episodes made by hand."""

import numpy as np
import pytest

from steelyard.core import Episode, Sampling, Trajectory


@pytest.fixture
def answered():
    """`answered(prompt, completion)`: the episode in which the completion was sampled for the prompt."""

    def answered(prompt, completion):
        tokens, action, logp = np.zeros(1, np.int32), np.ones(1, bool), np.zeros(1, np.float32)
        trajectory = Trajectory(prompt.id, tokens, action, logp, 0, "d", Sampling(), "stop")
        return Episode.of(prompt, completion, trajectory)

    return answered
