from hypothesis import given
from hypothesis import strategies as st

from steelyard.replay.group_queue import Ready
from steelyard.replay.row import Row


def group(*versions, first=0):
    return [Row(version, first + i, "p", 0, None, b"") for i, version in enumerate(versions)]


def test_first_in_first_out_with_the_over_age_set_aside():
    ready = Ready()
    groups = [group(3, 1), group(5, 5), group(2, 9), group(4)]
    for rows in groups:
        ready.add(rows)
    ready.set_aside(3)
    assert (len(ready), ready.num_fresh) == (4, 2)
    assert list(ready) == groups
    assert ready.pop_first() is groups[0]
    assert ready.pop_fresh() is groups[1]
    assert ready.pop_late() == [groups[2]] and ready.pop_late() == []
    assert ready.pop_first() is groups[3] and not len(ready)


@given(st.lists(st.tuples(st.sampled_from(["add", "aside", "fresh", "first", "late"]), st.integers(0, 9)), max_size=40))
def test_it_is_a_list_that_is_scanned(script):
    ready, model, floor = Ready(), [], 0
    for kind, number in script:
        fresh = [g for g in model if min(r.version for r in g) >= floor]
        if kind == "add":
            model.append(group(number, number + 1, first=len(model)))
            ready.add(model[-1])
        elif kind == "aside":
            floor = max(floor, number)
        elif kind == "late":
            gone, model = [g for g in model if g not in fresh], fresh
            assert ready.pop_late() == gone
        elif fresh if kind == "fresh" else model:
            expected = fresh[0] if kind == "fresh" else model[0]
            assert (ready.pop_fresh if kind == "fresh" else ready.pop_first)() is expected
            model = [g for g in model if g is not expected]
        ready.set_aside(floor)
        assert list(ready) == model and len(ready) == len(model)
        assert ready.num_fresh == sum(min(r.version for r in g) >= floor for g in model)
