import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from steelyard.core import Curriculum, Prompt, SteelyardError, decode, encode, rng
from steelyard.curriculum import Shuffled


def walk_over(total, seed):
    return Shuffled().open([Prompt(str(i), str(i)) for i in range(total)], seed)


def test_a_hand_worked_walk():
    walk = walk_over(4, 9)
    assert isinstance(walk, Curriculum)
    first = rng(9, "curriculum", 0).permutation(4).tolist()
    second = rng(9, "curriculum", 1).permutation(4).tolist()
    assert walk.draw(3) + walk.draw(5) == first + second
    assert walk.state() == {"position": 8}


@given(st.integers(1, 9), st.lists(st.integers(0, 7), max_size=12), st.integers(0, 5))
def test_every_prompt_once_per_epoch_however_it_is_cut(total, cuts, seed):
    walk, drawn = walk_over(total, seed), []
    for n in cuts:
        drawn += walk.draw(n)
    assert drawn == walk_over(total, seed).draw(sum(cuts))
    for start in range(0, len(drawn) - total + 1, total):
        assert sorted(drawn[start : start + total]) == list(range(total))


@given(st.integers(0, 40), st.integers(0, 40))
def test_state_is_all_that_a_resume_needs(before, elsewhere):
    walk = walk_over(7, 3)
    walk.draw(before)
    state = walk.state()
    expected = walk.draw(10)
    other = walk_over(7, 3)
    other.draw(elsewhere)
    other.restore(state)
    assert other.draw(10) == expected


def test_orders_differ_by_epoch_and_seed_and_are_uniform():
    walk = walk_over(50, 0)
    assert walk.draw(50) != walk.draw(50)
    assert walk_over(50, 1).draw(50) != walk_over(50, 0).draw(50)
    first = [walk_over(5, seed).draw(1)[0] for seed in range(1000)]
    assert chisquare([first.count(i) for i in range(5)]).pvalue > 1e-3


def test_wrong_input_is_refused():
    with pytest.raises(SteelyardError, match="no prompts"):
        walk_over(0, 0)
    for state in ({}, {"position": -1}, {"position": "3"}):
        with pytest.raises(SteelyardError, match="curriculum state"):
            walk_over(3, 0).restore(state)


def test_settings_survive_json():
    assert decode(encode(Shuffled())) == Shuffled()
