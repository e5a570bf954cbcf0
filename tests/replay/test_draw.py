"""The distributions of the draw rule: by hand where they are small, otherwise by chi-square at fixed seeds."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from steelyard.core import rng
from steelyard.replay import Entry, choose_entries, choose_prompts, shuffled, softmax_order

DRAWS = 6000
PLAUSIBLE = 1e-3  # fixed seeds: a correct distribution gives the same p-value at every run


def fits(counts: Counter, distribution: dict) -> bool:
    assert set(counts) <= set(distribution)
    if len(distribution) == 1:  # certain: chi-square has no degree of freedom left
        return True
    total = counts.total()
    return chisquare([counts[k] for k in distribution], [total * p for p in distribution.values()]).pvalue > PLAUSIBLE


def softmax(score):
    weight = np.exp(score - np.max(score))
    return weight / weight.sum()


def test_shuffled_gives_every_ordering_equally_often():
    distribution = dict.fromkeys(itertools.permutations("bcd"), 1 / 6)
    counts = Counter(tuple(shuffled("abcd", 1, rng(0, "shuffled", i))) for i in range(DRAWS))
    assert fits(counts, distribution)


@given(st.integers(0, 12), st.data())
def test_shuffled_gives_each_key_of_the_tail_once(n, data):
    start = data.draw(st.integers(0, n))
    assert sorted(shuffled(range(n), start, rng(n, start))) == list(range(start, n))


def test_inverse_temperature_zero_orders_uniformly():
    distribution = dict.fromkeys(itertools.permutations(range(3)), 1 / 6)
    reward_N = np.array([0.0, 5.0, -5.0])
    counts = Counter(tuple(softmax_order(reward_N, 0.0, rng(1, i)).tolist()) for i in range(DRAWS))
    assert fits(counts, distribution)


@pytest.mark.parametrize("inverse_temperature", [0.5, 2.0])
def test_first_draw_follows_the_softmax_of_reward(inverse_temperature):
    reward_N = np.array([0.0, 1.0, 0.25, -0.5, 1.0])
    distribution = dict(enumerate(softmax(inverse_temperature * reward_N)))
    counts = Counter(int(softmax_order(reward_N, inverse_temperature, rng(2, i))[0]) for i in range(DRAWS))
    assert fits(counts, distribution)
    assert not fits(counts, dict.fromkeys(distribution, 1 / 5)), "the test would see a uniform draw"


def test_pairs_follow_the_sequential_distribution():
    """P(i, then j) = p_i p_j / (1 - p_i), enumerated."""
    reward_N, b = np.array([0.0, 1.0, 2.0, 0.5]), 0.8
    p = softmax(b * reward_N)
    distribution = {(i, j): p[i] * p[j] / (1 - p[i]) for i, j in itertools.permutations(range(4), 2)}
    assert sum(distribution.values()) == pytest.approx(1)
    counts = Counter(tuple(softmax_order(reward_N, b, rng(3, i))[:2].tolist()) for i in range(DRAWS))
    assert fits(counts, distribution)


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


def sequential_distribution(m, num_prompts, recent, stored):
    """Distribution of the ordered prompts: every coin, then uniform over those of its pool that are not yet taken."""
    distribution = Counter({(): 1.0})
    for _ in range(num_prompts):
        longer = Counter()
        for (taken, p), (coin, q) in itertools.product(distribution.items(), ((True, m), (False, 1 - m))):
            left = [x for x in recent if x not in taken] if coin else []
            left = left or [x for x in stored if x not in taken]
            for x in left:
                longer[(*taken, x)] += p * q / len(left)
        distribution = longer
    return {key: p for key, p in distribution.items() if p > 0}


@pytest.mark.parametrize(("m", "recent", "stored"), [(0.0, "", "abcde"), (0.6, "ab", "abcd"), (1.0, "abc", "abcd")])
def test_prompts_are_uniform_without_replacement_under_every_mix_of_coins(m, recent, stored):
    distribution = sequential_distribution(m, 3, recent, stored)
    assert sum(distribution.values()) == pytest.approx(1)
    counts = Counter(tuple(s.prompt_id for s in slots(m, 3, recent, stored, i)) for i in range(DRAWS))
    assert fits(counts, distribution)


def test_an_exhausted_recent_set_takes_any_stored_prompt_and_says_so():
    first, second, third = slots(1.0, 3, "a", "abc", 0)
    assert (first.prompt_id, first.newest, first.short) == ("a", True, False)
    assert {second.prompt_id, third.prompt_id} == {"b", "c"}
    assert second.newest and second.short and third.newest and third.short


def test_an_exhausted_store_leaves_slots_empty():
    assert [s.prompt_id for s in slots(0.5, 5, "", "a", 0)] == ["a"]
    assert slots(0.5, 5, "", "", 0) == []


def entries_of(rewards):
    return [Entry(version=i, seq=i, prompt_id="p", arrived=i, reward=r, key=bytes([i])) for i, r in enumerate(rewards)]


def test_newest_entries_come_newest_first():
    chosen = choose_entries(entries_of([0.0] * 5), 3, newest=True, inverse_temperature=1.0, rng=rng(0))
    assert [e.seq for e in chosen] == [4, 3, 2]


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=9), st.integers(1, 25), st.booleans(), st.integers(0, 99))
def test_members_repeat_only_when_short_and_then_evenly(rewards, num_generations, newest, seed):
    entries = entries_of(rewards)
    chosen = choose_entries(entries, num_generations, newest=newest, inverse_temperature=1.0, rng=rng(seed))
    times = Counter(e.seq for e in chosen)
    assert len(chosen) == num_generations
    assert len(times) == min(num_generations, len(entries))
    assert max(times.values()) - min(times.values()) <= 1
    assert max(times.values()) == -(-num_generations // len(entries))
