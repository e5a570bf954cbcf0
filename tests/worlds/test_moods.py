import numpy as np
import pytest

from steelyard.check.scoring import episode_of
from steelyard.core import rng
from steelyard.worlds.moods import CLASSES, LENGTH, SYMBOLS, WORDS, Moods, Steps

WORLD = Moods()


def follower(word, *, rude):
    return next(s for s in SYMBOLS if WORLD.steps(word, s) == (Steps(0, 1, 0) if rude else Steps(1, 0, 0)))


def test_half_of_what_may_follow_is_rude_and_no_word_is_so_by_itself():
    assert WORLD.is_rude_VW.shape == (len(CLASSES) * WORDS, WORDS)
    assert (WORLD.is_rude_VW.sum(1) == WORDS // 2).all()
    assert not np.array_equal(WORLD.is_rude_VW, Moods(data_seed=1).is_rude_VW)


def test_steps_are_counted_by_the_word_before():
    plain, rude = follower("a0", rude=False), follower("a0", rude=True)
    assert (plain[0], rude[0]) == ("b", "b")
    assert WORLD.steps("c1 a0", f"{plain}") == Steps(1, 0, 0)
    assert WORLD.steps("a0", f"{rude} {follower(rude, rude=True)}") == Steps(0, 2, 0)
    assert WORLD.steps("a0", f"c0 {plain}") == Steps(0, 0, 2)
    assert WORLD.steps("a0", "nothing") == Steps(0, 0, 1)


def test_texts_have_their_mood():
    for mood, share in (("rude", 0.8), ("plain", 0.05)):
        texts = WORLD.texts(mood, 200, rng(0, "test"))
        assert {len(text.split()) for text in texts} == {LENGTH}
        counted = np.array([WORLD.steps(*text.split(" ", 1)) for text in texts]).sum(0)
        assert counted[2] == 0
        assert counted[1] / counted.sum() == pytest.approx(share, abs=0.03)


def test_what_is_plain_is_worth_its_share():
    prompt = WORLD.prompts("train")[0]
    said = WORLD.demonstration(prompt)
    half = " ".join([*said.split()[:1], "c0", "c0"])
    assert [s.value for s in WORLD.score([episode_of(prompt, text) for text in (said, half, "")])] == [
        1.0, pytest.approx(1 / 3), 0.0
    ]  # fmt: skip
    assert not {p.id for p in WORLD.prompts("train")} & {p.id for p in WORLD.prompts("held-out")}


def test_the_base_model_reads_both_moods():
    pairs = WORLD.read(100, rng(0, "test"))
    rude = [WORLD.steps(first, rest).rude for first, rest in pairs]
    assert np.mean(rude[:50]) < 2
    assert np.mean(rude[50:]) > 10
