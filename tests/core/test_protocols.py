"""An episode knows how it ended, and a score what was read."""

import numpy as np
import pytest

from steelyard.core import Episode, Prompt, Sampling, Score, Trajectory


def trajectory(finish):
    one_T = np.ones(1, np.int32)
    return Trajectory("p", one_T, one_T > 0, one_T.astype(np.float32), 0, "d", Sampling(), finish)


@pytest.mark.parametrize(("finish", "known"), [("stop", "stop"), ("length", "length"), ("error", None)])
def test_an_episode_ends_as_its_trajectory_did(finish, known):
    assert Episode.of(Prompt("p", "q"), "x", trajectory(finish)).finish == known


def test_an_end_that_nobody_knows_and_an_answer_that_nobody_read():
    assert Episode(Prompt("p", "q"), "x", trajectory("stop")).finish is None
    assert (Score(1.0).read, Score(1.0).read_from) == (None, "")
