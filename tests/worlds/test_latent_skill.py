import pytest

from steelyard.core import SteelyardError
from steelyard.worlds.domains import Domains
from steelyard.worlds.latent_skill import LatentSkill

TASK = LatentSkill(problems=30, held_out=10)


def test_problems_are_those_of_domains():
    sums = Domains(most=6, problems=30, held_out=10)
    assert TASK.prompts("train") == sums.prompts("train")
    assert {p.columns["domain"] for p in TASK.prompts("held-out")} == {2, 3, 4, 5, 6}


@pytest.mark.parametrize(
    ("said", "value", "worked"),
    [
        ("293213", 0.0, 0.0),  # worked out, but not marked
        ("w293213", 1.0, 1.0),
        ("w293214", 0.0, 1.0),
        ("3", 1.0, 0.0),
        ("4", 0.0, 0.0),
        ("w", 0.0, 0.0),
        ("", 0.0, 0.0),
    ],
)
def test_score_by_hand(answered, said, value, worked):
    sums = LatentSkill().prompts("train")
    prompt = next((p for p in sums if p.text == "1+3+2+7="), None)
    if prompt is None:
        prompt = next(p for p in LatentSkill().prompts("held-out") if p.text == "1+3+2+7=")
    (score,) = TASK.score([answered(prompt, said)])
    assert (score.value, score.parts["worked"]) == (value, worked)


def test_the_demonstration_is_right_and_worked_out(answered):
    for prompt in TASK.prompts("train")[::17]:
        (score,) = TASK.score([answered(prompt, TASK.demonstration(prompt))])
        assert (score.value, score.parts["worked"]) == (1.0, 1.0)


def test_who_guesses_is_right_one_time_in_ten(answered):
    prompt = TASK.prompts("train")[0]
    assert sum(s.value for s in TASK.score([answered(prompt, str(d)) for d in range(10)])) == 1.0


def test_wrong_settings_are_refused():
    with pytest.raises(SteelyardError, match=r"latent-skill\.rare"):
        LatentSkill(rare=1.5)
