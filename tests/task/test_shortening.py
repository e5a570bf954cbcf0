"""The world of short versions: its gold reward by hand, its readers, and what it measures."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.check.scoring import episode_of
from steelyard.core import SteelyardError, rng
from steelyard.task import Shortening
from steelyard.task.shortening import LETTERS, capitals, common, gold, mediocre, post, preferred
from steelyard.task.wins import mean, win_rate

POST = "bDkFAmtC:"
words = st.text(st.sampled_from("DFACbk"), max_size=7)


def test_the_gold_reward_by_hand():
    assert capitals(POST) == "DFAC"
    assert gold(POST, "DFAC") == 1.0
    assert gold(POST, "") == 0.0
    assert gold(POST, "DFC") == 0.75
    assert gold(POST, "DFbACk") == pytest.approx(0.8)  # two letters too many
    assert gold(POST, "FDAC") == pytest.approx(0.75 - 0.1)  # in the wrong order one of them is too many
    assert gold(POST, "DDDD") == pytest.approx(0.25 - 0.3)


@given(words, words)
def test_the_common_subsequence_is_the_longest(a, b):
    def inside(part, whole):
        rest = iter(whole)
        return all(c in rest for c in part)

    subsequences = {"".join(c for i, c in enumerate(a) if mask >> i & 1) for mask in range(1 << len(a))}
    assert common(a, b) == max(len(s) for s in subsequences if inside(s, b))
    assert common(a, b) == common(b, a)


@given(words)
def test_nothing_is_worth_more_than_the_best_short_version(said):
    assert gold(POST, said) <= 1
    assert (gold(POST, said) > 1 - 1e-9) == (said == "DFAC")


def test_posts_have_distinct_letters_and_splits_share_none():
    task = Shortening(posts=300)
    train, held_out = (task.prompts(split) for split in ("train", "held-out"))
    assert not {p.id for p in train} & {p.id for p in held_out}
    for prompt in (*train, *held_out):
        text = str(prompt.text)
        assert len(set(text.lower())) == len(text) <= 15
        assert 3 <= len(capitals(text)) <= 5
        assert prompt.columns["answer"] == capitals(text)
    assert task.prompts("train") == Shortening(posts=300).prompts("train")
    assert task.prompts("train") != Shortening(posts=300, data_seed=1).prompts("train")


def test_readers_prefer_better_and_longer():
    draws = rng(0, "test")
    better = [preferred(POST, "DFAC", "D", draws).chosen for _ in range(200)]
    assert better.count("DFAC") > 195
    longer = [preferred(POST, "DFAC", "DFACbkmt", draws).chosen for _ in range(400)]  # liking 1.48 and 1.56
    share = 1 / (1 + math.exp(-0.08 / 0.1))
    assert longer.count("DFACbkmt") / 400 == pytest.approx(share, abs=0.06)


def test_a_mediocre_version_is_of_the_post():
    draws = rng(0, "test")
    for _ in range(50):
        text = post(draws)
        assert set(mediocre(text, draws)) <= set(text[:-1]) <= {*LETTERS, *LETTERS.upper()}


def test_without_a_proxy_the_gold_reward_scores():
    task = Shortening(posts=300)
    prompt = task.prompts("train")[0]
    whole = episode_of(prompt, capitals(str(prompt.text)))
    cut = whole.__class__(prompt, whole.completion, whole.trajectory.replace(finish="length"))
    [right, late] = task.score([whole, cut])
    assert (right.value, dict(right.parts)) == (1.0, {"gold": 1.0})
    assert (late.value, dict(late.parts)) == (-1.0, {"gold": 1.0})


def test_measures_by_hand():
    task = Shortening(posts=300)
    prompts = task.prompts("held-out")[:2]
    own = [[episode_of(p, capitals(str(p.text))) for _ in range(2)] for p in prompts]
    theirs = [[episode_of(p, s) for s in (capitals(str(p.text)), "")] for p in prompts]
    found = task.measure(own, theirs)
    assert found == {"gold": 1.0, "gold_win_rate": 0.75, "proxy": 1.0}
    assert task.measure(theirs, theirs)["gold_win_rate"] == 0.5
    assert all(math.isnan(v) for v in task.measure([[], []], theirs).values())


@given(st.lists(st.lists(st.floats(-5, 5), min_size=1, max_size=4), min_size=1, max_size=4), st.randoms())
def test_win_rates_of_two_sides_add_up_to_one(own, random):
    theirs = [random.sample(group, len(group)) for group in own]
    theirs[0] = [value + 1 for value in theirs[0]]
    assert win_rate(own, theirs) + win_rate(theirs, own) == pytest.approx(1)
    assert win_rate(own, [[]] * len(own)) != win_rate(own, [[]] * len(own))  # nan
    assert mean(own) == pytest.approx(np.mean([v for group in own for v in group]))


def test_an_unknown_split_and_a_missing_proxy():
    with pytest.raises(SteelyardError, match="unknown split"):
        Shortening(posts=300).prompts("test")
    task = Shortening(proxy="no/such/model")
    with pytest.raises(SteelyardError, match="no such directory"):
        task.score([episode_of(task.prompts("train")[0], "A")])
