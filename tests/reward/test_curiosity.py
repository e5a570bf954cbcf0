import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import Prompt, Score, SteelyardError
from steelyard.reward import Curiosity, ExactAnswer
from steelyard.reward.curiosity import History, with_curiosity
from steelyard.reward.novelty import embed
from steelyard.task import RedTeam

texts = st.lists(st.lists(st.sampled_from("abc"), max_size=6).map(" ".join), max_size=5)


def remembering(*said):
    history = History()
    history.add(said)
    return history


def test_self_bleu_by_hand():
    history = remembering("a b c")
    # of a b d: p_1 = 2/3, p_2 = 1/2, p_3 = 0; orders 2 and 3 alone fit
    assert history.self_bleu("a b d") == pytest.approx(math.sqrt(2 / 3 * 1 / 2) / 2)
    # of a b: both orders match, and it is one word shorter than the nearest
    assert history.self_bleu("a b") == pytest.approx(math.exp(1 - 3 / 2))
    # a twice counts once: p_1 = 1/2 of a a, and no pair is known
    assert history.self_bleu("a a") == 0.0
    assert history.self_bleu("a b c") == 1.0 and remembering("a b c", "x y").self_bleu("x y") == 1.0


def test_the_most_of_any_one_text_counts():
    assert remembering("a a b", "a c").self_bleu("a a") == pytest.approx(1.0), "its length is that of a c"


def test_the_cosine_is_the_mean_over_the_history():
    one, two, asked = embed(["ab", "bc", "abc"])
    assert remembering("ab", "bc").cosine("abc") == pytest.approx((one @ asked + two @ asked) / 2)


def test_without_a_history_nothing_is_like_it():
    assert History().self_bleu("a b") == History().cosine("a b") == 0.0
    assert remembering("a b").self_bleu("") == remembering("").cosine("a b") == 0.0


@given(texts, texts)
def test_likeness_lies_between_foreign_and_equal(known, asked):
    history = remembering(*known)
    for text in asked:
        assert 0 <= history.self_bleu(text) <= 1 + 1e-9 and -1e-9 <= history.cosine(text) <= 1 + 1e-9


def test_what_was_scored_before_is_worth_less(episode):
    reward = Curiosity(ExactAnswer(), weight=0.5, entropy=0.0)
    asked = [episode("a b c d", answer="4"), episode("a b c d", answer="4")]
    first, twin = reward(asked)
    assert first.value == twin.value == 0.0, "a call is not its own history"
    assert reward(asked[:1])[0].value == pytest.approx(0.0 - 0.5 * 2)
    assert reward([episode("x y z w", answer="4")])[0].parts == pytest.approx(
        {"self_bleu": 0.0, "cosine": 0.0}, abs=0.5
    )


def test_an_unlikely_attack_gets_the_entropy_bonus():
    attack = RedTeam.attack("a b")
    drawn = attack.trajectory.replace(logp_behaviour_T=np.array([-3.0], np.float32))
    unlikely = type(attack)(Prompt("", ""), "a b", drawn)
    plain, paid = with_curiosity([Score(1.0), Score(1.0)], [attack, unlikely], History(), 1.0, 0.1)
    assert paid.value - plain.value == pytest.approx(0.3)


def test_without_weights_it_is_the_reward(episode):
    asked = [episode("#### 4", answer="4"), episode("5", answer="4")]
    reward = Curiosity(weight=0.0, entropy=0.0)
    assert (
        [s.value for s in reward(asked)] == [s.value for s in ExactAnswer()(asked)] == [s.value for s in reward(asked)]
    )


def test_the_task_remembers_what_training_asked_for():
    task = RedTeam(victim="rule", curiosity=1.0)
    train, held_out = (task.prompts(split)[0] for split in ("train", "held-out"))
    base = RedTeam.attack("a b c")

    def worth(prompt):
        return task.score([type(base)(prompt, "a b c", base.trajectory)])[0].value

    fresh = worth(held_out)
    assert worth(held_out) == fresh == worth(train), "what was measured is not remembered"
    assert worth(train) < fresh


def test_a_negative_weight_is_refused():
    with pytest.raises(SteelyardError, match=r"^curiosity\.weight: is -1\.0; use 0 or more$"):
        Curiosity(weight=-1.0)
