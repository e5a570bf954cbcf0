"""A process that waits for a reward says so, as long as there is reason for patience."""

import time
from multiprocessing import Pipe

import pytest

from steelyard.core.waiting import waiting
from steelyard.reward import Pool
from steelyard.runtime.local.pipe import PipeChannel, receive_up
from steelyard.runtime.roles.heartbeat import telling, word_of
from steelyard.runtime.roles.messages import StillWaiting


def test_nothing_is_said_without_a_wait():
    assert word_of(time.monotonic(), 60.0) is None


def test_a_wait_with_a_deadline_is_spoken_of_for_ever_and_another_for_as_long_as_a_reward_may_take():
    now = time.monotonic()
    with waiting("scoring 64 completions with the verifier of Mine"):
        word = word_of(now + 59, 60.0)
        assert word is not None
        assert word.what == "scoring 64 completions with the verifier of Mine"
        assert word.seconds == pytest.approx(59, abs=0.5)
        assert word_of(now + 61, 60.0) is None
        with waiting("a check", ends=True):
            assert word_of(now + 1000, 60.0) == StillWaiting(word.what, pytest.approx(1000, abs=0.5))


def test_words_arrive_while_a_named_function_works(tmp_path):
    (tmp_path / "nap.py").write_text("import time\ndef nap(**_):\n    time.sleep(0.5)\n    return 1.0\n")
    ours, theirs = Pipe()
    scoring = waiting("scoring 1 completions")
    with telling(PipeChannel(theirs), patience_s=0.0, deadline_s=0.4), scoring, Pool(f"{tmp_path}/nap.py:nap") as pool:
        assert pool.call({}, timeout_s=20.0).value == 1.0
    words = []
    while ours.poll(0):
        words.append(receive_up(ours))
    assert len(words) >= 2
    assert {word.what for word in words} == {"scoring 1 completions"}
