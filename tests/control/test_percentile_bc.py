"""The best episodes, by hand."""

import pytest

from control.test_offline import played
from steelyard.control import PercentileBC
from steelyard.control.offline import Sizes
from steelyard.core import SteelyardError

SIZES = Sizes(1, 2, False)


def test_the_best_episodes_are_kept_in_order() -> None:
    episodes = [played([float(r)]) for r in (3, 0, 5, 5)]
    assert PercentileBC(best_share=0.5).kept(episodes) == episodes[2:]
    assert PercentileBC(best_share=0.01).kept(episodes) == [episodes[2]]
    assert PercentileBC(best_share=1.0).kept(episodes) == episodes
    assert PercentileBC().learn(episodes, SIZES, seed=0).policy.latents == 1


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(SteelyardError, match=r"percentile-bc\.best_share: is 0.0; use 1 or less, more than 0"):
        PercentileBC(best_share=0.0)
