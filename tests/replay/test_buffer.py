import math
import os
import subprocess
import sys
from collections import Counter

import pytest
from scipy.stats import chisquare

from steelyard.core import Replay, SteelyardError, decode, encode
from steelyard.replay import PrioritizedReplay, ReplayBuffer


def fill(buffer, make, prompts, per_prompt, version=0, first=0):
    for prompt_id in prompts:
        buffer.add([make(prompt_id, first + i, version=version) for i in range(per_prompt)], version=version)


def test_a_hand_worked_run(make, answers):
    """Capacity 2 for a prompt, m = 1: the newest two, newest first; the duplicate takes the new reward."""
    buffer = PrioritizedReplay(capacity_per_prompt=2, recent_probability=1.0, recent_window=2).open(seed=0)
    assert isinstance(buffer, Replay)
    assert buffer.sample(1, 2, version=0, draw=0) is None
    assert buffer.add([make("a", 1), make("a", 2), make("b", 1)], version=0) == 3
    assert (
        buffer.add([make("a", 1, version=1, reward=0.5), make("a", 3, version=1), make("a", 4, reward=None)], version=1)
        == 2
    )
    # a: answer 1 came again (newer), answer 3 pushed out answer 2, answer 4 failed. b last arrived 2 versions ago.
    ((newest, older),) = buffer.sample(1, 2, version=2, draw=0)
    assert answers([newest, older]) == [3, 1]
    assert (older.version, older.reward) == (1, 0.5)
    assert buffer.metrics() == {
        "replay/size": 3, "replay/prompts": 2, "replay/admitted": 5, "replay/refused": 0, "replay/unknown_version": 0,
        "replay/evicted": 1, "replay/duplicates": 1, "replay/errors": 1, "replay/recent_short": 0, "replay/replaced": 0,
    }  # fmt: skip


def test_recent_means_arrived_less_than_w_versions_ago(make):
    buffer = PrioritizedReplay(recent_probability=1.0, recent_window=3).open(seed=0)
    buffer.add([make("old", version=9)], version=1)  # arrival counts, not the weights version
    buffer.add([make("new", version=0)], version=2)
    drawn = {buffer.sample(1, 1, version=4, draw=d)[0][0].prompt_id for d in range(20)}
    assert drawn == {"new"}
    assert {buffer.sample(1, 1, version=3, draw=d)[0][0].prompt_id for d in range(20)} == {"old", "new"}
    assert buffer.metrics()["replay/recent_short"] == 0
    buffer.sample(2, 1, version=4, draw=0)
    assert buffer.metrics()["replay/recent_short"] == 1
    buffer.sample(2, 1, version=5, draw=0)
    assert buffer.metrics()["replay/recent_short"] == 3


def test_m_one_bounds_staleness_by_window_and_lag(make):
    """Groups of G arrive `lag` versions late; a window of W then serves at most lag + W - 1, with no age limit set."""
    window, lag, num_generations = 3, 2, 4
    buffer = PrioritizedReplay(recent_probability=1.0, recent_window=window).open(seed=1)
    worst = 0
    for version in range(lag, 40):
        for prompt in (version % 7, (version + 3) % 7):
            group = [make(f"p{prompt}", version * 10 + i, version=version - lag) for i in range(num_generations)]
            buffer.add(group, version=version)
        for group in buffer.sample(2, num_generations, version=version, draw=version):
            worst = max(worst, *(version - t.version for t in group))
    assert worst == lag + window - 1
    assert buffer.metrics()["replay/recent_short"] == 0


def test_replacement_only_when_short_and_counted(make, answers):
    buffer = PrioritizedReplay(recent_probability=0.0).open(seed=0)
    fill(buffer, make, "ab", 3)
    groups = buffer.sample(2, 3, version=0, draw=0)
    assert all(sorted(answers(g)) == [0, 1, 2] for g in groups)
    assert buffer.metrics()["replay/replaced"] == 0
    (group,) = buffer.sample(1, 5, version=0, draw=1)
    assert sorted(Counter(answers(group)).values()) == [1, 2, 2]
    assert buffer.metrics()["replay/replaced"] == 2
    groups = buffer.sample(5, 1, version=0, draw=2)  # five slots, two prompts, no age limit: prompts repeat, evenly
    assert sorted(Counter(g[0].prompt_id for g in groups).values()) == [2, 3]
    assert buffer.metrics()["replay/replaced"] == 2 + 3


def test_drop_refuses_evicts_and_trains_on_what_remains(make):
    buffer = PrioritizedReplay().open(seed=0, max_staleness=2)
    assert buffer.add([make("a", version=0), make("b", version=1), make("c", version=3)], version=3) == 2
    assert buffer.metrics()["replay/refused"] == 1
    groups = buffer.sample(3, 1, version=3, draw=0)
    assert sorted(g[0].prompt_id for g in groups) == ["b", "c"]
    (group,) = buffer.sample(3, 1, version=4, draw=1)
    assert group[0].prompt_id == "c"
    assert (buffer.metrics()["replay/size"], buffer.metrics()["replay/evicted"]) == (1, 1)
    assert buffer.sample(3, 1, version=6, draw=2) is None
    assert buffer.metrics()["replay/size"] == 0


def test_wait_keeps_over_age_data_and_waits_for_p_fresh_prompts(make, answers):
    buffer = PrioritizedReplay(over_age="wait", recent_probability=0.0).open(seed=0, max_staleness=2)
    assert buffer.add([make("a", 0, version=0), make("a", 1, version=3), make("b", 0, version=0)], version=3) == 3
    assert buffer.sample(2, 1, version=3, draw=0) is None
    assert buffer.metrics()["replay/size"] == 3
    (group,) = buffer.sample(1, 3, version=3, draw=0)
    assert answers(group) == [1, 1, 1], "the over-age sibling is not selectable"
    buffer.add([make("b", 1, version=3)], version=3)
    assert len(buffer.sample(2, 1, version=3, draw=0)) == 2
    assert buffer.sample(2, 1, version=6, draw=0) is None


def test_wait_does_not_call_an_over_age_prompt_recent(make):
    buffer = PrioritizedReplay(over_age="wait", recent_probability=1.0).open(seed=0, max_staleness=1)
    buffer.add([make("late", version=0), make("fresh", version=5)], version=5)
    assert {buffer.sample(1, 1, version=5, draw=d)[0][0].prompt_id for d in range(10)} == {"fresh"}


def test_warmup_counts_all_that_was_admitted(make):
    buffer = PrioritizedReplay(warmup=3).open(seed=0)
    buffer.add([make("a", 0), make("a", 0), make("a", 1, reward=None)], version=0)
    assert buffer.sample(1, 1, version=0, draw=0) is None
    buffer.add([make("a", 1)], version=0)
    assert buffer.sample(1, 1, version=0, draw=0) is not None


def test_lowest_reward_goes_first_and_of_these_the_oldest(make):
    buffer = PrioritizedReplay(capacity=2, eviction="lowest-reward", recent_probability=0.0).open(seed=0)
    rewards = {0: 0.5, 1: 0.1, 2: 0.1, 3: 0.9}
    for answer, reward in rewards.items():
        buffer.add([make(f"p{answer}", answer, reward=reward)], version=0)
    kept = {g[0].reward for g in buffer.sample(2, 1, version=0, draw=0)}
    assert kept == {0.5, 0.9}


def test_a_wrong_number_leaves_the_buffer_as_it_was(make):
    buffer = PrioritizedReplay().open(seed=0)
    with pytest.raises(SteelyardError, match="reward is nan"):
        buffer.add([make("a"), make("b", reward=float("nan"))], version=0)
    assert buffer.metrics()["replay/size"] == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"capacity": 0}, {"capacity_per_prompt": 0}, {"recent_probability": 1.5}, {"recent_window": 0}, {"warmup": -1},
        {"reward_temperature": -1.0}, {"reward_temperature": float("nan")}, {"age_decay": -0.1}, {"min_ess": 1.0},
        {"age_decay": float("inf")}, {"newest_share": 1.5}, {"priority": "abs-reward"},
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(SteelyardError, match=next(iter(wrong))):
        PrioritizedReplay(**wrong)


@pytest.mark.parametrize(
    "wrong", [{"eviction": "random"}, {"over_age": "keep"}, {"priority": "td-error"}, {"recent_slots": "dice"}]
)
def test_unknown_rules_are_refused(unchecked, wrong):
    with pytest.raises(SteelyardError, match=r"use \w.* or "):
        unchecked(PrioritizedReplay, **wrong)
    with pytest.raises(SteelyardError, match=next(iter(wrong))):
        decode({"method": "replay-buffer", **wrong})


def test_settings_survive_json():
    settings = PrioritizedReplay(capacity=None, capacity_per_prompt=7, eviction="lowest-reward", over_age="wait")
    assert decode(encode(settings)) == settings


@pytest.mark.parametrize("m", [0.0, 0.35, 1.0])
def test_a_batch_has_recent_prompts_as_often_as_the_coin_says(make, m):
    """Two of six prompts are recent: a slot holds one with probability m + (1 - m) 2/6."""
    buffer = PrioritizedReplay(recent_probability=m, recent_window=1).open(seed=3)
    fill(buffer, make, "cdef", 1, version=0)
    fill(buffer, make, "ab", 1, version=5)
    draws = 3000
    counts = Counter(buffer.sample(1, 1, version=5, draw=d)[0][0].prompt_id for d in range(draws))
    law = {p: m / 2 * (p in "ab") + (1 - m) / 6 for p in "abcdef"}
    law = {p: q for p, q in law.items() if q > 0}
    assert set(counts) <= set(law)
    assert chisquare([counts[p] for p in law], [draws * q for q in law.values()]).pvalue > 1e-3


def test_the_other_side_of_the_coin_follows_the_softmax_of_reward(make, answers):
    rewards, b, draws = [0.0, 1.0, 0.5], 1.5, 3000
    buffer = PrioritizedReplay(recent_probability=0.0, reward_temperature=b).open(seed=4)
    buffer.add([make("a", i, reward=r) for i, r in enumerate(rewards)], version=0)
    counts = Counter(answers(buffer.sample(1, 1, version=0, draw=d)[0])[0] for d in range(draws))
    weights = [math.exp(b * r) for r in rewards]
    assert chisquare([counts[i] for i in range(3)], [draws * w / sum(weights) for w in weights]).pvalue > 1e-3


HISTORY = """
from steelyard.core import Sampling, Trajectory
from steelyard.replay import PrioritizedReplay
import numpy as np
buffer = PrioritizedReplay(capacity=40, reward_temperature=1.0).open(seed=5)
for v in range(12):
    buffer.add([Trajectory(f"p{(5 * v + i) % 13}", np.array([v, i], np.int32), np.ones(2, bool),
                           np.zeros(2, np.float32), v, "d", Sampling(), "stop", reward=float(i))
                for i in range(8)], version=v)
for d in range(20):
    print([[(t.prompt_id, t.tokens_T.tolist()) for t in g] for g in buffer.sample(4, 3, version=11, draw=d)])
"""


def test_draws_do_not_depend_on_hash_randomisation():
    def run(hash_seed):
        env = os.environ | {"PYTHONHASHSEED": hash_seed}
        return subprocess.run(
            [sys.executable, "-c", HISTORY], env=env, check=True, capture_output=True, text=True
        ).stdout

    assert run("1") == run("2") != ""


def test_seed_and_draw_address_the_randomness(make):
    def draws(seed, numbers):
        buffer = PrioritizedReplay().open(seed=seed)
        assert isinstance(buffer, ReplayBuffer)
        fill(buffer, make, "abcdefgh", 5)
        return {d: buffer.sample(3, 2, version=0, draw=d) for d in numbers}

    def ids(groups):
        return [[(t.prompt_id, int(t.tokens_T[1])) for t in g] for g in groups]

    forwards, backwards = draws(0, range(9)), draws(0, reversed(range(9)))
    assert [ids(forwards[d]) for d in range(9)] == [ids(backwards[d]) for d in range(9)]
    assert len({str(ids(g)) for g in forwards.values()}) > 6
    assert [ids(g) for g in draws(1, range(9)).values()] != [ids(g) for g in forwards.values()]


def test_draws_are_the_same_after_opening_again(make, path, bodies):
    buffer = PrioritizedReplay(reward_temperature=1.0, capacity=30).open(seed=7, path=path)
    for version in range(8):
        fill(buffer, make, "abcdefg"[version % 3 :], 3, version=version, first=version)
    before = [bodies(buffer.sample(3, 4, version=8, draw=d)) for d in range(20)]
    buffer.close()
    again = ReplayBuffer.open(path)
    assert [bodies(again.sample(3, 4, version=8, draw=d)) for d in range(20)] == before
    again.close()


def test_a_file_is_the_same_buffer_as_memory(make, path, bodies):
    buffers = [PrioritizedReplay(capacity_per_prompt=4).open(seed=7, max_staleness=3, path=p) for p in (None, path)]
    for version in range(8):
        for buffer in buffers:
            fill(buffer, make, "abcd", 3, version=version, first=version)
        first, second = (b.sample(3, 4, version=version + 1, draw=version) for b in buffers)
        assert bodies(first) == bodies(second)
    assert buffers[0].state() == buffers[1].state() and buffers[0].metrics() == buffers[1].metrics()
    buffers[1].close()


def test_prompts_share_one_name_in_memory(make):
    """A trajectory from another process brings its own copy of the name; a million of them would be 60 MB."""
    buffer = PrioritizedReplay().open(seed=0)
    buffer.add([make("".join(["a long", " name"]), i) for i in range(3)], version=0)
    assert len({id(row.prompt_id) for row in buffer._store.by_key.values()}) == 1
