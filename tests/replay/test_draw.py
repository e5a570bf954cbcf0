"""The laws of the draw rule: exact by hand where it is small, by chi-square at fixed seeds where it is random."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from steelyard.core import rng
from steelyard.replay import Row, choose_prompts, choose_rows, shuffled, softmax_order

DRAWS = 6000
PLAUSIBLE = 1e-3  # fixed seeds: a correct law gives the same p-value at every run


def fits(counts: Counter, law: dict) -> bool:
    assert set(counts) <= set(law)
    if len(law) == 1:  # certain: chi-square has no degree of freedom left
        return True
    total = counts.total()
    return chisquare([counts[k] for k in law], [total * p for p in law.values()]).pvalue > PLAUSIBLE


def softmax(score):
    weight = np.exp(score - np.max(score))
    return weight / weight.sum()


def test_shuffled_gives_every_ordering_equally_often():
    law = dict.fromkeys(itertools.permutations("bcd"), 1 / 6)
    counts = Counter(tuple(shuffled("abcd", 1, rng(0, "shuffled", i))) for i in range(DRAWS))
    assert fits(counts, law)


@given(st.integers(0, 12), st.data())
def test_shuffled_gives_each_key_of_the_tail_once(n, data):
    start = data.draw(st.integers(0, n))
    assert sorted(shuffled(range(n), start, rng(n, start))) == list(range(start, n))


def test_inverse_temperature_zero_orders_uniformly():
    law = dict.fromkeys(itertools.permutations(range(3)), 1 / 6)
    reward_N = np.array([0.0, 5.0, -5.0])
    counts = Counter(tuple(softmax_order(reward_N, 0.0, rng(1, i)).tolist()) for i in range(DRAWS))
    assert fits(counts, law)


@pytest.mark.parametrize("inverse_temperature", [0.5, 2.0])
def test_first_draw_follows_the_softmax_of_reward(inverse_temperature):
    reward_N = np.array([0.0, 1.0, 0.25, -0.5, 1.0])
    law = dict(enumerate(softmax(inverse_temperature * reward_N)))
    counts = Counter(int(softmax_order(reward_N, inverse_temperature, rng(2, i))[0]) for i in range(DRAWS))
    assert fits(counts, law)
    assert not fits(counts, dict.fromkeys(law, 1 / 5)), "the test would see a uniform draw"


def test_pairs_follow_the_sequential_law():
    """P(i, then j) = p_i p_j / (1 - p_i), enumerated."""
    reward_N, b = np.array([0.0, 1.0, 2.0, 0.5]), 0.8
    p = softmax(b * reward_N)
    law = {(i, j): p[i] * p[j] / (1 - p[i]) for i, j in itertools.permutations(range(4), 2)}
    assert sum(law.values()) == pytest.approx(1)
    counts = Counter(tuple(softmax_order(reward_N, b, rng(3, i))[:2].tolist()) for i in range(DRAWS))
    assert fits(counts, law)


def test_an_extreme_temperature_is_a_sort_and_does_not_overflow():
    order = softmax_order(np.array([-1e3, 2e3, 1e3]), 1e6, rng(0))
    assert order.tolist() == [1, 2, 0]


def slots(m, num_prompts, recent, stored, seed):
    draws = rng(4, seed)
    iterators = {"recent": shuffled(recent, 0, draws), "stored": shuffled(stored, 0, draws)}
    return list(choose_prompts(num_prompts, m, **iterators, rng=draws))


@pytest.mark.parametrize("m", [0.0, 0.3, 0.95, 1.0])
def test_coins_come_up_recent_with_probability_m(m):
    counts = Counter(slot.newest for i in range(DRAWS // 2) for slot in slots(m, 2, "ab", "abcdef", i))
    assert fits(counts, {coin: p for coin, p in ((True, m), (False, 1 - m)) if p > 0})


def sequential_law(m, num_prompts, recent, stored):
    """Law of the ordered prompts: every coin, then uniform over those of its pool that are not yet taken."""
    law = Counter({(): 1.0})
    for _ in range(num_prompts):
        longer = Counter()
        for (taken, p), (coin, q) in itertools.product(law.items(), ((True, m), (False, 1 - m))):
            left = [x for x in recent if x not in taken] if coin else []
            left = left or [x for x in stored if x not in taken]
            for x in left:
                longer[(*taken, x)] += p * q / len(left)
        law = longer
    return {key: p for key, p in law.items() if p > 0}


@pytest.mark.parametrize(("m", "recent", "stored"), [(0.0, "", "abcde"), (0.6, "ab", "abcd"), (1.0, "abc", "abcd")])
def test_prompts_are_uniform_without_replacement_under_every_mix_of_coins(m, recent, stored):
    law = sequential_law(m, 3, recent, stored)
    assert sum(law.values()) == pytest.approx(1)
    counts = Counter(tuple(s.prompt_id for s in slots(m, 3, recent, stored, i)) for i in range(DRAWS))
    assert fits(counts, law)


def test_an_exhausted_recent_set_takes_any_stored_prompt_and_says_so():
    first, second, third = slots(1.0, 3, "a", "abc", 0)
    assert (first.prompt_id, first.newest, first.short) == ("a", True, False)
    assert {second.prompt_id, third.prompt_id} == {"b", "c"}
    assert second.newest and second.short and third.newest and third.short


def test_an_exhausted_store_leaves_slots_empty():
    assert [s.prompt_id for s in slots(0.5, 5, "", "a", 0)] == ["a"]
    assert slots(0.5, 5, "", "", 0) == []


def rows_of(rewards):
    return [Row(version=i, seq=i, prompt_id="p", arrived=i, reward=r, key=bytes([i])) for i, r in enumerate(rewards)]


def test_newest_rows_come_newest_first():
    chosen = choose_rows(rows_of([0.0] * 5), 3, newest=True, inverse_temperature=1.0, rng=rng(0))
    assert [row.seq for row in chosen] == [4, 3, 2]


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=9), st.integers(1, 25), st.booleans(), st.integers(0, 99))
def test_members_repeat_only_when_short_and_then_evenly(rewards, num_generations, newest, seed):
    rows = rows_of(rewards)
    chosen = choose_rows(rows, num_generations, newest=newest, inverse_temperature=1.0, rng=rng(seed))
    times = Counter(row.seq for row in chosen)
    assert len(chosen) == num_generations
    assert len(times) == min(num_generations, len(rows))
    assert max(times.values()) - min(times.values()) <= 1
    assert max(times.values()) == -(-num_generations // len(rows))
