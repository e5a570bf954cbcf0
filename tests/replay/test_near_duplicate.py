import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from steelyard.core import Sampling, SteelyardError, Trajectory
from steelyard.replay import PrioritizedReplay, ReplayBuffer
from steelyard.replay.entry import Entry
from steelyard.replay.near_duplicate import NearDuplicates, edit_distances

words = st.lists(st.integers(0, 2), max_size=6)


def trajectory(completion, reward=0.0, *, prompt="p", finish="stop", sample=0):
    tokens_T = np.array([7, *completion, *([1] if finish == "stop" else [])], np.int32)
    nothing_T = np.zeros(len(tokens_T), np.float32)
    action_T = np.arange(len(tokens_T)) > 0
    return Trajectory(prompt, tokens_T, action_T, nothing_T, 0, "", Sampling(), finish, sample, reward=reward)


def plain_distance(a, b):
    above = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        here = [i]
        for j, y in enumerate(b, start=1):
            here.append(min(above[j] + 1, here[-1] + 1, above[j - 1] + (x != y)))
        above = here
    return above[-1]


def distances(one, others):
    longest = max(map(len, others))
    table = np.array([[*o, *[-1] * (longest - len(o))] for o in others], np.int32).reshape(len(others), longest)
    return edit_distances(np.array(one, np.int32), table, np.array([len(o) for o in others])).tolist()


def test_a_distance_by_hand():
    # 2 -> 3 is one replacement, the 9 is inserted, the last 4 is deleted
    assert distances([1, 2, 4, 4], [[1, 3, 9, 4], [1, 2, 4, 4], []]) == [2, 0, 4]


@given(words, st.lists(words, min_size=1, max_size=5))
def test_equals_the_plain_table(one, others):
    assert distances(one, others) == [plain_distance(one, other) for other in others]


def stored(buffer):
    return sorted(t.completion_T.tolist() for group in buffer.sample(1, 20, version=0, draw=0) for t in group)


def stored_set(buffer):
    return sorted(map(list, {tuple(t) for t in stored(buffer)}))


def test_the_better_of_two_near_duplicates_stays():
    buffer = PrioritizedReplay(near_duplicate_threshold=0.25, recent_probability=0.0).open(seed=0)
    long = [2, 3, 4, 5, 6, 7]
    buffer.add([trajectory(long, 0.5)], version=0)
    buffer.add([trajectory([2, 3, 4, 5, 6, 8], 0.4)], version=0)  # one edit of 12: near, and worse
    assert stored_set(buffer) == [[*long, 1]]
    buffer.add([trajectory([2, 3, 4, 5, 6, 8], 0.6)], version=0)  # near, and better
    assert stored_set(buffer) == [[2, 3, 4, 5, 6, 8, 1]]
    buffer.add([trajectory([8, 6, 5, 4, 3, 2], 0.1)], version=0)  # six edits: another
    assert len(stored_set(buffer)) == 2
    assert buffer.metrics()["replay/duplicates"] == 2
    buffer.add([trajectory([2, 3, 4, 5, 6, 8], 0.1, prompt="q")], version=0)
    assert buffer.metrics()["replay/prompts"] == 2, "another prompt's completions are no duplicates"


def test_of_exact_duplicates_the_newer_stays():
    buffer = PrioritizedReplay(near_duplicate_threshold=0.25, recent_probability=0.0).open(seed=0)
    buffer.add([trajectory([2, 3], 0.5, sample=s) for s in range(3)], version=0)
    assert [t.sample for t in buffer.sample(1, 1, version=0, draw=0)[0]] == [2]
    buffer.add([trajectory([], 0.5), trajectory([], 0.6)], version=0)
    assert buffer.metrics()["replay/size"] == 2, "two empty completions are exact duplicates"


def held(*said):
    index, rows = NearDuplicates(0.5), [Entry(0, seq, "p", 0, 0.0, bytes([seq])) for seq in range(len(said))]
    for row, tokens in zip(rows, said, strict=True):
        index.put(row, trajectory(tokens))
    return index, rows


def test_the_end_of_a_completion_is_not_counted():
    index, (row, *others) = held([2, 3, 4], [2, 5, 6, 7], [2, 5, 6])
    assert index.find(row, [row, *others]) == others[1], "two edits of 6 are near, and nearer than three edits of 7"
    assert index.find(row, others[:1]) == others[0]
    index, (row, other) = held([2, 3], [4, 5])
    assert index.find(row, [other]) is None, "two edits of 4 are not below the half; they would be of 6"


def test_the_nearest_near_duplicate_is_found_and_the_oldest_of_equals():
    index, rows = held([2, 3, 4, 6], [2, 3, 4, 5, 5], [2, 3, 9, 5], [2, 3, 4, 5])
    assert index.find(rows[3], rows) == rows[0]
    index.remove(rows[0])
    assert index.find(rows[3], rows[1:]) == rows[1]
    assert index.find(rows[3], rows[2:]) == rows[2]
    assert index.find(rows[3], rows[3:]) is None


def test_the_newest_are_protected_until_newer_ones_arrive():
    buffer = PrioritizedReplay(near_duplicate_threshold=0.25, protected_per_prompt=2, recent_probability=0.0).open(
        seed=0
    )
    long = [2, 3, 4, 5, 6, 7]
    for last, reward in ((7, 0.5), (8, 0.4), (9, 0.3)):
        buffer.add([trajectory([*long[:-1], last], reward)], version=0)
    assert buffer.metrics()["replay/size"] == 3, "two are protected, and the third has no evictable neighbor"
    buffer.add([trajectory([*long[:-1], 10], 0.2)], version=0)
    assert buffer.metrics()["replay/duplicates"] == 1, "8 has lost its protection: it is near 7, and worse"
    assert stored_set(buffer) == [[*long[:-1], last, 1] for last in (7, 9, 10)]


def test_a_reopened_file_still_finds_near_duplicates(tmp_path):
    path = tmp_path / "replay.sqlite"
    buffer = PrioritizedReplay(near_duplicate_threshold=0.25, capacity=2, eviction="lowest-reward").open(
        seed=0, path=path
    )
    buffer.add([trajectory([2, 3, 4, 5], 0.5), trajectory([5, 5, 5, 5, 5], 0.2)], version=0)
    buffer.close()
    buffer = ReplayBuffer.open(path)
    buffer.add([trajectory([2, 3, 4], 0.1), trajectory([9, 9, 9, 9], 0.3)], version=0)
    assert buffer.metrics()["replay/duplicates"] == buffer.metrics()["replay/evicted"] == 1
    buffer.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"near_duplicate_threshold": 1.0},
        {"near_duplicate_threshold": -0.1},
        {"near_duplicate_threshold": 0.2, "capacity_per_prompt": None},
    ],
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(SteelyardError, match="near_duplicate_threshold: is"):
        PrioritizedReplay(**wrong)
