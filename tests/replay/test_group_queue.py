from hypothesis import given
from hypothesis import strategies as st

from steelyard.replay.entry import Entry
from steelyard.replay.group_queue import GroupQueue


def group(*versions, first=0):
    return [Entry(version, first + i, "p", 0, None, b"") for i, version in enumerate(versions)]


def test_first_in_first_out_with_stale_groups_apart():
    queue = GroupQueue()
    groups = [group(3, 1), group(5, 5), group(2, 9), group(4)]
    for entries in groups:
        queue.add(entries)
    queue.mark_stale(3)
    assert (len(queue), queue.num_usable) == (4, 2)
    assert list(queue) == groups
    assert queue.pop_first() is groups[0]
    assert queue.pop_usable() is groups[1]
    assert queue.pop_stale() == [groups[2]] and queue.pop_stale() == []
    assert queue.pop_first() is groups[3] and not len(queue)


@given(
    st.lists(st.tuples(st.sampled_from(["add", "floor", "usable", "first", "stale"]), st.integers(0, 9)), max_size=40)
)
def test_equals_a_list_that_is_scanned(script):
    queue, model, floor = GroupQueue(), [], 0
    for kind, number in script:
        usable = [g for g in model if min(e.version for e in g) >= floor]
        if kind == "add":
            model.append(group(number, number + 1, first=len(model)))
            queue.add(model[-1])
        elif kind == "floor":
            floor = max(floor, number)
        elif kind == "stale":
            gone, model = [g for g in model if g not in usable], usable
            assert queue.pop_stale() == gone
        elif usable if kind == "usable" else model:
            expected = usable[0] if kind == "usable" else model[0]
            assert (queue.pop_usable if kind == "usable" else queue.pop_first)() is expected
            model = [g for g in model if g is not expected]
        queue.mark_stale(floor)
        assert list(queue) == model and len(queue) == len(model)
        assert queue.num_usable == sum(min(e.version for e in g) >= floor for g in model)
