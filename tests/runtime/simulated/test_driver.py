"""The real coordinator and replay with costs in place of work: figures that can be worked out by hand."""

from dataclasses import replace

import pytest

from steelyard.core import Prompt
from steelyard.objective import DrGRPO
from steelyard.recipes import find
from steelyard.replay import PrioritizedReplay, SingleUse
from steelyard.runtime import HeldOut, Run
from steelyard.runtime.simulated.costs import Costs
from steelyard.runtime.simulated.driver import Simulation, Way
from steelyard.runtime.simulated.observed import Observed

PROMPTS = [Prompt(f"p{i}", f"p{i}") for i in range(64)]
RUN = replace(
    find("arithmetic"),
    num_prompts=4,
    search_prompts=4,
    num_generations=2,
    max_steps=60,
    evaluation=HeldOut(every=1000),
)
QUEUE = replace(RUN, objective=DrGRPO(max_length=20), replay=SingleUse())
COSTS = Costs(wave=2.0, step=1.0)


PAPER = Costs(wave=10.0, step=7.0, publish=0.5)
WAYS: tuple[Way, ...] = ("barrier", "streaming")


def published(sync: int) -> Run:
    """The paper's three searchers, whose newest data alone is trained on."""
    replay = PrioritizedReplay(recent_probability=1.0, recent_window=sync)
    return replace(RUN, num_searchers=3, weight_sync_steps=sync, replay=replay, max_steps=10 * sync)


def seen(
    run: Run, costs: Costs = COSTS, cores: float | None = None, way: Way = "streaming", settling: int = 10
) -> Observed:
    run = replace(run, max_steps=run.max_steps + settling)
    return Simulation(run, PROMPTS, costs, cores=cores, way=way, settling=settling).observe()


def test_a_queue_goes_at_the_pace_of_its_searchers():
    slow = seen(QUEUE)
    assert slow.steps_per_s == pytest.approx(0.5, rel=0.01)
    assert slow.learner_idle == pytest.approx(0.5, abs=0.02)
    assert slow.uses == pytest.approx(1, abs=0.05)
    assert slow.steps == 60
    enough = seen(replace(QUEUE, num_searchers=2))
    assert enough.steps_per_s == pytest.approx(1, rel=0.02)
    assert enough.learner_idle < 0.02


def test_the_cost_of_scoring_and_the_search_delay_slow_searchers_down():
    scored = seen(QUEUE, Costs(wave=2.0, score=1.0, step=1.0))
    assert scored.steps_per_s == pytest.approx(1 / 3, rel=0.02)
    far = seen(replace(QUEUE, search_delay=2.0))
    assert far.steps_per_s == pytest.approx(0.25, rel=0.02)


def test_a_replay_lets_the_learner_go_on_with_old_data():
    found = seen(replace(RUN, replay=PrioritizedReplay(recent_probability=0.0)))
    assert found.steps_per_s == pytest.approx(1, rel=0.02)
    assert found.uses == pytest.approx(2, rel=0.05)
    assert found.stored == pytest.approx(found.found, rel=0.2)


def test_on_one_shared_core_everybody_takes_a_share():
    alone = seen(QUEUE, cores=1.0)
    assert alone.steps_per_s == pytest.approx(1 / 3, rel=0.02), "a batch of 2 s, then a step of 1 s"
    two = seen(QUEUE, cores=2.0)
    assert two.steps_per_s == pytest.approx(0.5, rel=0.02)


def test_on_shared_cores_the_learner_writes_its_weights_itself():
    replay = replace(RUN, replay=PrioritizedReplay(recent_probability=0.0))
    costs = Costs(wave=2.0, step=1.0, publish=1.0)
    assert seen(replay, costs, cores=2.0).steps_per_s == pytest.approx(1 / 2, rel=0.02)
    assert seen(replay, costs).steps_per_s == pytest.approx(1, rel=0.02)


def test_a_driver_that_cannot_keep_up_shows():
    found = seen(replace(QUEUE, num_searchers=4), Costs(wave=2.0, step=1.0, store=0.5))
    assert found.driver_busy > 0.95
    assert found.steps_per_s == pytest.approx(1 / 16, rel=0.05), "the learner's word waits behind 4 x 8 completions"


def test_late_weights_make_data_stale():
    queue = replace(QUEUE, num_searchers=2)
    soon, late = (seen(queue, Costs(wave=2.0, step=1.0, publish=publish), settling=30) for publish in (0.0, 10.0))
    assert late.mean_staleness == pytest.approx(soon.mean_staleness + 10, abs=1)
    rarely = seen(replace(queue, weight_sync_steps=5))
    assert rarely.mean_staleness == pytest.approx(soon.mean_staleness + 2, abs=0.5)


@pytest.mark.parametrize(("sync", "mean"), [(2, 2.5), (10, 14.5)])
def test_the_published_protocol_has_the_published_staleness(sync: int, mean: float):
    """Data of one synchronisation is trained on after the next: k to 2k - 1 versions old, on average 1.5 k - 0.5."""
    barrier = seen(published(sync), PAPER, way="barrier", settling=2 * sync)
    assert barrier.mean_staleness == pytest.approx(mean, abs=0.05)
    assert (min(barrier.staleness), max(barrier.staleness)) == (sync, 2 * sync - 1)


def test_streaming_has_fresher_data_and_nobody_waits():
    barrier, streaming = (seen(published(10), PAPER, way=way, settling=20) for way in WAYS)
    assert streaming.mean_staleness < barrier.mean_staleness - 2
    assert streaming.searcher_idle == 0 < barrier.searcher_idle
    assert streaming.learner_idle < barrier.learner_idle
    assert streaming.steps_per_s > barrier.steps_per_s


def test_what_is_trained_on_first_is_short():
    """Groups of short completions are whole before the others, and a learner that waits takes them."""
    run = replace(QUEUE, search_prompts=64, max_steps=8)
    found = seen(run, Costs(wave=20.0, step=0.1, lengths=(1, 100)), settling=0)
    assert found.length_trained < 0.9 * found.length_found


def test_it_repeats():
    assert seen(RUN) == seen(RUN)
