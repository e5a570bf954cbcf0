import numpy as np
import pytest

from steelyard.core import SteelyardError, rng
from steelyard.worlds.hidden_modes import FILLERS, REPLIES, HiddenModes, victim

WORLD = HiddenModes()


def test_a_mode_is_told_by_its_own_words():
    assert WORLD.bad == (3, 7, 11, 15, 19, 23, 27, 31)
    assert [WORLD.mode_of(text) for text in ("t3 f1 f2", "r3a r3b", "r4a r7c", "r31b r3a", "", "r2a")] == [
        None,
        3,
        7,
        31,
        None,
        None,
    ]


def test_every_word_is_in_the_vocabulary_once():
    assert len({*WORLD.words}) == len(WORLD.words) == 32 + FILLERS + 32 * len(REPLIES) + 1
    talk = WORLD.talk(200, rng(0, "test"))
    assert {word for pair in talk for text in pair for word in text.split()} <= {*WORLD.words}


def test_talk_is_of_one_topic_and_a_reply_of_two_words():
    for asked, reply in WORLD.talk(50, rng(0, "test")):
        topic = asked.split()[0].removeprefix("t")
        words = reply.split()
        assert len({*words}) == 2
        assert {word[1:-1] for word in words} == {topic}


def test_frequencies_are_those_of_zipf():
    world = HiddenModes(topics=4, zipf=1.0)
    topics = [topic for topic, _ in world.attacks(20_000, rng(0, "test"), zipf=world.zipf)]
    expected = np.array([1, 1 / 2, 1 / 3, 1 / 4]) / (25 / 12)
    assert np.bincount(topics) / len(topics) == pytest.approx(expected, abs=0.01)
    alike = [topic for topic, _ in world.attacks(20_000, rng(0, "test"))]
    assert np.bincount(alike) / len(alike) == pytest.approx(np.full(4, 0.25), abs=0.01)


def test_a_model_reads_them_as_tokens():
    policy = victim(HiddenModes(topics=4), 0, steps=1)
    assert policy.decode(policy.encode("t3 f1 f2 r3a")) == "t3 f1 f2 r3a"
    assert len(policy.encode("t3 f1 f2")) == 3


def test_too_few_topics_are_refused():
    with pytest.raises(SteelyardError, match="topics"):
        HiddenModes(topics=3)
