"""The settings of a check, and how a number is compared."""

import pytest
import tyro
from answer_cases import episode_of

from steelyard.core import SteelyardError, decode, encode
from steelyard.reward import AnswerCheck, ExactAnswer, MathVerify
from steelyard.task import Rows


def reward(completion, answer, prompt="q", **settings):
    (score,) = ExactAnswer(marker="", check=AnswerCheck(**settings))([episode_of(completion, answer, prompt)])
    return score.value


@pytest.mark.parametrize(
    ("completion", "answer", "plain", "percent"),
    [
        ("50%", "0.5", 1.0, 1.0),
        ("50%", "50", 0.0, 1.0),
        ("50", "50", 1.0, 1.0),
        ("50%", "50%", 1.0, 1.0),
        ("50", "50%", 1.0, 1.0),
        ("0.5", "50%", 1.0, 1.0),
        ("50", "0.5", 0.0, 0.0),
        ("5%", "50%", 0.0, 0.0),
    ],
)
def test_percent(completion, answer, plain, percent):
    assert reward(completion, answer) == plain
    assert reward(completion, answer, percent=True) == percent


@pytest.mark.parametrize(
    ("completion", "answer", "strip", "strict"),
    [
        ("5 cm", "5", 1.0, 0.0),
        ("$5", "5", 1.0, 0.0),
        ("5", "5 cm", 1.0, 0.0),
        ("5 cm", "5 cm", 1.0, 1.0),
        ("5 kg", "5 cm", 1.0, 0.0),
        ("5 dollars", "$5", 1.0, 1.0),
        ("5", "5", 1.0, 1.0),
    ],
)
def test_units(completion, answer, strip, strict):
    assert reward(completion, answer) == strip
    assert reward(completion, answer, units="strict") == strict


def test_a_number_of_the_prompt_counts_in_the_form_of_the_right_answer_only():
    assert reward("0.5", "1/2", "Write 0.5 as a fraction.") == 0.0
    assert reward("1/2", "1/2", "Write 0.5 as a fraction.") == 1.0
    assert reward("1/2", "0.5", "Write 1/2 as a decimal.") == 0.0
    assert reward("1/2", "1/2", "Which is larger, 1/2 or 1/3?") == 1.0
    assert reward("7", "14/2", "Which of 7 and 8?") == 1.0


def test_the_settings_on_a_command_line():
    rows = tyro.cli(Rows, args=["--check.units", "strict", "--check.percent"])
    assert rows.check == AnswerCheck(units="strict", percent=True)
    assert rows._reward.check == rows.check
    assert decode(encode(rows)) == rows


def test_a_wrong_setting():
    with pytest.raises(SteelyardError, match=r"check\.units"):
        AnswerCheck(units="none")


def test_any_of_several_right_answers_is_enough_for_formulas(math_verify):
    right = ["2\\sqrt{3}", "x+1"]
    scores = math_verify([episode_of(c, right) for c in ("\\sqrt{12}", "1+x", "3\\sqrt{2}", "2\\sqrt{3} or x+1")])
    assert [s.value for s in scores] == [1.0, 1.0, 0.0, 0.0]


def test_only_formulas_start_a_process():
    with MathVerify() as verify:
        scores = verify([episode_of("72", "72"), episode_of("9^{9^{9^9}}", 72), episode_of("ABC", "ACB")])
        assert [s.value for s in scores] == [1.0, 0.0, 0.0]
        assert "_pool" not in verify.__dict__ or not verify._pool._workers
