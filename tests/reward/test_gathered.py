"""Calls from many threads as batches of one reward."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from steelyard.core import Episode, Prompt, Score, SteelyardError
from steelyard.reward.gathered import AT_ONCE, Gathered


def episode(number):
    return Episode.written(Prompt(str(number), "q"), str(number), "stop")


def test_one_call_is_one_call():
    assert Gathered(lambda episodes: [Score(float(e.completion)) for e in episodes])(episode(3)) == Score(3.0)


def test_what_comes_meanwhile_is_scored_together_and_everyone_gets_their_own():
    sizes, going, go = [], threading.Event(), threading.Event()

    def slow(episodes):
        sizes.append(len(episodes))
        going.set()
        assert go.wait(30)
        return [Score(float(e.completion)) for e in episodes]

    gathered = Gathered(slow)
    with ThreadPoolExecutor(100) as threads:
        first = threads.submit(gathered, episode(0))
        assert going.wait(30)
        others = [threads.submit(gathered, episode(n)) for n in range(1, 100)]
        while len(gathered._waiting) < 99:
            pass
        go.set()
        assert [f.result(30).value for f in (first, *others)] == [float(n) for n in range(100)]
    assert sizes == [1, AT_ONCE, 99 - AT_ONCE]


@pytest.mark.parametrize("scores", [[], [Score(1.0), Score(1.0)]])
def test_another_number_of_scores_is_refused(scores):
    with pytest.raises(SteelyardError, match="scores for 1 turns"):
        Gathered(lambda episodes: scores)(episode(1))


def test_what_the_reward_raises_reaches_the_caller_and_the_next_call_is_a_new_one():
    answers = iter([ValueError("broken"), None])

    def once(episodes):
        if error := next(answers):
            raise error
        return [Score(1.0)] * len(episodes)

    gathered = Gathered(once)
    with pytest.raises(ValueError, match="broken"):
        gathered(episode(1))
    assert gathered(episode(1)) == Score(1.0)
