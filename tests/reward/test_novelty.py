import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import SteelyardError
from steelyard.reward import ExactAnswer, Novelty
from steelyard.reward.novelty import distance_to_others, embed

texts = st.lists(st.text("ab ", max_size=6), max_size=6)


def test_an_embedding_by_hand():
    # a, b, ab once each against a twice and aa once: the cosine is 2 / (sqrt(3) sqrt(5))
    ab, aa = embed(["ab", "aa"])
    assert ab @ aa == pytest.approx(2 / 15**0.5)
    assert distance_to_others(embed(["ab", "aa"])) == pytest.approx(1 - 2 / 15**0.5)


@given(texts)
def test_distances_lie_between_equal_and_foreign(some):
    away_N = distance_to_others(embed(some))
    assert len(away_N) == len(some) and all(0 <= away <= 1 for away in away_N)


def test_ends_of_the_scale():
    assert distance_to_others(embed(["ab", "ab", "ab"])) == pytest.approx(0.0)
    assert distance_to_others(embed(["aa", "bb"])) == pytest.approx(1.0)
    assert distance_to_others(embed(["ab"])).tolist() == [0.0] and embed([]).shape == (0, 0)


def said(*answers):
    class Said:
        def __call__(self, prompts, completions, **_):
            return [answers[i] for i in range(len(completions))]

    return lambda prompts, completions, **_: Said()(prompts, completions)


def test_the_bonus_is_added(episode):
    reward = Novelty(said(1.0, 1.0, None), weight=2.0)
    first, second, failed = reward([episode("aa"), episode("bb"), episode("bb")])
    assert first.value == pytest.approx(1 + 2 * 1.0) and first.parts["novelty"] == pytest.approx(1.0)
    assert second.value == pytest.approx(1 + 2 * 0.5)
    assert failed.value is None


def test_without_weight_it_is_the_reward(episode):
    asked = [episode("#### 4", answer="4"), episode("5", answer="4")]
    assert [s.value for s in Novelty(weight=0.0)(asked)] == [s.value for s in ExactAnswer()(asked)]
    assert np.isfinite([s.parts["novelty"] for s in Novelty()(asked)]).all()


def test_a_negative_weight_is_refused():
    with pytest.raises(SteelyardError, match=r"^novelty\.weight: is -1\.0; use 0 or more$"):
        Novelty(weight=-1.0)
