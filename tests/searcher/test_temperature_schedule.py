from collections.abc import Callable, Sequence

import numpy as np

from steelyard.core import Request, Sampling
from steelyard.searcher import Assignment, Searcher
from steelyard.searcher.temperature_schedule import TemperatureSchedule

USUAL = Sampling(0.8, 6)


def asked(sample: int, number: int = 3) -> Sequence[Request]:
    return [Request("p", (1,), sample + i) for i in range(number)]


def test_half_of_the_batches_are_varied_evenly_between_the_ends() -> None:
    schedule = TemperatureSchedule(0.5, 2.0, seed=3)
    drawn = np.array([schedule.of(USUAL, asked(sample)).temperature for sample in range(4000)])
    varied = drawn[drawn != 0.8]
    assert abs(len(varied) / 4000 - 0.5) < 0.03
    assert 0.5 <= varied.min() < 0.51
    assert 1.99 < varied.max() <= 2.0
    assert abs(varied.mean() - 1.25) < 0.03  # the middle; its standard error is .01


def test_the_temperature_follows_from_seed_and_first_sample_alone() -> None:
    schedule = TemperatureSchedule(0.5, 2.0, seed=3)
    assert all(schedule.of(USUAL, asked(s)) == schedule.of(USUAL, asked(s, 1)) for s in range(50))
    assert any(
        schedule.of(USUAL, asked(s)) != TemperatureSchedule(0.5, 2.0, seed=4).of(USUAL, asked(s)) for s in range(50)
    )
    assert schedule.of(USUAL, []) == USUAL


def test_a_batch_carries_the_temperature_that_it_was_drawn_at(make: Callable[..., Searcher]) -> None:
    searcher = make(temperature_schedule=TemperatureSchedule(1.5, 1.5, seed=0))
    heats = [
        {t.sampling.temperature for part in searcher.search([Assignment(0, 2 * n), Assignment(0, 2 * n + 1)])
         for t in part}
        for n in range(12)
    ]  # fmt: skip
    assert all(len(one) == 1 for one in heats)
    assert set.union(*heats) == {1.0, 1.5}
    assert searcher.logp_mismatch is not None
    assert searcher.logp_mismatch.mean < 1e-5  # the probe compares at the batch's own temperature
