import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from steelyard.core import Prompt, SteelyardError
from steelyard.unlearn import Question, audit, forget_quality, repetition, utility
from steelyard.unlearn.audit import mean_logp
from steelyard.worlds.sync_loop import demonstration, imitate, tiny_policy

FACTS = {"a:": "xy", "b:": "yx", "c:": "zz"}


def questions(policy, said=FACTS):
    def given_(prompt, text):
        return demonstration(policy, Prompt(prompt, prompt), text)

    wrong = ("zx", "yy")
    return [Question(given_(p, text), tuple(given_(p, w) for w in wrong)) for p, text in said.items()]


@pytest.fixture(scope="module")
def fresh():
    return tiny_policy("abcxyz:", seed=0, width=16, layers=1, heads=2, context=8)


@pytest.fixture(scope="module")
def taught():
    policy = tiny_policy("abcxyz:", seed=0, width=16, layers=1, heads=2, context=8)
    imitate(policy, [*FACTS.items()], steps=250, batch=6, learning_rate=1e-2, seed=0)
    return policy


def test_a_model_that_knows_and_one_that_does_not(fresh, taught):
    before, after = (audit(policy, questions(policy), max_tokens=5) for policy in (fresh, taught))
    assert (before.accuracy, after.accuracy) == (0.0, 1.0)
    assert after.probability > 0.9 > 0.3 > before.probability
    assert after.choice > 0.9
    assert before.choice == pytest.approx(1 / 3, abs=0.1)
    assert (after.ratio_N < 0.2).all()
    assert after.truth == pytest.approx(1 - after.ratio_N.mean())
    assert after.repetition == 0.0


def test_the_numbers_are_those_of_their_formulas(taught):
    asked = questions(taught)
    found = audit(taught, asked, max_tokens=5)
    rows = [[q.right, *q.wrong] for q in asked]
    logp = np.array([mean_logp(taught, row) for row in rows])
    for row, values in zip(rows, logp, strict=True):
        for t, value in zip(row, values, strict=True):
            tokens = torch.from_numpy(t.tokens_T.astype(np.int64))[None]
            logits = taught.model(tokens).logits[0].log_softmax(-1)
            each = [logits[i - 1, tokens[0, i]].item() for i in np.flatnonzero(t.action_T)]
            assert value == pytest.approx(np.mean(each), abs=1e-4)
    p = np.exp(logp)
    assert found.probability == pytest.approx(p[:, 0].mean())
    assert found.choice == pytest.approx((p[:, 0] / p.sum(1)).mean())
    assert found.ratio_N == pytest.approx(np.sqrt(p[:, 1] * p[:, 2]) / p[:, 0])


def test_questions_without_wrong_answers_are_refused(taught):
    asked = questions(taught)
    for bad in ([], [Question(asked[0].right, ())], [asked[0], Question(asked[1].right, asked[1].wrong[:1])]):
        with pytest.raises(SteelyardError, match="wrong answers"):
            audit(taught, bad, max_tokens=5)


def test_forget_quality_is_one_for_the_same_and_small_for_the_strange():
    ratio_N = np.linspace(0, 1, 50)
    assert forget_quality(ratio_N, ratio_N) == (0.0, 1.0)
    strange = forget_quality(ratio_N, ratio_N + 2)
    assert strange.distance == 1.0
    assert strange.pvalue < 1e-10


@given(arrays(np.float64, 8, elements=st.floats(0.1, 10)), arrays(np.float64, 9, elements=st.floats(0.1, 10)))
def test_forget_quality_does_not_care_which_way_up_the_ratio_is(one, two):
    assert forget_quality(one, two) == pytest.approx(forget_quality(1 / one, 1 / two))
    assert forget_quality(one, two) == pytest.approx(forget_quality(two, one))


@pytest.mark.parametrize(
    ("tokens", "share"), [([], 0), ([1], 0), ([1, 2, 3], 0), ([1, 1, 1, 1, 1], 3 / 4), ([1, 2, 1, 2, 1], 1 / 2)]
)
def test_repetition_by_hand(tokens, share):
    assert repetition(np.array(tokens)) == pytest.approx(share)


def test_one_lost_ability_loses_all():
    assert utility([0.5, 1.0]) == pytest.approx(2 / 3)
    assert utility([1.0, 1.0, 0.0]) == 0.0
