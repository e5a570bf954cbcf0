import pytest

from steelyard.check import UnmetError
from steelyard.check.attention import LONG, E, H, cost_of
from steelyard.check.cost import Cost, demand_affordable
from steelyard.model import GroupedQuery


def test_two_products_of_full_attention_by_hand():
    cost = cost_of(GroupedQuery())
    assert cost.whole == cost.full == 2 * (2 * H * LONG * LONG * E)
    assert cost.half * 4 == cost.whole
    assert cost.growth == 2.0


def test_linear_cost_grows_with_the_power_one():
    cost = Cost(tokens=256, half=1000, whole=2000, full=8000)
    assert cost.growth == 1.0
    assert cost.line() == (
        "operations: 1,000 at 128 tokens, 2,000 at 256; growth 1.00; 0.25 of full attention's"
    )  # fmt: skip


@pytest.mark.parametrize(("whole", "message"), [(2001, "2.0 times the operations"), (0, "cannot be counted")])
def test_too_many_operations_or_none_are_refused(whole, message):
    with pytest.raises(UnmetError, match=message):
        demand_affordable(Cost(256, whole // 2, whole, 1000))
