from collections import Counter

import numpy as np
import pytest

from steelyard.check.scoring import episode_of
from steelyard.core import SteelyardError, Task, rng
from steelyard.worlds.sayings import Sayings

WORLD = Sayings(subjects=40, words=6, liked=3)


def test_the_law_is_of_facts_and_tastes():
    kinds = Counter(int((own_V > 0).sum()) for own_V in WORLD.law)
    assert {*kinds} == {1, 3}
    assert WORLD.law.sum(1) == pytest.approx(np.ones(40))
    assert (Sayings(tastes=0.0).law > 0).sum() == 200
    assert not np.array_equal(WORLD.law, Sayings(subjects=40, words=6, liked=3, data_seed=1).law)


def test_frequencies_fall_as_zipf_says():
    assert WORLD.shares[0] / WORLD.shares[3] == pytest.approx(4.0)
    assert Sayings(zipf=0.0).shares == pytest.approx(np.full(200, 1 / 200))


def test_draws_follow_the_law():
    drawn_NW = WORLD.drawn(4000, rng(0, "test"), words=2)
    assert drawn_NW.shape == (4000, 3)
    assert all(WORLD.law[s, v] > 0 for s, *said in drawn_NW.tolist() for v in said)
    assert (drawn_NW[:, 0] == 0).mean() == pytest.approx(WORLD.shares[0], abs=0.03)
    taste = int((WORLD.law > 0).sum(1).argmax())
    of_taste = drawn_NW[drawn_NW[:, 0] == taste]
    same = (of_taste[:, 1] == of_taste[:, 2]).mean()
    assert same == pytest.approx(1 / 3, abs=0.15)  # the two words are independent
    assert WORLD.texts(drawn_NW[:1]) == [f"s{drawn_NW[0, 0]} v{drawn_NW[0, 1]} v{drawn_NW[0, 2]}"]


def test_what_is_true_is_worth_one():
    assert isinstance(WORLD, Task)
    prompt = WORLD.prompts("train")[0]
    subject = int(str(prompt.text).strip()[1:])
    false = next(v for v in range(6) if not WORLD.law[subject, v])
    said = [WORLD.demonstration(prompt), f"v{false}", "", "v99", "s1", "v"]
    assert [score.value for score in WORLD.score([episode_of(prompt, one) for one in said])] == [1, 0, 0, 0, 0, 0]
    assert not {p.text for p in WORLD.prompts("train")} & {p.text for p in WORLD.prompts("held-out")}
    with pytest.raises(SteelyardError, match="unknown split"):
        WORLD.prompts("test")
