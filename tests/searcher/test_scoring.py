"""A failure is no reward, and keeps what a person needs to look into it."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from steelyard.core import Episode, Prompt, Sampling, Score, SteelyardError, Trajectory
from steelyard.searcher import Assignment, Searcher, attach_score, attach_scores
from steelyard.searcher.scoring import scores_of

BATCH = [Assignment(p, s) for p in range(2) for s in range(3)]


def trajectory(**fields: object) -> Trajectory:
    tokens, action, logp = np.ones(2, np.int32), np.array([False, True]), np.zeros(2, np.float32)
    made = Trajectory("p", tokens, action, logp, 0, "d", Sampling(), "stop", info={"completion": "six", "turn": 1})
    return made.replace(**fields)


def test_a_score_is_the_reward_and_the_text_goes() -> None:
    found = attach_score(trajectory(), Score(0.5, {"form": 1.0}))
    assert (found.reward, found.reward_parts, found.info) == (0.5, {"form": 1.0}, {"turn": 1})


@pytest.mark.parametrize(
    ("score", "says"),
    [
        (Score(None, error="timed out"), "timed out"),
        (Score(None), "the verifier gave no score and no reason"),
        (Score(0.0, error="it broke on the way"), "it broke on the way"),
        (Score(math.nan), "the verifier gave nan, which is no finite number"),
        (Score(math.inf), "the verifier gave inf, which is no finite number"),
        (Score(-math.inf, {"form": 1.0}), "the verifier gave -inf, which is no finite number"),
    ],
)
def test_a_failure_leaves_no_reward_and_keeps_the_text(score: Score, says: str) -> None:
    found = attach_score(trajectory(), score)
    assert found.reward is None
    assert not found.valid
    assert found.reward_parts == {}
    assert found.info == {"completion": "six", "turn": 1, "error": says}


def test_what_was_not_generated_earns_nothing() -> None:
    found = attach_score(trajectory(finish="error"), Score(0.0))
    assert (found.reward, found.info["error"]) == (None, "its generation failed")


def test_another_number_of_scores_is_refused() -> None:
    with pytest.raises(SteelyardError, match="verifier: 1 scores for 2 completions"):
        attach_scores([trajectory(), trajectory()], [Score(1.0)])


def test_the_searcher_keeps_error_and_text_of_what_failed(make: Callable[..., Searcher]) -> None:
    """Half of them fail; the others are as if nothing had happened."""

    def half(episodes: Sequence[Episode]) -> list[Score]:
        return [Score(None, error="broke") if e.trajectory.sample == 0 else Score(0.0) for e in episodes]

    searcher = make(half)
    found = [t for part in searcher.search(BATCH) for t in part]
    for t in found:
        text = searcher.policy.decode(t.completion_T)
        assert (t.reward, t.info) == ((None, {"error": "broke", "completion": text}) if t.sample == 0 else (0.0, {}))


def test_what_was_read_as_the_answer_travels_with_the_trajectory():
    found = attach_score(trajectory(), Score(0.0, read="72", read_from="marker"))
    assert (found.info["read"], found.info["read_from"]) == ("72", "marker")
    failed = attach_score(trajectory(), Score(None, error="late", read="72", read_from="box"))
    assert (failed.info["read"], failed.info["read_from"]) == ("72", "box")
    assert "read" not in attach_score(trajectory(), Score(0.0)).info
    long = attach_score(trajectory(), Score(0.0, read="7" * 10_000, read_from="text"))
    assert long.info["read"] == "7" * 200 + "..."


def test_a_verifier_that_changes_its_episodes_changes_nothing_for_others() -> None:
    def rude(episodes: Sequence[Episode]) -> list[Score]:
        values = [Score(float(len(e.prompt.columns["tests"])), reward_T=kept) for e in episodes]
        for e in episodes:
            e.prompt.columns["tests"].append("mine")  # type: ignore[union-attr]
            e.trajectory.tokens_T[:] = 7
        return values

    kept = np.zeros(2, np.float32)
    shared = Prompt("p", "q", {"tests": ["t"]})
    episodes = [Episode.of(shared, "six", trajectory()) for _ in range(2)]
    for _ in range(2):
        scores = scores_of(episodes, rude)
        assert [s.value for s in scores] == [1.0, 1.0]
    assert [e.trajectory.tokens_T.tolist() for e in episodes] == [[1, 1]] * 2
    found = attach_score(episodes[0].trajectory, scores[0])
    kept[:] = 7
    assert found.reward_T is not None
    assert found.reward_T.tolist() == [0.0, 0.0]
