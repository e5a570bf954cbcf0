"""The distributions of the draw rule: by hand where they are small, otherwise by chi-square at fixed seeds."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sortedcontainers import SortedList

from replay.laws import fits, sequential, softmax
from steelyard.core import rng
from steelyard.replay import Entry, aged, choose_entries, choose_prompts, num_newest, shuffled, softmax_order

DRAWS = 6000


def test_inverse_temperature_zero_orders_uniformly():
    distribution = dict.fromkeys(itertools.permutations(range(3)), 1 / 6)
    reward_N = np.array([0.0, 5.0, -5.0])
    counts = Counter(tuple(softmax_order(0.0 * reward_N, rng(1, i)).tolist()) for i in range(DRAWS))
    assert fits(counts, distribution)


@pytest.mark.parametrize("inverse_temperature", [0.5, 2.0])
def test_first_draw_follows_the_softmax_of_reward(inverse_temperature):
    reward_N = np.array([0.0, 1.0, 0.25, -0.5, 1.0])
    distribution = dict(enumerate(softmax(inverse_temperature * reward_N)))
    counts = Counter(int(softmax_order(inverse_temperature * reward_N, rng(2, i))[0]) for i in range(DRAWS))
    assert fits(counts, distribution)
    assert not fits(counts, dict.fromkeys(distribution, 1 / 5)), "the test would see a uniform draw"


def test_pairs_follow_the_sequential_distribution():
    """P(i, then j) = p_i p_j / (1 - p_i), enumerated."""
    reward_N, b = np.array([0.0, 1.0, 2.0, 0.5]), 0.8
    p = softmax(b * reward_N)
    distribution = {(i, j): p[i] * p[j] / (1 - p[i]) for i, j in itertools.permutations(range(4), 2)}
    assert sum(distribution.values()) == pytest.approx(1)
    assert sequential(b * reward_N, 2) == pytest.approx(distribution)
    counts = Counter(tuple(softmax_order(b * reward_N, rng(3, i))[:2].tolist()) for i in range(DRAWS))
    assert fits(counts, distribution)


def test_an_extreme_temperature_is_a_sort_and_does_not_overflow():
    order = softmax_order(1e6 * np.array([-1e3, 2e3, 1e3]), rng(0))
    assert order.tolist() == [1, 2, 0]


def slots(m, num_prompts, recent, stored, seed, kind="coin"):
    draws = rng(4, seed)
    iterators = {"recent": shuffled(recent, 0, draws), "stored": shuffled(stored, 0, draws)}
    return list(choose_prompts(num_prompts, m, **iterators, rng=draws, recent_slots=kind))


@pytest.mark.parametrize("m", [0.0, 0.3, 0.95, 1.0])
def test_coins_come_up_recent_with_probability_m(m):
    counts = Counter(slot.newest for i in range(DRAWS // 2) for slot in slots(m, 2, "ab", "abcdef", i))
    assert fits(counts, {coin: p for coin, p in ((True, m), (False, 1 - m)) if p > 0})


@pytest.mark.parametrize(("m", "num_prompts"), [(0.0, 4), (0.25, 4), (0.3, 4), (0.7, 3), (1.0, 4)])
def test_a_count_of_slots_is_as_near_to_its_share_as_it_can_be_and_right_on_average(m, num_prompts):
    """m = .3 of 4 slots is 1 with probability .8 and 2 with .2: a mean of 1.2; every slot has probability m."""
    drawn = [[s.newest for s in slots(m, num_prompts, "abcdef", "abcdef", i, "count")] for i in range(DRAWS // 2)]
    whole, part = divmod(round(m * num_prompts, 9), 1)
    law = {int(whole): 1 - part, int(whole) + 1: part}
    assert fits(Counter(sum(coins) for coins in drawn), {count: p for count, p in law.items() if p > 0})
    for place in range(num_prompts):
        counts = Counter(coins[place] for coins in drawn)
        assert fits(counts, {coin: p for coin, p in ((True, m), (False, 1 - m)) if p > 0})


@given(st.floats(0, 1), st.integers(1, 40), st.integers(0, 99))
def test_a_count_is_the_floor_or_the_ceiling_of_its_share(m, num_prompts, seed):
    names = [f"p{i}" for i in range(num_prompts)]
    count = sum(s.newest for s in slots(m, num_prompts, names, names, seed, "count"))
    assert abs(count - m * num_prompts) < 1 + 1e-9


def test_prompts_by_age_stay_so_when_recent_ones_are_skipped():
    """Two slots, m = .5. A recent prompt is a or b; a stored one is by age, of those that are left."""
    versions, decay = {"a": 3, "b": 2, "c": 1, "d": 0}, 0.7
    law = Counter()
    for first, second in itertools.product((True, False), repeat=2):
        for x in "abcd":
            p = (x in "ab") / 2 if first else weight_of(x, versions, decay, "abcd")
            left = [y for y in "abcd" if y != x]
            recent = [y for y in "ab" if y != x]
            for y in left:
                q = (y in recent) / len(recent) if second else weight_of(y, versions, decay, left)
                law[x, y] += p * q / 4
    keys = SortedList((version, name) for name, version in versions.items())

    def drawn(i):
        draws = rng(5, i)
        stored = (name for _, name in aged(keys, 0, decay, draws))
        chosen = choose_prompts(2, 0.5, recent=shuffled("ab", 0, draws), stored=stored, rng=draws)
        return tuple(slot.prompt_id for slot in chosen)

    assert sum(law.values()) == pytest.approx(1)
    assert fits(Counter(drawn(i) for i in range(DRAWS)), dict(law))


def weight_of(name, versions, decay, among):
    return np.exp(decay * versions[name]) / sum(np.exp(decay * versions[x]) for x in among)


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
    chosen = choose_entries(entries_of([0.0] * 5), np.zeros(5), 3, num_newest=3, rng=rng(0))
    assert [e.seq for e in chosen] == [4, 3, 2]


def test_of_a_group_that_is_partly_new_the_others_follow_the_scores_among_themselves():
    """Entries 3 and 4 are the newest two; of 0, 1, 2 one is drawn, with their own softmax."""
    score_N = np.array([0.0, 1.0, 0.5, 9.0, -9.0])
    drawn = [choose_entries(entries_of([0.0] * 5), score_N, 3, num_newest=2, rng=rng(6, i)) for i in range(DRAWS)]
    assert {tuple(e.seq for e in group[:2]) for group in drawn} == {(4, 3)}
    assert fits(Counter(group[2].seq for group in drawn), dict(enumerate(softmax(score_N[:3]))))


@pytest.mark.parametrize(("share", "size", "count"), [(0.0, 8, 0), (0.5, 8, 4), (0.7, 10, 7), (0.5, 5, 3), (1.0, 3, 3)])
def test_a_share_of_a_group_is_a_count(share, size, count):
    assert num_newest(share, size) == count


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=9), st.integers(1, 25), st.integers(0, 25), st.integers(0, 99))
def test_members_repeat_only_when_short_and_then_evenly(rewards, num_generations, newest, seed):
    entries = entries_of(rewards)
    count = min(newest, num_generations)
    chosen = choose_entries(entries, np.array(rewards), num_generations, num_newest=count, rng=rng(seed))
    times = Counter(e.seq for e in chosen)
    assert len(chosen) == num_generations
    assert len(times) == min(num_generations, len(entries))
    assert max(times.values()) - min(times.values()) <= 1
    assert max(times.values()) == -(-num_generations // len(entries))
    assert chosen[: min(count, len(entries))] == entries[::-1][:count]
