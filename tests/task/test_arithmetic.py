from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import Episode, Prompt, Sampling, SteelyardError, Trajectory, rng
from steelyard.task.arithmetic import (
    HELD_OUT_SHARE,
    LARGEST,
    STYLES,
    Arithmetic,
    draw_terms,
    is_held_out,
    problem,
    solution,
)

TASK = Arithmetic(problems=400, held_out=100)
TERM = st.integers(1, LARGEST).flatmap(lambda n: st.sampled_from((n, -n)))
TERMS = st.tuples(st.integers(1, LARGEST), TERM, TERM, TERM)


def episode(text: str, answer: int, completion: str, finish: str = "stop") -> Episode:
    nothing = np.zeros(1, np.float32)
    said = Trajectory("x", nothing.astype(np.int32), nothing.astype(bool), nothing, 0, "", Sampling(), finish)  # type: ignore[arg-type]
    return Episode.of(Prompt("x", text, {"answer": answer}), completion, said)


def score(terms: tuple[int, ...], completion: str, finish: str = "stop") -> float | None:
    return TASK.score([episode(problem(terms), sum(terms), completion, finish)])[0].value


@pytest.mark.parametrize(
    ("terms", "text", "by_style"),
    [
        (
            (12, 7, -15, 9),
            "12+7-15+9=",
            {"bare": "10", "left": ">19,4=13", "right": "<-6,1=13", "tens": "t0:9,4,13=13", "pairs": "p19,-6=13"},
        ),
        (
            (3, -20, -20, 1),
            "3-20-20+1=",
            {
                "bare": "-40",
                "left": ">-17,-37=-36",
                "right": "<-19,-39=-36",
                "tens": "t-4:3,3,4=-36",
                "pairs": "p-17,-19=-36",
            },
        ),
        (
            (20, 15, -11, 11),
            "20+15-11+11=",
            {"bare": "40", "left": ">35,24=35", "right": "<0,15=35", "tens": "t3:5,4,5=35", "pairs": "p35,0=35"},
        ),
    ],
)
def test_solutions_worked_by_hand(terms, text, by_style):
    assert problem(terms) == text
    assert {style: solution(style, terms) for style in STYLES} == by_style
    values = {style: score(terms, completion) for style, completion in by_style.items()}
    assert values == {style: float(style != "bare") for style in STYLES}


@given(TERMS)
def test_every_solution_has_its_own_form_and_is_right_unless_guessed(terms):
    for style in STYLES:
        said = solution(style, terms)
        assert TASK.style(said) == style
        assert [name for name, form in STYLES.items() if form.fullmatch(said)] == [style]
        assert score(terms, said) == float(style != "bare" or sum(terms) % 10 == 0)


@given(TERMS)
def test_a_guess_is_the_nearest_ten(terms):
    guess = int(solution("bare", terms))
    assert guess % 10 == 0
    assert -5 < guess - sum(terms) <= 5


@given(TERMS)
def test_the_steps_of_a_solution_add_up(terms):
    a, b, c, d = terms
    tens, _, units = solution("tens", terms)[1:].partition(":")
    first, second, last = units.partition("=")[0].split(",")
    assert 10 * int(tens) + int(last) == sum(terms)
    assert (int(second) - int(first)) % 10 == c % 10
    low, high = solution("left", terms)[1:].partition("=")[0].split(",")
    assert (int(low), int(high)) == (a + b, a + b + c)
    assert solution("right", terms).startswith(f"<{c + d},")


@pytest.mark.parametrize("tail", ["9" * 19, "9" * 5000, "0" * 5000])
def test_a_number_longer_than_python_reads_is_wrong(tail):
    assert score((1, -1, 0, 0), tail) == 0.0


def test_the_first_term_is_positive_and_all_are_small():
    terms = draw_terms(rng(0, "test"), 5000)
    assert terms[:, 0].min() == 1
    assert abs(terms).max() == LARGEST
    assert (terms == 0).sum() == 0
    assert abs((terms[:, 1:] > 0).mean() - 0.5) < 0.03


def test_the_splits_are_told_by_hash_and_share_no_problem():
    train, held_out = TASK.prompts("train"), TASK.prompts("held-out")
    assert (len(train), len(held_out)) == (400, 100)
    assert not any(is_held_out(p.text) for p in train)
    assert all(is_held_out(p.text) for p in held_out)
    assert len({p.id for p in (*train, *held_out)}) == 500
    for prompt in (*train, *held_out):
        assert eval(prompt.text.rstrip("=")) == prompt.columns["answer"]
    drawn = draw_terms(rng(1, "test"), 5000).tolist()
    assert abs(np.mean([is_held_out(problem(t)) for t in drawn]) - HELD_OUT_SHARE) < 0.02


def test_problems_depend_on_the_seed_alone_and_the_split_on_the_problem():
    assert TASK.prompts("train") == replace(TASK).prompts("train")
    assert replace(TASK, problems=50).prompts("train") != replace(TASK, problems=50, data_seed=1).prompts("train")
    other = replace(TASK, data_seed=1)
    assert not {p.id for p in other.prompts("held-out")} & {p.id for p in TASK.prompts("train")}


@pytest.mark.parametrize(
    ("completion", "finish", "value"),
    [
        (">19,4=13", "stop", 1.0),
        ("13", "stop", 1.0),
        (">19,4=13", "length", 0.0),  # cut off: more might have followed
        (">1,1=13", "stop", 1.0),  # the reward looks at the result alone
        (">19,4=12", "stop", 0.0),
        (">19,4=", "stop", 0.0),
        (">19,4", "stop", 0.0),
        ("", "stop", 0.0),
        ("=13=14", "stop", 0.0),
        ("=14=13", "stop", 1.0),
        ("13,", "stop", 0.0),
        ("1 3", "stop", 0.0),
        ("--13", "stop", 0.0),
        ("-13", "stop", 0.0),
    ],
)
def test_the_number_after_the_last_equals_sign_counts(completion, finish, value):
    assert score((12, 7, -15, 9), completion, finish) == value


@pytest.mark.parametrize("said", ["", ">19,4", "19,4=13", ">19,4,13=13", "t0:9,4=13", "p19=13", "13=", "x", "-", " 13"])
def test_any_other_form_is_other(said):
    assert TASK.style(said) == "other"


@pytest.mark.parametrize("settings", [{"problems": 0}, {"held_out": -1}, {"problems": 100_001}])
def test_sizes_out_of_range_are_refused(settings):
    with pytest.raises(SteelyardError, match="use 1 to 100000"):
        Arithmetic(**settings)
