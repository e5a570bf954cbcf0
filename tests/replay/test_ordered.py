from hypothesis import given
from hypothesis import strategies as st

from steelyard.replay.ordered import Ordered


@given(st.lists(st.tuples(st.integers(-3, 3), st.sampled_from("abc"))), st.integers(-4, 4))
def test_ordered_is_a_sorted_set_whatever_its_history(toggles, low):
    ordered, model = Ordered(), set()
    for key in toggles:
        (ordered.remove if key in model else ordered.add)(key)
        model ^= {key}
    assert ordered.keys == sorted(model) and len(ordered) == len(model)
    assert ordered.keys[ordered.start(low) :] == sorted(key for key in model if key[0] >= low)
    assert ordered.start(float("-inf")) == 0
