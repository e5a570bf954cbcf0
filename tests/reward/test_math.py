"""Equal in value is equal; a failed check is no reward."""

import threading

import pytest

from steelyard.core import Reward, SteelyardError
from steelyard.reward import MathVerify


@pytest.fixture
def verify(math_verify):
    return math_verify


RIGHT = [
    ("1/2", "0.5"),
    ("0.5", "so the answer is \\boxed{\\frac{1}{2}}"),
    ("\\frac{1}{2}", "1/2"),
    ("6*7 is\n#### 42", "I think #### 42"),
    ("42", "41, no: 42."),
    ("1,234", "\\boxed{1234}"),
    (42, "42.0"),
    ("2\\sqrt{3}", "it is $\\sqrt{12}$"),
    ("2\\sqrt{3}", "#### 2\\sqrt{3}"),
    ("(1, 2)", "\\boxed{(1,2)}"),
    ("x^2+2x+1", "$(x+1)^2$"),
    ("$\\frac12$", "0.5"),
    ("We get \\boxed{7}.", "7"),
    ("10^{6}", "1000000"),
]
WRONG = [
    ("1/2", "0.51"),
    ("42", "42 or 43"),
    ("42", "\\boxed{42}, no, \\boxed{41}"),
    ("42", "forty-two"),
    ("42", ""),
    ("42", "\\boxed{"),
    ("42", "}}{{\\frac\\frac$$ \x00"),
    ("2\\sqrt{3}", "2"),  # read bare, math-verify alone would say yes
    ("10^{6}", "10"),
    ("(1, 2)", "2"),
    ("-103", "103"),
]


def test_right_and_wrong_answers(verify, episode):
    assert isinstance(verify, Reward)
    scores = verify([episode(completion, answer=gold) for gold, completion in RIGHT + WRONG])
    assert [s.error for s in scores] == [None] * len(scores)
    assert [s.value for s in scores] == [1.0] * len(RIGHT) + [0.0] * len(WRONG)


def test_it_works_outside_the_main_thread(verify, episode):
    scores = []
    thread = threading.Thread(target=lambda: scores.extend(verify([episode("0.5", answer="1/2")])))
    thread.start()
    thread.join()
    assert [s.value for s in scores] == [1.0]


def test_a_pathological_answer_costs_its_own_reward_only(episode):
    bomb = "\\boxed{9^{9^{9^{9^9}}}}"
    with MathVerify(timeout_s=1.5, num_workers=1) as verify:
        verify([episode("42", answer="\\sqrt{1764}")])
        scores = verify([episode(c, answer="\\sqrt{1764}") for c in ("42", bomb, "42", "41")])
    assert [s.value for s in scores] == [1.0, None, 1.0, 0.0]
    assert scores[1].error
    assert "killed" in scores[1].error


def test_a_check_out_of_stack_is_no_verdict(verify, episode):
    """Right, but too deep to read: math-verify alone would call it wrong."""
    (score,) = verify([episode("\\boxed{" + "\\sqrt{" * 300 + "1" + "}" * 300 + "}", answer="\\sqrt{1}")])
    assert score.value is None
    assert score.error
    assert "RecursionError" in score.error


def test_a_check_out_of_memory_is_no_verdict(episode):
    with MathVerify(timeout_s=60.0, num_workers=1, memory_mb=256) as verify:
        scores = verify([episode(c, answer="\\sqrt{1764}") for c in ("\\boxed{2^{2^{33}}}", "42")])
    assert [s.value for s in scores] == [None, 1.0]
    assert scores[0].error
    assert "MemoryError" in scores[0].error


@pytest.mark.parametrize(
    ("gold", "says"),
    [
        ("... ####", "the text after the last #### of the right answer is empty"),
        ("\\boxed{}", "the right answer's last box is empty"),
        ("so \\boxed{4", "the right answer's last box is not closed"),
        (float("nan"), "the right answer is NaN"),
        ([], "the right answer is an empty list"),
        ({"steps": 3}, "the right answer is an object with steps"),
    ],
)
def test_a_right_answer_that_says_nothing_is_an_error_not_a_zero(verify, episode, gold, says):
    (score,) = verify([episode("42", answer=gold)])
    assert score.value is None
    assert score.error
    assert says in score.error


def test_a_missing_answer_is_an_error(verify, episode):
    with pytest.raises(SteelyardError, match="no right answer"):
        verify([episode("42")])


def test_no_episodes_no_scores(verify):
    assert verify([]) == []


@pytest.mark.parametrize("wrong", [{"timeout_s": 0.0}, {"num_workers": 0}, {"memory_mb": 1}])
def test_ranges(wrong):
    with pytest.raises(SteelyardError):
        MathVerify(**wrong)
