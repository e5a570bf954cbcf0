import numpy as np
import pytest
import torch

from steelyard.core import Prompt
from steelyard.policy.copied import copied
from steelyard.task.answered import Answered
from steelyard.unlearn import TrulyForgetting
from steelyard.unlearn.material import Material
from steelyard.unlearn.truly_forgetting import Seen, cka, nearest_votes, probed, states_of
from steelyard.worlds.topic_unlearning import answered
from steelyard.worlds.topics import Topics, untaught

WORLD = Topics(topics=2, subjects=6, values=2)


@pytest.fixture(scope="module")
def policy():
    return untaught(WORLD, seed=0, width=16)


def test_cka_by_hand():
    x, y = np.array([[1.0], [-1.0], [1.0], [-1.0]]), np.array([[1.0], [1.0], [-1.0], [-1.0]])
    assert cka(x, 3 * x + 5) == pytest.approx(1)
    assert cka(x, y) == pytest.approx(0)
    # Y has X's direction and one more that is as long: |Y'X|^2 = 16, |X'X| = 4, |Y'Y| = sqrt(32).
    assert cka(x, np.hstack([x, y])) == pytest.approx(16 / (4 * 32**0.5))
    assert cka(x, np.ones((4, 2))) is None


def test_cka_does_not_see_a_rotation():
    draws = np.random.default_rng(0)
    x = draws.normal(size=(9, 3))
    turn, _ = np.linalg.qr(draws.normal(size=(3, 3)))
    assert cka(x, x @ turn) == pytest.approx(1)


def test_votes_by_hand_are_those_of_other_rows():
    """Angles 0, 2, 10 and 50 degrees: the row of the first two is one row in two wordings."""
    angle = np.radians([0.0, 2.0, 10.0, 50.0])
    state_ND = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    rows, answers = np.array([0, 0, 1, 2]), np.array([0, 0, 1, 0])
    # Nearest other row: of the first two the third (wrong), of the third the second, of the fourth the third.
    assert nearest_votes(state_ND, rows, answers, 1).tolist() == [False, False, False, False]
    assert nearest_votes(state_ND, rows, np.array([0, 0, 0, 1]), 1).tolist() == [True, True, True, False]
    # Of two votes for different answers the nearest counts.
    assert nearest_votes(state_ND, rows, answers, 2).tolist() == [False, False, False, False]


def test_a_probe_reads_what_is_linear_and_nothing_where_nothing_is():
    draws = np.random.default_rng(0)
    answers = np.arange(40) % 2
    state_ND = draws.normal(size=(40, 4))
    state_ND[:, 0] += 6 * answers
    rows = np.arange(40)
    assert probed(state_ND, rows, answers).mean() > 0.9
    assert probed(state_ND[:, 1:], rows, answers).mean() < 0.8
    assert not probed(state_ND, np.zeros(40, dtype=int), answers).any()


def test_an_edit_of_the_head_alone_leaves_the_states(policy):
    rows = [answered(fact) for fact in WORLD.forgotten()]
    edited = copied(policy)
    with torch.no_grad():
        edited.head.weight.mul_(-1)
    table = TrulyForgetting().measure(edited, Material(rows, original=policy))
    before = TrulyForgetting().measure(policy, Material(rows))
    assert table.number("forget", "cka_original") == pytest.approx(1)
    assert table.number("forget", "cka_retrained") is None
    assert table.number("forget", "knn") == before.number("forget", "knn")
    assert table.number("forget", "probability") != before.number("forget", "probability")
    assert [name for name, _ in table.rows] == ["forget", "forget_original"]


def test_a_state_is_that_before_the_answer(policy):
    rows = [answered(fact) for fact in WORLD.forgotten()[:2]]
    whole = policy.encode(str(rows[0].prompt.text))
    with torch.no_grad():
        state_D = policy.backbone(input_ids=torch.tensor([whole]))[0][0, -1]
    assert states_of(policy, rows)[0] == pytest.approx(state_D.numpy(), abs=1e-5)


def test_answers_that_nobody_shares_are_not_asked_for(policy):
    seen = Seen.of([Answered(Prompt(p, p), a) for p, a in (("a", "x"), ("b", "y"), ("c", "x"))])
    assert seen.answer_N.tolist() == [0, -1, 0]
    rows = [answered(fact) for fact in WORLD.forgotten()]
    lonely = [Answered(row.prompt, f" {word}") for row, word in zip(rows, WORLD.words(), strict=False)]
    table = TrulyForgetting().measure(policy, Material(lonely))
    assert table.number("forget", "knn") is None
    assert table.number("forget", "commonest") is None


def test_one_row_is_too_few():
    assert TrulyForgetting().lacks(Material([Answered(Prompt("a", "a"), "x")])) == "two rows to be forgotten"
